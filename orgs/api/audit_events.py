"""`/audit-events/`: what people, keys and the system changed, for reading and for SIEMs."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from dataxpipe.problems import FieldError, ValidationFailed
from orgs.audit import Action
from orgs.models import AuditEvent
from orgs.permissions import Right
from orgs.services.audit import verify_chain
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
    unsealed = serializers.IntegerField()
    erased_people = serializers.IntegerField()
    bad_sequence = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)


def event_as_dict(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "sequence": row["seal__sequence"],
        "created_at": row["created_at"],
        "action": row["action"],
        "actor": {"kind": row["actor_kind"], "id": row["actor_id"], "label": row["person__label"] or ""},
        "target": {"kind": row["target_kind"], "id": row["target_id"], "label": row["target_label"]},
        "before": row["before"],
        "after": row["after"],
        "ip_address": row["person__ip_address"],
        "user_agent": row["person__user_agent"] or "",
        "request_id": row["request_id"],
    }


class AuditEventViewSet(TenantViewSet):
    serializer_class = AuditEventSerializer
    rights: ClassVar[dict[str, Right]] = {"list": Right.READ_ORGANIZATION, "verify": Right.READ_ORGANIZATION}
    parameters: ClassVar[dict[str, set[str]]] = {"list": {"action", "actor_id", "target_id", "after"}}

    @extend_schema(
        responses=AuditEventSerializer(many=True),
        parameters=[
            OpenApiParameter("action", str, enum=[action.value for action in Action]),
            OpenApiParameter("actor_id", str),
            OpenApiParameter("target_id", str),
            OpenApiParameter("after", int, description="only sealed entries behind this sequence, oldest first"),
        ],
    )
    def list(self, request: Request) -> Response:
        """The newest first; with `after`, everything sealed since, in the chain's order, so that nothing is missed."""
        queryset = AuditEvent.objects.matching(
            action=_action(request),
            actor_id=request.query_params.get("actor_id"),
            target_id=request.query_params.get("target_id"),
        ).as_rows()
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
                "unsealed": report.unsealed,
                "erased_people": report.erased_people,
                "bad_sequence": report.bad_sequence,
                "reason": report.reason,
            }
        )


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
