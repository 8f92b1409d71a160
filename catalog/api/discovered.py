"""`/pipelines/discovered/`: names that events used and that were not let in."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.shapes import PipelineSerializer, page_of, pipeline_shape, row_of_pipeline
from catalog.models import DiscoveredPipeline
from catalog.services.discovered import admit_pipeline, heed_pipeline, ignore_pipeline
from dataxpipe.parameters import Query
from dataxpipe.problems import NotFound
from orgs.permissions import Right
from orgs.viewsets import TenantViewSet

FIELDS = ("id", "namespace", "name", "first_seen_at", "last_seen_at", "event_count", "ignored_at")
ORDERINGS = ("-last_seen_at", "last_seen_at", "-event_count", "event_count", "name", "-name")


class DiscoveredPipelineSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    namespace = serializers.CharField()
    name = serializers.CharField()
    first_seen_at = serializers.DateTimeField(help_text="Time of the earliest event that was refused.")
    last_seen_at = serializers.DateTimeField()
    event_count = serializers.IntegerField(help_text="Events that were refused.")
    ignored_at = serializers.DateTimeField(allow_null=True)


@extend_schema_view(
    list=extend_schema(
        parameters=[
            OpenApiParameter("namespace", str),
            OpenApiParameter("ignored", str, enum=["false", "true", "all"], description="Default false."),
            OpenApiParameter("ordering", str, enum=list(ORDERINGS), description="Default -last_seen_at."),
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", int, description="1 to 500, default 50."),
        ],
        responses=page_of(DiscoveredPipelineSerializer),
    ),
    admit=extend_schema(
        operation_id="pipelines_discovered_admit",
        request=None,
        responses={201: PipelineSerializer, 200: PipelineSerializer},
    ),
    ignore=extend_schema(
        operation_id="pipelines_discovered_ignore", request=None, responses=DiscoveredPipelineSerializer
    ),
)
class DiscoveredPipelineViewSet(TenantViewSet):
    # Whatever is no id is the name of a pipeline, or what follows one.
    lookup_value_regex = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    rights: ClassVar[dict[str, Right]] = {
        "list": Right.READ_CATALOG,
        "admit": Right.WRITE_CATALOG,
        "ignore": Right.WRITE_CATALOG,
        "heed": Right.WRITE_CATALOG,
    }
    parameters: ClassVar[dict[str, set[str]]] = {"list": {"namespace", "ignored", "ordering"}}

    def list(self, request: Request) -> Response:
        query = Query(request.query_params)
        ignored = query.choice("ignored", ("false", "true", "all")) or "false"
        ordering = query.choice("ordering", ORDERINGS) or ORDERINGS[0]
        namespace = query.text("namespace")
        query.require_valid()
        found = DiscoveredPipeline.objects.all()
        if ignored != "all":
            found = found.ignored() if ignored == "true" else found.waiting()
        if namespace:
            found = found.filter(namespace=namespace)
        return Response(self.page(found.values(*FIELDS), [ordering, _tie(ordering)]).as_dict())

    @action(detail=True, methods=["post"])
    def admit(self, request: Request, pk: str) -> Response:
        """Makes the pipeline, which takes a place in the plan at once; 200 if it has come in already."""
        pipeline, is_new = admit_pipeline(discovered=_found(pk), actor=self.actor)
        return Response(pipeline_shape(row_of_pipeline(pipeline)), status=201 if is_new else 200)

    @action(detail=True, methods=["post"])
    def ignore(self, request: Request, pk: str) -> Response:
        """Refuses its events, also when there is room."""
        return Response(_shape(ignore_pipeline(discovered=_found(pk), actor=self.actor)))

    @extend_schema(operation_id="pipelines_discovered_heed", request=None, responses=DiscoveredPipelineSerializer)
    @ignore.mapping.delete
    def heed(self, request: Request, pk: str) -> Response:
        """Takes the ignoring back."""
        return Response(_shape(heed_pipeline(discovered=_found(pk), actor=self.actor)))


def _tie(ordering: str) -> str:
    return "-id" if ordering.startswith("-") else "id"


def _found(pk: str) -> DiscoveredPipeline:
    found: DiscoveredPipeline | None = DiscoveredPipeline.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such discovered pipeline.")
    return found


def _shape(discovered: DiscoveredPipeline) -> dict[str, Any]:
    return {name: getattr(discovered, name) for name in FIELDS}
