"""`/pipelines/{name}/versions/` and `/steps/`: what a pipeline's specs said, and of what parts it consists."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.queries import called_pipeline
from catalog.api.shapes import VERSION_FIELDS, VersionSerializer, VersionWithSpecSerializer, page_of, version_shape
from catalog.models import Pipeline, PipelineVersion, Step
from catalog.spec.diff import diff_specs
from dataxpipe.parameters import Query
from dataxpipe.problems import NotFound
from orgs.permissions import Right
from orgs.viewsets import TenantViewSet

NAMESPACE = OpenApiParameter("namespace", str, description="Of the pipeline's name; default `default`.")


class ChangeSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(help_text="A JSON pointer in which list entries go by their id or name.")
    kind = serializers.ChoiceField(choices=["added", "removed", "changed"])
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class DiffSerializer(serializers.Serializer[Any]):
    to = serializers.CharField()
    changes = ChangeSerializer(many=True)

    def get_fields(self) -> dict[str, Any]:
        return {"from": serializers.CharField(), **super().get_fields()}


class StepSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    namespace = serializers.CharField(help_text="Of the OpenLineage job; empty for a transform of the spec.")
    name = serializers.CharField()
    kind = serializers.CharField()
    description = serializers.CharField()
    code_ref = serializers.CharField()
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class PartOfPipeline(TenantViewSet):
    """Below `/pipelines/{name}/`: a name in `?namespace=`, or an id."""

    @property
    def pipeline(self) -> Pipeline:
        return called_pipeline(self.request, self.kwargs["pipeline"])


@extend_schema_view(
    list=extend_schema(
        parameters=[NAMESPACE, OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
        responses=page_of(VersionSerializer),
    ),
    retrieve=extend_schema(parameters=[NAMESPACE], responses=VersionWithSpecSerializer),
    diff=extend_schema(parameters=[NAMESPACE], responses=DiffSerializer),
)
class VersionViewSet(PartOfPipeline):
    rights: ClassVar[dict[str, Right]] = {
        "list": Right.READ_CATALOG,
        "retrieve": Right.READ_CATALOG,
        "diff": Right.READ_CATALOG,
    }
    parameters: ClassVar[dict[str, set[str]]] = {
        "list": {"namespace"},
        "retrieve": {"namespace"},
        "diff": {"namespace"},
    }

    def list(self, request: Request, pipeline: str) -> Response:
        """Newest first."""
        versions = PipelineVersion.objects.filter(pipeline=self.pipeline)
        page = self.page(versions.values(*VERSION_FIELDS), ["-number"])
        page.rows[:] = [version_shape(row) for row in page.rows]
        return Response(page.as_dict())

    def retrieve(self, request: Request, pipeline: str, pk: str) -> Response:
        return Response(version_shape(self._version(self.pipeline, pk)))

    @action(detail=True, url_path=r"diff/(?P<other>[^/]+)")
    def diff(self, request: Request, pipeline: str, pk: str, other: str) -> Response:
        found = self.pipeline
        old, new = self._version(found, pk), self._version(found, other)
        changes = [change.as_dict() for change in diff_specs(old["spec"], new["spec"])]
        return Response({"from": old["version"], "to": new["version"], "changes": changes})

    def _version(self, pipeline: Pipeline, version: str) -> dict[str, Any]:
        """`current` means the current one, unless a version is called so."""
        versions = PipelineVersion.objects.filter(pipeline=pipeline).values(*VERSION_FIELDS, "spec")
        row: dict[str, Any] | None = versions.filter(version=version).first() if "\0" not in version else None
        if row is None and version == "current":
            row = versions.filter(id=pipeline.current_version_id).first()
        if row is None:
            raise NotFound("There is no such version.")
        return row


@extend_schema_view(
    list=extend_schema(
        parameters=[
            NAMESPACE,
            OpenApiParameter("ended", str, enum=["true", "false", "all"], description="Default false."),
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", int),
        ],
        responses=page_of(StepSerializer),
    )
)
class StepViewSet(PartOfPipeline):
    rights: ClassVar[dict[str, Right]] = {"list": Right.READ_CATALOG}
    parameters: ClassVar[dict[str, set[str]]] = {"list": {"namespace", "ended"}}

    def list(self, request: Request, pipeline: str) -> Response:
        query = Query(request.query_params)
        ended = query.choice("ended", ("true", "false", "all")) or "false"
        query.require_valid()
        steps = Step.objects.filter(pipeline=self.pipeline)
        if ended != "all":
            steps = steps.filter(ended_at__isnull=ended == "false")
        fields = ("id", "namespace", "name", "kind", "description", "code_ref", "created_at", "ended_at")
        return Response(self.page(steps.values(*fields), ["name", "id"]).as_dict())
