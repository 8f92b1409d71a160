"""`/api-keys/`: keys of the organization. The text of a key is in one answer only, which no cache may keep."""

from __future__ import annotations

import datetime
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from dataxpipe.fields import InstantField, StrictSerializer, TextField, WholeNumberField, WordField
from dataxpipe.problems import NotFound
from orgs.idempotency import idempotent
from orgs.models import ApiKey
from orgs.permissions import PRESETS, SCOPES, Right
from orgs.services import api_keys
from orgs.services.api_keys import IssuedKey, Limits
from orgs.viewsets import TenantViewSet

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="Repeats within 24 hours get the first answer."
)


class ApiKeySerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    hint = serializers.CharField(help_text="first and last characters")
    scopes = serializers.ListField(child=serializers.CharField())
    allowed_cidrs = serializers.ListField(child=serializers.CharField())
    allowed_namespaces = serializers.ListField(child=serializers.CharField())
    namespace_map = serializers.DictField(child=serializers.CharField())
    status = serializers.ChoiceField(choices=["active", "rotating", "expired", "revoked"])
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    successor_id = serializers.UUIDField(allow_null=True)


class IssuedKeySerializer(ApiKeySerializer):
    key = serializers.CharField(help_text="the key itself, shown this once")


class NewApiKey(StrictSerializer):
    name = TextField(max_length=100)
    scopes = serializers.ListField(child=TextField(max_length=30), max_length=len(SCOPES), required=False)
    preset = WordField(choices=sorted(PRESETS), required=False, help_text="instead of scopes")
    expires_at = InstantField(required=False, allow_null=True)
    allowed_cidrs = serializers.ListField(child=TextField(max_length=43), max_length=100, required=False)
    allowed_namespaces = serializers.ListField(child=TextField(max_length=1000), max_length=100, required=False)
    namespace_map = serializers.DictField(child=TextField(max_length=1000), required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("scopes" in attrs) == ("preset" in attrs):
            raise serializers.ValidationError({"scopes": ["Give either scopes or a preset."]}, code="required")
        if len(attrs.get("namespace_map", {})) > 100:
            raise serializers.ValidationError({"namespace_map": ["At most 100 namespaces."]})
        return attrs


class Rotation(StrictSerializer):
    overlap_seconds = WholeNumberField(required=False, min_value=0, max_value=30 * 24 * 3600)


def key_as_dict(api_key: ApiKey) -> dict[str, Any]:
    return {
        "id": api_key.pk,
        "name": api_key.name,
        "hint": api_key.hint,
        "scopes": api_key.scopes,
        "allowed_cidrs": api_key.allowed_cidrs,
        "allowed_namespaces": api_key.allowed_namespaces,
        "namespace_map": api_key.namespace_map,
        "status": api_key.status,
        "created_by": api_key.created_by_label,
        "created_at": api_key.created_at,
        "expires_at": api_key.expires_at,
        "last_used_at": api_key.last_used_at,
        "revoked_at": api_key.revoked_at,
        "successor_id": api_key.successor_id,
    }


class ApiKeyViewSet(TenantViewSet):
    serializer_class = ApiKeySerializer
    rights: ClassVar[dict[str, Right]] = {
        "list": Right.READ_ORGANIZATION,
        "retrieve": Right.READ_ORGANIZATION,
        "create": Right.ADMINISTER,
        "rotate": Right.ADMINISTER,
        "end_overlap": Right.ADMINISTER,
        "destroy": Right.ADMINISTER,
    }

    @extend_schema(responses=ApiKeySerializer(many=True))
    def list(self, request: Request) -> Response:
        """Every key that was ever made, the newest first."""
        page = self.page(self.organization.api_keys.all(), ["-created_at", "-id"])
        return Response(page.as_dict() | {"results": [key_as_dict(api_key) for api_key in page.rows]})

    @extend_schema(responses=ApiKeySerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(key_as_dict(self._key(pk)))

    @extend_schema(
        request=NewApiKey,
        responses={201: IssuedKeySerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Makes a key with at most the rights of the credential that asks."""
        new = NewApiKey(data=request.data)
        new.is_valid(raise_exception=True)
        fields = dict(new.validated_data)
        name, preset = fields.pop("name"), fields.pop("preset", None)
        scopes = PRESETS[preset] if preset else tuple(dict.fromkeys(fields.pop("scopes")))
        limits = Limits(scopes=scopes, **fields)
        issued = api_keys.create_api_key(name=name, limits=limits, actor=self.actor)
        return issued_answer(issued)

    @extend_schema(
        request=Rotation,
        responses={201: IssuedKeySerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    @action(detail=True, methods=["post"])
    @idempotent
    def rotate(self, request: Request, pk: str) -> Response:
        """Makes a successor; the old key works on for `overlap_seconds`, a day unless said otherwise."""
        rotation = Rotation(data=request.data or {})
        rotation.is_valid(raise_exception=True)
        seconds = rotation.validated_data.get("overlap_seconds")
        overlap = api_keys.DEFAULT_OVERLAP if seconds is None else datetime.timedelta(seconds=seconds)
        issued = api_keys.rotate_api_key(api_key=self._key(pk), actor=self.actor, overlap=overlap)
        return issued_answer(issued)

    @extend_schema(request=None, responses=ApiKeySerializer)
    @action(detail=True, methods=["post"], url_path="end-overlap")
    def end_overlap(self, request: Request, pk: str) -> Response:
        """The old key of a rotation stops now."""
        return Response(key_as_dict(api_keys.end_overlap(api_key=self._key(pk), actor=self.actor)))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """The key is refused from the next request on."""
        api_keys.revoke_api_key(api_key=self._key(pk), actor=self.actor)
        return Response(status=204)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response

    def _key(self, pk: str) -> ApiKey:
        api_key = self.organization.api_keys.named(pk).first()
        if api_key is None:
            raise NotFound("No key of this organization has this id.")
        return api_key


def issued_answer(issued: IssuedKey) -> Response:
    return Response(key_as_dict(issued.api_key) | {"key": issued.text}, status=201)
