"""`POST /lineage` and `/lineage/batch`: where OpenLineage clients send their events."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.openlineage.events import DatasetEvent
from catalog.services.lineage_events.reception import Receipt, receive_event, receive_events
from dataxpipe.problems import BodyTooLarge, FieldError, ValidationFailed
from orgs.permissions import Right
from orgs.viewsets import TenantViewSet

MAX_EVENTS = 1_000

_EVENT = {"type": "object", "description": "A RunEvent, JobEvent or DatasetEvent of OpenLineage 1-0 or 2-0-2."}
_SUMMARY = inline_serializer(
    "EventBatchSummary",
    {name: serializers.IntegerField() for name in ("received", "successful", "failed", "retriable", "non_retriable")},
)
_FAILED = inline_serializer(
    "FailedEvent",
    {
        "index": serializers.IntegerField(),
        "reason": serializers.CharField(),
        "retriable": serializers.BooleanField(),
    },
    many=True,
)
_ANSWER = inline_serializer(
    "EventBatchAnswer",
    {
        "status": serializers.ChoiceField(["partial_success", "failure"]),
        "summary": _SUMMARY,
        "failed_events": _FAILED,
    },
)


@extend_schema(tags=["lineage"])
class OpenLineageViewSet(TenantViewSet):
    """Opens no scope of its own: what is repeated after a deadlock, or put off, needs a transaction each."""

    rights: ClassVar = {"create": Right.INGEST, "batch": Right.INGEST}
    has_scope = False
    can_wait = True
    ingest_actions: ClassVar[set[str]] = {"create", "batch"}

    @extend_schema(
        summary="Take an OpenLineage event",
        operation_id="lineage_create",
        request={"application/json": _EVENT},
        responses={201: None},
    )
    def create(self, request: Request) -> Response:
        receipt = receive_event(document=request.data, organization=self.organization, actor=self.actor)
        self._note_callers(receipt)
        return Response(status=201)

    @extend_schema(
        summary="Take up to 1,000 OpenLineage events",
        operation_id="lineage_batch",
        request={"application/json": {"type": "array", "items": _EVENT, "maxItems": MAX_EVENTS}},
        responses={204: None, 200: _ANSWER},
    )
    @action(detail=False, methods=["post"])
    def batch(self, request: Request) -> Response:
        documents = _documents(request.data)
        self.draw_events(len(documents))
        receipt = receive_events(documents=documents, organization=self.organization, actor=self.actor)
        self._note_callers(receipt)
        if not receipt.refused:
            return Response(status=204)
        return Response(_answer(len(documents), receipt))

    def _note_callers(self, receipt: Receipt) -> None:
        """For which jobs the key is used: what a rotation has to reach."""
        for namespace, pipeline, producer in {
            (one.event.job.namespace, receipt.pipelines.get(one.index), one.event.producer)
            for one in receipt.received
            if not isinstance(one.event, DatasetEvent)
        }:
            self.note_caller(namespace=namespace, root_name=pipeline.name if pipeline else "", producer=producer)


def _documents(data: Any) -> list[Any]:
    if not isinstance(data, list):
        errors = [FieldError("wrong_type", "A batch is a JSON array of events.", pointer="")]
        raise ValidationFailed("A batch is a JSON array of events.", errors=errors)
    if len(data) > MAX_EVENTS:
        raise BodyTooLarge(f"A batch may hold {MAX_EVENTS:,} events; this one holds {len(data):,}.", limit=MAX_EVENTS)
    return data


def _answer(received: int, receipt: Receipt) -> dict[str, Any]:
    failed, retriable = len(receipt.refused), sum(refusal.is_retriable for refusal in receipt.refused)
    return {
        "status": "failure" if failed == received else "partial_success",
        "summary": {
            "received": received,
            "successful": received - failed,
            "failed": failed,
            "retriable": retriable,
            "non_retriable": failed - retriable,
        },
        "failed_events": [
            {"index": refusal.index, "reason": refusal.problem.detail, "retriable": refusal.is_retriable}
            for refusal in receipt.refused
        ],
    }
