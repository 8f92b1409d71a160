"""`/pipelines/`: registering, browsing, changing and deleting."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.validators import RegexValidator
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.queries import called_pipeline
from catalog.api.shapes import (
    PIPELINE_FIELDS,
    PipelineSerializer,
    VersionSerializer,
    page_of,
    pipeline_shape,
    row_of_pipeline,
    row_of_version,
    version_shape,
)
from catalog.models import Health, Pipeline, RunStatus
from catalog.services.pipelines import (
    Registration,
    archive_pipeline,
    delete_pipeline,
    register_pipeline,
    register_pipelines,
    unarchive_pipeline,
    update_pipeline,
)
from catalog.services.repetition import repeated
from catalog.spec.schedule import ScheduleError, normalized, zones
from dataxpipe.fields import FlagField, StrictSerializer, TextField
from dataxpipe.parameters import Query
from dataxpipe.parsing import StrictSpecParser, YamlMediaType
from dataxpipe.problems import FieldError, ValidationFailed
from orgs.permissions import Right
from orgs.tenancy import tenant_scope
from orgs.viewsets import TenantViewSet

MAX_BATCH = 500
# What each ordering sorts by; `id` makes it unique.
ORDERINGS = {
    name: [column, "id"]
    for name, column in {
        "name": "name",
        "-name": "-name",
        "updated_at": "updated_at",
        "-updated_at": "-updated_at",
        "health": "health_rank",
        "-health": "-health_rank",
        "last_run": "last_run_at",
        "-last_run": "-last_run_at",
    }.items()
}


class RegistrationSerializer(serializers.Serializer[Any]):
    pipeline = PipelineSerializer()
    version = VersionSerializer()
    created = serializers.BooleanField(help_text="The pipeline is new.")
    rolled_back = serializers.BooleanField(help_text="An older version is current again.")


class RegistrationBatchSerializer(serializers.Serializer[Any]):
    results = RegistrationSerializer(many=True)


_SPEC = {"type": "object", "description": "A pipeline spec, by the JSON Schema at /api/v1/schemas/pipeline.json."}
_SPECS = {"type": "array", "items": _SPEC, "minItems": 1, "maxItems": MAX_BATCH}
SPEC = {"application/json": _SPEC, "application/yaml": _SPEC}
SPECS = {"application/json": _SPECS, "application/yaml": _SPECS}
SPEC_OR_SPECS = {media_type: {"oneOf": [_SPEC, _SPECS]} for media_type in SPEC}
NAMESPACE = OpenApiParameter("namespace", str, description="Of the name or of the spec; default `default`.")
DRY_RUN = OpenApiParameter("dry_run", bool, description="Answer as if, and write nothing. Needs `plan:read` only.")
CHANGE_ENVIRONMENT = OpenApiParameter("change_environment", bool, description="Let the pipeline move.")
IF_CURRENT = OpenApiParameter("if_current", str, description="409 unless this version is current; empty: none is.")


TAG = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9_.:/-]{0,62}\Z",
    "Use letters, digits and _ . : / - only, starting with a letter or digit, at most 63 characters.",
)
ENVIRONMENT = RegexValidator(
    r"\A[a-z0-9][a-z0-9_.-]{0,62}\Z",
    "Use a-z, 0-9 and _ . - only, starting with a letter or digit, at most 63 characters.",
)


class PipelineChanges(StrictSerializer):
    """Facts of a pipeline that no spec describes, and whether it is archived."""

    archived = FlagField(required=False)
    description = TextField(required=False, allow_blank=True, max_length=10_000)
    owners = serializers.ListField(child=TextField(max_length=254), required=False, max_length=100)
    tags = serializers.ListField(child=TextField(validators=[TAG]), required=False, max_length=100)
    schedule = TextField(required=False, allow_null=True, max_length=200)
    timezone = TextField(required=False, max_length=64)
    environment = TextField(required=False, validators=[ENVIRONMENT])

    def validate_schedule(self, value: str | None) -> str | None:
        try:
            return None if value is None else normalized(value)
        except ScheduleError as error:
            raise serializers.ValidationError(str(error)) from None

    def validate_timezone(self, value: str) -> str:
        if value not in zones():
            raise serializers.ValidationError("Give an IANA name such as Europe/Vienna.")
        return value


@extend_schema_view(
    list=extend_schema(
        parameters=[
            OpenApiParameter("tag", str, many=True, description="Carrying every one of these."),
            OpenApiParameter("owner", str),
            OpenApiParameter("environment", str),
            OpenApiParameter("namespace", str),
            OpenApiParameter("status", str, enum=RunStatus.values, description="Of the last run."),
            OpenApiParameter("health", str, enum=Health.values),
            OpenApiParameter("q", str, description="In name, namespace or description, in any case."),
            OpenApiParameter("archived", str, enum=["true", "false", "all"], description="Default false."),
            OpenApiParameter("ordering", str, enum=list(ORDERINGS), description="Default name."),
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", int, description="1 to 500, default 50."),
        ],
        responses=page_of(PipelineSerializer),
    ),
    create=extend_schema(
        parameters=[NAMESPACE, DRY_RUN, IF_CURRENT, CHANGE_ENVIRONMENT],
        request=SPEC,
        responses={201: RegistrationSerializer, 200: RegistrationSerializer},
    ),
    retrieve=extend_schema(parameters=[NAMESPACE], responses=PipelineSerializer),
    partial_update=extend_schema(parameters=[NAMESPACE], request=PipelineChanges, responses=PipelineSerializer),
    destroy=extend_schema(parameters=[NAMESPACE], responses={202: None}),
    batch=extend_schema(
        parameters=[NAMESPACE, DRY_RUN, CHANGE_ENVIRONMENT],
        request=SPECS,
        responses={201: RegistrationBatchSerializer, 200: RegistrationBatchSerializer},
    ),
)
class PipelineViewSet(TenantViewSet):
    parser_classes = [StrictSpecParser, YamlMediaType]
    rights: ClassVar[dict[str, Right]] = {
        "list": Right.READ_CATALOG,
        "retrieve": Right.READ_CATALOG,
        "create": Right.WRITE_CATALOG,
        "batch": Right.WRITE_CATALOG,
        "partial_update": Right.WRITE_CATALOG,
        "destroy": Right.ADMINISTER,
        "retrieve_batch": Right.READ_CATALOG,
        "update_batch": Right.WRITE_CATALOG,
        "destroy_batch": Right.ADMINISTER,
    }
    parameters: ClassVar[dict[str, set[str]]] = {
        "list": {
            "tag", "owner", "environment", "namespace", "status", "health", "q", "archived", "ordering",
        },
        "create": {"namespace", "dry_run", "if_current", "change_environment"},
        "batch": {"namespace", "dry_run", "change_environment"},
        "retrieve": {"namespace"},
        "partial_update": {"namespace"},
        "destroy": {"namespace"},
        "retrieve_batch": {"namespace"},
        "update_batch": {"namespace"},
        "destroy_batch": {"namespace"},
    }  # fmt: skip

    # An event may make the same pipeline at the same moment.
    unscoped_actions: ClassVar[set[str]] = {"create", "batch"}

    def right(self) -> Right:
        is_dry_run = self.action in ("create", "batch") and self.request.query_params.get("dry_run") == "true"
        return Right.PLAN if is_dry_run else super().right()

    def list(self, request: Request) -> Response:
        query = Query(request.query_params)
        pipelines = listed_pipelines(query)
        ordering = query.choice("ordering", tuple(ORDERINGS)) or "name"
        query.require_valid()
        order = ORDERINGS[ordering]
        fields = {*PIPELINE_FIELDS, *(name.lstrip("-") for name in order)}
        page = self.page(_ordered(pipelines, order).values(*fields), order)
        page.rows[:] = [pipeline_shape(row) for row in page.rows]
        return Response(page.as_dict())

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(pipeline_shape(row_of_pipeline(called_pipeline(request, pk))))

    def create(self, request: Request) -> Response:
        query = Query(request.query_params)
        dry_run, change_environment = query.flag("dry_run"), query.flag("change_environment")
        query.require_valid()

        def register() -> Response:
            with tenant_scope(self.organization):
                registration = register_pipeline(
                    document=request.data,
                    actor=self.actor,
                    namespace=request.query_params.get("namespace"),
                    if_current=request.query_params.get("if_current"),
                    change_environment=change_environment,
                    dry_run=dry_run,
                )
                status = 201 if registration.is_new_version and not dry_run else 200
                return Response(registration_shape(registration, dry_run=dry_run), status=status)

        return repeated(register)

    @action(detail=False, methods=["post"])
    def batch(self, request: Request) -> Response:
        query = Query(request.query_params)
        dry_run, change_environment = query.flag("dry_run"), query.flag("change_environment")
        query.require_valid()
        documents = batch_of_specs(request.data)

        def register() -> Response:
            with tenant_scope(self.organization):
                registrations = register_pipelines(
                    documents=documents,
                    actor=self.actor,
                    namespace=request.query_params.get("namespace"),
                    change_environment=change_environment,
                    dry_run=dry_run,
                )
                is_new = any(registration.is_new_version for registration in registrations) and not dry_run
                results = [registration_shape(registration, dry_run=dry_run) for registration in registrations]
                return Response({"results": results}, status=201 if is_new else 200)

        return repeated(register)

    # A pipeline may be called like this path; only POST is taken.

    @extend_schema(operation_id="pipelines_batch_retrieve", parameters=[NAMESPACE], responses=PipelineSerializer)
    @batch.mapping.get
    def retrieve_batch(self, request: Request) -> Response:
        return self.retrieve(request, "batch")

    @extend_schema(
        operation_id="pipelines_batch_partial_update",
        parameters=[NAMESPACE],
        request=PipelineChanges,
        responses=PipelineSerializer,
    )
    @batch.mapping.patch
    def update_batch(self, request: Request) -> Response:
        return self.partial_update(request, "batch")

    @extend_schema(operation_id="pipelines_batch_destroy", parameters=[NAMESPACE], responses={202: None})
    @batch.mapping.delete
    def destroy_batch(self, request: Request) -> Response:
        return self.destroy(request, "batch")

    def partial_update(self, request: Request, pk: str) -> Response:
        changes = PipelineChanges(data=request.data)
        changes.is_valid(raise_exception=True)
        values = dict(changes.validated_data)
        pipeline = called_pipeline(request, pk)
        archived = values.pop("archived", None)
        if values:
            pipeline = update_pipeline(pipeline=pipeline, actor=self.actor, **values)
        if archived is not None:
            move = archive_pipeline if archived else unarchive_pipeline
            pipeline = move(pipeline=pipeline, actor=self.actor)
        return Response(pipeline_shape(row_of_pipeline(pipeline)))

    def destroy(self, request: Request, pk: str) -> Response:
        delete_pipeline(pipeline=called_pipeline(request, pk), actor=self.actor)
        return Response(status=202)


def listed_pipelines(query: Query) -> Any:
    """The pipelines that the filters of a list ask for; what is wrong with them is noted in `query`."""
    archived = query.choice("archived", ("true", "false", "all")) or "false"
    pipelines = {"true": Pipeline.objects.archived, "false": Pipeline.objects.active, "all": Pipeline.objects.existing}
    found = pipelines[archived]()
    if tags := query.texts("tag"):
        found = found.tagged(*tags)
    if owner := query.text("owner"):
        found = found.owned_by(owner)
    if environment := query.text("environment"):
        found = found.filter(environment=environment)
    if namespace := query.text("namespace"):
        found = found.filter(namespace=namespace)
    if status := query.choice("status", tuple(RunStatus.values)):
        found = found.filter(last_run_status=status)
    if health := query.choice("health", tuple(Health.values)):
        found = found.in_health(health)
    if text := query.text("q"):
        found = found.matching(text)
    return found


def _ordered(pipelines: Any, order: list[str]) -> Any:
    match order[0].lstrip("-"):
        case "health_rank":
            return pipelines.with_health_rank()
        case "last_run_at":
            return pipelines.with_last_run_at()
    return pipelines


def registration_shape(registration: Registration, *, dry_run: bool = False) -> dict[str, Any]:
    """In a dry run what would be new has no id yet."""
    pipeline = pipeline_shape(row_of_pipeline(registration.pipeline))
    version = version_shape(row_of_version(registration.version))
    if dry_run and registration.is_new_pipeline:
        pipeline["id"] = None
    if dry_run and registration.is_new_version:
        version["id"] = None
    return {
        "pipeline": pipeline,
        "version": version,
        "created": registration.is_new_pipeline,
        "rolled_back": registration.rolled_back,
    }


def batch_of_specs(data: Any) -> list[Any]:
    """The specs of a body: a list of at most 500."""
    if not isinstance(data, list) or not 1 <= len(data) <= MAX_BATCH:
        error = FieldError("invalid", f"Send a list of 1 to {MAX_BATCH} specs.", pointer="")
        raise ValidationFailed("The body is not a list of specs.", errors=[error])
    return data
