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
from dataxpipe.problems import FieldError, NotFound, ValidationFailed
from orgs.idempotency import idempotent
from orgs.models import ApiKey
from orgs.permissions import PRESETS, SCOPES, Right
from orgs.services import api_keys
from orgs.services.api_keys import IssuedKey, Limits
from orgs.services.key_flags import FLAGS, flagged
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
    has_creator_left = serializers.BooleanField(help_text="made by a person who is no member any more")
    is_over_age = serializers.BooleanField(help_text="lives longer than the setting max_key_age_days allows")
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


def key_as_dict(api_key: Any, max_age: datetime.timedelta | None) -> dict[str, Any]:
    """`api_key` comes from a queryset `with_creator_left()`; `max_age` is the organization's."""
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
        "has_creator_left": api_key.has_creator_left,
        "is_over_age": api_key.is_over_age(max_age),
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
    parameters: ClassVar[dict[str, set[str]]] = {"list": {"flag"}}

    @extend_schema(
        responses=ApiKeySerializer(many=True),
        parameters=[OpenApiParameter("flag", str, enum=FLAGS)],
    )
    def list(self, request: Request) -> Response:
        """Every key that was ever made, the newest first; `flag` picks usable keys that ask for an admin's eye."""
        flag = request.query_params.get("flag")
        if flag is not None and flag not in FLAGS:
            error = FieldError("invalid", f"One of {', '.join(FLAGS)}.", parameter="flag")
            raise ValidationFailed("The flag is not known.", errors=[error])
        queryset = flagged(self.organization, flag).with_creator_left()
        page = self.page(queryset, ["-created_at", "-id"])
        return Response(page.as_dict() | {"results": [self._as_dict(api_key) for api_key in page.rows]})

    @extend_schema(responses=ApiKeySerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(self._as_dict(self._key(pk)))

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
        issued = api_keys.create_api_key(name=name, limits=limits, actor=self.actor, created_by=self.person)
        return self._issued(issued)

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
        issued = api_keys.rotate_api_key(
            api_key=self._key(pk), actor=self.actor, overlap=overlap, created_by=self.person
        )
        return self._issued(issued)

    @extend_schema(request=None, responses=ApiKeySerializer)
    @action(detail=True, methods=["post"], url_path="end-overlap")
    def end_overlap(self, request: Request, pk: str) -> Response:
        """The old key of a rotation stops now."""
        api_keys.end_overlap(api_key=self._key(pk), actor=self.actor)
        return Response(self._as_dict(self._key(pk)))

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
        api_key = self.organization.api_keys.with_creator_left().named(pk).first()
        if api_key is None:
            raise NotFound("No key of this organization has this id.")
        return api_key

    def _issued(self, issued: IssuedKey) -> Response:
        return Response(self._as_dict(self._key(str(issued.api_key.pk))) | {"key": issued.text}, status=201)

    def _as_dict(self, api_key: ApiKey) -> dict[str, Any]:
        return key_as_dict(api_key, self.organization.max_key_age)
