"""`/connections/`: warehouses and stores. Plain secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.shapes import page_of
from catalog.connection_types import connection_types
from catalog.models import Connection, ConnectionSecret
from catalog.services.connections import create_connection, delete_connection, update_connection
from dataxpipe.fields import StrictSerializer, TextField
from dataxpipe.parameters import Query
from dataxpipe.problems import NotFound
from orgs.permissions import Right
from orgs.viewsets import TenantViewSet


class ConnectionSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="What specs call it in connection_ref.")
    type = serializers.CharField()
    description = serializers.CharField()
    config = serializers.DictField(
        help_text='By the type\'s schema. A plain secret reads {"set": true, "updated_at": …}.'
    )
    namespaces = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


@extend_schema_field(OpenApiTypes.OBJECT)
class ConfigField(serializers.Field):  # type: ignore[type-arg]
    """An object; the type's own schema checks what is in it."""

    default_error_messages = {"type": "config must be an object."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("type")
        return data


class _Facts(StrictSerializer):
    description = TextField(required=False, allow_blank=True, max_length=10_000)
    namespaces = serializers.ListField(child=TextField(max_length=1_000), required=False, max_length=20)


class NewConnection(_Facts):
    id = TextField(max_length=100)
    type = TextField(max_length=30)
    config = ConfigField(required=False)


class ConnectionChanges(_Facts):
    config = ConfigField(required=False)


@extend_schema_view(
    list=extend_schema(
        parameters=[
            OpenApiParameter("type", str),
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", int, description="1 to 500, default 50."),
        ],
        responses=page_of(ConnectionSerializer),
    ),
    create=extend_schema(request=NewConnection, responses={201: ConnectionSerializer}),
    retrieve=extend_schema(responses=ConnectionSerializer),
    partial_update=extend_schema(request=ConnectionChanges, responses=ConnectionSerializer),
    destroy=extend_schema(responses={204: None}),
)
class ConnectionViewSet(TenantViewSet):
    rights: ClassVar[dict[str, Right]] = {
        "list": Right.READ_CATALOG,
        "retrieve": Right.READ_CATALOG,
        "create": Right.WRITE_CONNECTIONS,
        "partial_update": Right.WRITE_CONNECTIONS,
        "destroy": Right.WRITE_CONNECTIONS,
    }
    parameters: ClassVar[dict[str, set[str]]] = {"list": {"type"}}

    def list(self, request: Request) -> Response:
        query = Query(request.query_params)
        connections = Connection.objects.all()
        if kind := query.choice("type", tuple(connection_types())):
            connections = connections.filter(type=kind)
        query.require_valid()
        page = self.page(connections, ["slug"])
        page.rows[:] = connection_shapes(page.rows)
        return Response(page.as_dict())

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(connection_shape(_called(pk)))

    def create(self, request: Request) -> Response:
        body = NewConnection(data=request.data)
        body.is_valid(raise_exception=True)
        values = {"config": {}, **body.validated_data}
        connection = create_connection(slug=values.pop("id"), actor=self.actor, **values)
        location = f"/api/v1/connections/{connection.slug}"
        return Response(connection_shape(connection), status=201, headers={"Location": location})

    def partial_update(self, request: Request, pk: str) -> Response:
        body = ConnectionChanges(data=request.data)
        body.is_valid(raise_exception=True)
        connection = update_connection(connection=_called(pk), actor=self.actor, **body.validated_data)
        return Response(connection_shape(connection))

    def destroy(self, request: Request, pk: str) -> Response:
        delete_connection(connection=_called(pk), actor=self.actor)
        return Response(status=204)


def _called(slug: str) -> Connection:
    found: Connection | None = Connection.objects.filter(slug=slug).first() if "\0" not in slug else None
    if found is None:
        raise NotFound("There is no such connection.")
    return found


def connection_shape(connection: Connection) -> dict[str, Any]:
    return connection_shapes([connection])[0]


def connection_shapes(connections: Iterable[Connection]) -> list[dict[str, Any]]:
    """One query for the secrets of all of them, which tells no more than that they are set."""
    connections = list(connections)
    secrets: dict[Any, dict[str, Any]] = {connection.pk: {} for connection in connections}
    rows = ConnectionSecret.objects.filter(connection__in=list(secrets)).order_by("field")
    for connection_id, field, updated_at in rows.values_list("connection_id", "field", "updated_at"):
        secrets[connection_id][field] = {"set": True, "updated_at": updated_at}
    return [
        {
            "id": connection.slug,
            "type": connection.type,
            "description": connection.description,
            "config": connection.config | secrets[connection.pk],
            "namespaces": connection.namespaces,
            "created_at": connection.created_at,
            "updated_at": connection.updated_at,
        }
        for connection in connections
    ]
