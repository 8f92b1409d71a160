"""`/audit-events/`: what people, keys and the system changed, for reading and for SIEMs."""

from __future__ import annotations

import datetime
from typing import Any, ClassVar

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from dataxpipe.parameters import Query
from dataxpipe.problems import FieldError, ValidationFailed
from orgs.audit import Action
from orgs.models import AuditEvent, Refusal
from orgs.permissions import Right
from orgs.services.audit import verify_chain
from orgs.services.audit_export import export_audit
from orgs.viewsets import TenantViewSet


class AuditActorSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["person", "api_key", "system"])
    id = serializers.CharField(allow_blank=True)
    label = serializers.CharField(allow_blank=True)  # type: ignore[assignment]


class AuditTargetSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(allow_blank=True)
    id = serializers.CharField(allow_blank=True)
    label = serializers.CharField(allow_blank=True)  # type: ignore[assignment]


class AuditEventSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    sequence = serializers.IntegerField(allow_null=True, help_text="null until it is sealed, within a minute")
    created_at = serializers.DateTimeField()
    action = serializers.ChoiceField(choices=[action.value for action in Action])
    actor = AuditActorSerializer()
    target = AuditTargetSerializer()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)
    ip_address = serializers.IPAddressField(allow_null=True)
    user_agent = serializers.CharField(allow_blank=True)
    request_id = serializers.CharField(allow_blank=True)


class ChainSerializer(serializers.Serializer[Any]):
    is_intact = serializers.BooleanField()
    head = serializers.IntegerField(help_text="the last sequence, 0 without one")
    head_mac = serializers.CharField(help_text="keep it: a chain that was cut short ends before it")
    anchored = serializers.IntegerField(help_text="up to this sequence the chain is signed")
    unsealed = serializers.IntegerField()
    erased_people = serializers.IntegerField()
    bad_sequence = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)


class RefusalSerializer(serializers.Serializer[Any]):
    hour = serializers.DateTimeField()
    actor = AuditActorSerializer()
    ip_address = serializers.IPAddressField(allow_null=True)
    problem = serializers.CharField(help_text="the problem's name, as in its `type`")
    count = serializers.IntegerField()
    last_path = serializers.CharField(allow_blank=True)
    last_refused_at = serializers.DateTimeField()


def event_as_dict(row: dict[str, Any]) -> dict[str, Any]:
    details = row["subject__details"] or {}
    return {
        "id": row["id"],
        "sequence": row["seal__sequence"],
        "created_at": row["created_at"],
        "action": row["action"],
        "actor": {"kind": row["actor_kind"], "id": row["actor_id"], "label": row["person__label"] or ""},
        "target": {"kind": row["target_kind"], "id": row["target_id"], "label": row["label"]},
        "before": row["before"] or details.get("before"),
        "after": row["after"] or details.get("after"),
        "ip_address": row["person__ip_address"],
        "user_agent": row["person__user_agent"] or "",
        "request_id": row["request_id"],
    }


class AuditEventViewSet(TenantViewSet):
    serializer_class = AuditEventSerializer
    rights: ClassVar[dict[str, Right]] = {
        "list": Right.READ_ORGANIZATION,
        "verify": Right.READ_ORGANIZATION,
        "refusals": Right.READ_ORGANIZATION,
        "export": Right.READ_ORGANIZATION,
    }
    parameters: ClassVar[dict[str, set[str]]] = {
        "list": {"action", "actor_id", "target_id", "since", "until", "after"},
        "refusals": set(),
    }
    paged_actions: ClassVar[set[str]] = {"list", "refusals"}

    @extend_schema(
        responses=AuditEventSerializer(many=True),
        parameters=[
            OpenApiParameter("action", str, enum=[action.value for action in Action]),
            OpenApiParameter("actor_id", str),
            OpenApiParameter("target_id", str),
            OpenApiParameter("since", datetime.datetime),
            OpenApiParameter("until", datetime.datetime, description="before this instant"),
            OpenApiParameter("after", int, description="only sealed entries behind this sequence, oldest first"),
        ],
    )
    def list(self, request: Request) -> Response:
        """The newest first; with `after`, everything sealed since, in the chain's order, so that nothing is missed."""
        query = Query(request.query_params)
        since, until = query.instant("since"), query.instant("until")
        query.require_valid()
        queryset = AuditEvent.objects.matching(
            action=_action(request),
            actor_id=request.query_params.get("actor_id"),
            target_id=request.query_params.get("target_id"),
        )
        queryset = queryset.between(since, until).as_rows()
        after, order = _after(request), ["-id"]
        if after is not None:
            queryset, order = queryset.filter(seal__sequence__gt=after), ["seal__sequence"]
        page = self.page(queryset, order)
        return Response(page.as_dict() | {"results": [event_as_dict(row) for row in page.rows]})

    @extend_schema(responses=ChainSerializer)
    @action(detail=False)
    def verify(self, request: Request) -> Response:
        """Walks the chain and names the first entry that does not fit."""
        report = verify_chain()
        return Response(
            {
                "is_intact": report.is_intact,
                "head": report.head,
                "head_mac": report.head_mac,
                "anchored": report.anchored,
                "unsealed": report.unsealed,
                "erased_people": report.erased_people,
                "bad_sequence": report.bad_sequence,
                "reason": report.reason,
            }
        )

    @extend_schema(responses=RefusalSerializer(many=True))
    @action(detail=False)
    def refusals(self, request: Request) -> Response:
        """Who was refused, and how often: one row per actor, address, problem and hour, the latest hour first."""
        page = self.page(self.organization.refusals.all(), ["-hour", "-id"])
        return Response(page.as_dict() | {"results": [_refusal_as_dict(row) for row in page.rows]})

    @extend_schema(responses={(200, "application/x-ndjson"): OpenApiTypes.STR})
    @action(detail=False)
    def export(self, request: Request) -> StreamingHttpResponse:
        """Every sealed entry with personal fields and anchors, a line of JSON each; `dataxpipe audit` checks it."""
        response = StreamingHttpResponse(export_audit(actor=self.actor), content_type="application/x-ndjson")
        response["Cache-Control"] = "no-store"
        return response


def _refusal_as_dict(refusal: Refusal) -> dict[str, Any]:
    return {
        "hour": refusal.hour,
        "actor": {"kind": refusal.actor_kind, "id": refusal.actor_id, "label": refusal.actor_label},
        "ip_address": refusal.ip_address,
        "problem": refusal.problem,
        "count": refusal.refusal_count,
        "last_path": refusal.last_path,
        "last_refused_at": refusal.last_refused_at,
    }


def _action(request: Request) -> str | None:
    name = request.query_params.get("action")
    if name is not None and name not in {action.value for action in Action}:
        error = FieldError("unknown", f"Actions are {', '.join(a.value for a in Action)}.", parameter="action")
        raise ValidationFailed("This action is not known.", errors=[error])
    return name


def _after(request: Request) -> int | None:
    text = request.query_params.get("after")
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    error = FieldError("invalid", "A sequence: a whole number, 0 for the beginning.", parameter="after")
    raise ValidationFailed("after is not a sequence.", errors=[error])
