"""`/trusted-publishers/`: whose CI tokens are exchanged for keys; `/tokens`: the exchange, which needs no key."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dataxpipe.fields import StrictSerializer, TextField, WordField
from dataxpipe.parsing import Negotiation, StrictJsonParser
from dataxpipe.problems import FieldError, NotFound, ValidationFailed
from orgs.actors import Actor
from orgs.attempts import Pace, limit_address
from orgs.authentication import refuse_key_in_query
from orgs.issuers import MAX_TOKEN_CHARACTERS
from orgs.models import TrustedPublisher
from orgs.permissions import SCOPES, Right
from orgs.services.trusted_publishers import (
    KEY_LIVES,
    Trust,
    create_publisher,
    delete_publisher,
    exchange_token,
    update_publisher,
)
from orgs.viewsets import TenantViewSet

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105
# By address: a token costs a verification before anything is known of its sender.
EXCHANGES = Pace(120, 60)
TOKEN_TYPES = ("urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token")


class TrustedPublisherSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    issuer = serializers.CharField()
    audience = serializers.CharField()
    subject_pattern = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    allowed_namespaces = serializers.ListField(child=serializers.CharField())
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    last_subject = serializers.CharField(help_text="whose token was exchanged last")


class PublisherChange(StrictSerializer):
    name = TextField(max_length=100)
    issuer = TextField(max_length=500)
    audience = TextField(max_length=500)
    subject_pattern = TextField(max_length=500)
    scopes = serializers.ListField(child=TextField(max_length=30), max_length=len(SCOPES))
    allowed_namespaces = serializers.ListField(child=TextField(max_length=1000), max_length=100, required=False)


class TokenExchange(StrictSerializer):
    """RFC 8693's names, as JSON."""

    organization = TextField(max_length=40, help_text="slug of the organization that trusts the token")
    subject_token = TextField(max_length=MAX_TOKEN_CHARACTERS, help_text="the CI platform's OIDC token")
    subject_token_type = WordField(choices=TOKEN_TYPES, required=False)
    grant_type = WordField(choices=[TOKEN_EXCHANGE], required=False)
    scope = TextField(max_length=300, required=False, help_text="fewer scopes than the publisher's, blanks between")


class ExchangedToken(serializers.Serializer[Any]):
    access_token = serializers.CharField(help_text="an API key, for X-API-KEY or as Bearer")
    issued_token_type = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="seconds")
    expires_at = serializers.DateTimeField()
    scope = serializers.CharField()


def publisher_as_dict(publisher: TrustedPublisher) -> dict[str, Any]:
    return {
        "id": publisher.pk,
        "name": publisher.name,
        "issuer": publisher.issuer,
        "audience": publisher.audience,
        "subject_pattern": publisher.subject_pattern,
        "scopes": publisher.scopes,
        "allowed_namespaces": publisher.allowed_namespaces,
        "created_by": publisher.created_by_label,
        "created_at": publisher.created_at,
        "last_used_at": publisher.last_used_at,
        "last_subject": publisher.last_subject,
    }


class TrustedPublisherViewSet(TenantViewSet):
    serializer_class = TrustedPublisherSerializer
    rights: ClassVar[dict[str, Right]] = {
        "list": Right.READ_ORGANIZATION,
        "retrieve": Right.READ_ORGANIZATION,
        "create": Right.ADMINISTER,
        "partial_update": Right.ADMINISTER,
        "destroy": Right.ADMINISTER,
    }

    @extend_schema(responses=TrustedPublisherSerializer(many=True))
    def list(self, request: Request) -> Response:
        page = self.page(self.organization.trusted_publishers.all(), ["-created_at", "-id"])
        return Response(page.as_dict() | {"results": [publisher_as_dict(publisher) for publisher in page.rows]})

    @extend_schema(responses=TrustedPublisherSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(publisher_as_dict(self._publisher(pk)))

    @extend_schema(request=PublisherChange, responses={201: TrustedPublisherSerializer})
    def create(self, request: Request) -> Response:
        """A key makes a publisher with at most its own scopes and namespaces, and none while it has an end itself."""
        change = PublisherChange(data=request.data)
        change.is_valid(raise_exception=True)
        publisher = create_publisher(trust=Trust(**change.validated_data), actor=self.actor, created_by=self.person)
        return Response(publisher_as_dict(publisher), status=201)

    @extend_schema(request=PublisherChange, responses=TrustedPublisherSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        publisher = self._publisher(pk)
        change = PublisherChange(data=request.data, partial=True)
        change.is_valid(raise_exception=True)
        trust = Trust(**(asdict(Trust.of(publisher)) | change.validated_data))
        return Response(publisher_as_dict(update_publisher(publisher=publisher, trust=trust, actor=self.actor)))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Keys that were exchanged by it are revoked."""
        delete_publisher(publisher=self._publisher(pk), actor=self.actor)
        return Response(status=204)

    def _publisher(self, pk: str) -> TrustedPublisher:
        publisher = self.organization.trusted_publishers.named(pk).first()
        if publisher is None:
            raise NotFound("No trusted publisher of this organization has this id.")
        return publisher


class TokenView(APIView):
    """Outside of every organization until the token has shown whose it is."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    parser_classes = [StrictJsonParser]
    content_negotiation_class = Negotiation

    @extend_schema(request=TokenExchange, responses=ExchangedToken, operation_id="token_exchange", auth=[])
    def post(self, request: Request) -> Response:
        """Exchanges a CI platform's OIDC token for an API key of 15 minutes, once, if a trusted publisher fits."""
        refuse_key_in_query(request)
        limit_address("tokens", request._request, EXCHANGES)
        exchange = TokenExchange(data=request.data)
        exchange.is_valid(raise_exception=True)
        asked = exchange.validated_data
        issued = exchange_token(
            text=asked["subject_token"],
            slug=asked["organization"],
            scopes=_scopes(asked["scope"]) if "scope" in asked else None,
            visitor=Actor.visitor(request._request),
        )
        answer = {
            "access_token": issued.text,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": int(KEY_LIVES.total_seconds()),
            "expires_at": issued.api_key.expires_at,
            "scope": " ".join(issued.api_key.scopes),
        }
        return Response(answer, headers={"Cache-Control": "no-store"})


def _scopes(text: str) -> tuple[str, ...]:
    scopes = tuple(dict.fromkeys(text.split()))
    if not scopes or not set(scopes) <= set(SCOPES):
        error = FieldError("unknown", f"Scopes are {', '.join(SCOPES)}, with blanks between.", pointer="/scope")
        raise ValidationFailed("The scopes are not known.", errors=[error])
    return scopes
