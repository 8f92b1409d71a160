"""`/schemas/`: the JSON Schemas of specs and connections, for editors and forms. They hold nobody's data."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.connection_types import connection_types
from catalog.spec.structure import published_schema
from dataxpipe.problems import NotFound

MEDIA_TYPE = "application/schema+json"


class PublicView(APIView):
    """Outside of every organization: no key, no scope."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []


class PipelineSchemaView(PublicView):
    @extend_schema(exclude=True)  # a file, not an operation
    def get(self, request: Request) -> Response:
        """The JSON Schema of a pipeline spec."""
        return Response(published_schema(), content_type=MEDIA_TYPE)


class ConnectionSchemaView(PublicView):
    @extend_schema(exclude=True)  # a file, not an operation
    def get(self, request: Request, connection_type: str) -> Response:
        """The JSON Schema of the configuration of one type of connection."""
        known = connection_types().get(connection_type)
        if known is None:
            raise NotFound("There is no such type of connection.")
        return Response(known.schema(), content_type=MEDIA_TYPE)
