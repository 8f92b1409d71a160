"""`/runs/`: what orchestrators report, and what became of it."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.queries import called_pipeline, of_pipelines
from catalog.api.report_fields import (
    CountField,
    HappenedField,
    LabelsField,
    PlannedField,
    TriggerField,
    UrlField,
)
from catalog.api.run_shapes import (
    RESULT_FIELDS,
    RUN_FIELDS,
    Row,
    RunSerializer,
    RunWithPartsSerializer,
    result_shape,
    row_of_run,
    run_shape,
)
from catalog.api.shapes import page_of
from catalog.models import CheckResult, EventInbox, Run, RunStatus
from catalog.services.references import PipelineNotRegistered, find_pipelines
from catalog.services.repetition import repeated
from catalog.services.runs import record_run, update_run
from dataxpipe.fields import StrictSerializer, TextField, WholeNumberField, WordField
from dataxpipe.parameters import Query, as_uuid
from dataxpipe.problems import FieldError, NotFound
from orgs.idempotency import idempotent
from orgs.permissions import Right
from orgs.tenancy import tenant_scope
from orgs.viewsets import TenantViewSet

REPORTED = [status for status in RunStatus.values if status != RunStatus.LOST]
MAX_PARTS = 500
PARAMETERS = {"run_id", "status", "trigger", "step", "since", "until"}


class RunFacts(StrictSerializer):
    """What may be reported of a run, and corrected later."""

    started_at = HappenedField(required=False, allow_null=True)
    finished_at = HappenedField(required=False, allow_null=True)
    version = TextField(required=False, allow_null=True, max_length=64)
    nominal_start_at = PlannedField(required=False, allow_null=True)
    nominal_end_at = PlannedField(required=False, allow_null=True)
    trigger = TriggerField(required=False, allow_null=True)
    rows_read = CountField(required=False, allow_null=True)
    rows_written = CountField(required=False, allow_null=True)
    error = TextField(required=False, allow_null=True, allow_blank=True, max_length=1_000_000, trim_whitespace=False)
    external_url = UrlField(required=False, allow_null=True)
    labels = LabelsField(required=False)


class RunInput(RunFacts):
    """One report of a run. The same `run_id` is the same run; without one every report is a new run."""

    pipeline_id = TextField(max_length=1000, help_text="Name or id.")
    namespace = TextField(required=False, max_length=1000, help_text="Of the name; default `default`.")
    status = WordField(REPORTED)
    run_id = TextField(required=False, allow_null=True, max_length=250)
    attempt = WholeNumberField(required=False, min_value=1, max_value=1_000_000)
    map_index = WholeNumberField(required=False, allow_null=True, min_value=-1, max_value=2**31 - 1)
    step = TextField(required=False, allow_null=True, max_length=1000)
    parent_run_id = TextField(required=False, allow_null=True, max_length=250)

    def validate_map_index(self, value: int | None) -> int | None:
        return None if value == -1 else value  # what Airflow sends for tasks that are not mapped


class RunChanges(RunFacts):
    """Corrections of a run; null empties a field."""

    status = WordField(REPORTED, required=False)


@extend_schema_view(
    create=extend_schema(request=RunInput, responses={201: RunSerializer, 200: RunSerializer}),
    list=extend_schema(
        parameters=[
            OpenApiParameter("pipeline", str, description="Name or id."),
            OpenApiParameter("namespace", str, description="Of the name; alone, of all pipelines in it."),
            OpenApiParameter("run_id", str, description="What the orchestrator calls it, or its id; steps too."),
            OpenApiParameter("status", str, enum=RunStatus.values, many=True),
            OpenApiParameter("trigger", str),
            OpenApiParameter("step", str, description="Runs of the step of this name instead of pipelines."),
            OpenApiParameter("since", str, description="Started, planned or first heard of at this time or later."),
            OpenApiParameter("until", str, description="Before this time."),
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", int, description="1 to 500, default 50."),
        ],
        responses=page_of(RunSerializer),
    ),
    retrieve=extend_schema(responses=RunWithPartsSerializer),
    partial_update=extend_schema(request=RunChanges, responses=RunSerializer),
)
class RunViewSet(TenantViewSet):
    rights: ClassVar[dict[str, Right]] = {
        "create": Right.INGEST,
        "list": Right.READ_CATALOG,
        "retrieve": Right.READ_CATALOG,
        "partial_update": Right.INGEST,
    }
    parameters: ClassVar[dict[str, set[str]]] = {"list": {"pipeline", "namespace", *PARAMETERS}}

    # What others got in the way of is repeated.
    unscoped_actions: ClassVar[set[str]] = {"create"}
    ingest_actions: ClassVar[set[str]] = {"create"}

    def create(self, request: Request) -> Response:
        # The run_id is the natural key of a report; only without one does Idempotency-Key count.
        has_key = isinstance(request.data, dict) and request.data.get("run_id") is not None

        def record() -> Response:
            with tenant_scope(self.organization):
                return self._record(request) if has_key else self._record_once(request)

        return repeated(record)

    def list(self, request: Request) -> Response:
        query = Query(request.query_params)
        runs = of_pipelines(request, query, listed_runs(query))
        query.require_valid()
        return paged_runs(self, runs)

    def retrieve(self, request: Request, pk: str) -> Response:
        row = found_run(pk).shown_or_last().values(*RUN_FIELDS, "openlineage_id").first()
        if row is None:
            raise NotFound("There is no such run.")
        return Response(run_shape(row) | parts_of_run(row))

    def partial_update(self, request: Request, pk: str) -> Response:
        changes = RunChanges(data=request.data)
        changes.is_valid(raise_exception=True)
        run = found_run(pk).select_related("pipeline").first()
        if run is None:
            raise NotFound("There is no such run.")
        run = update_run(run=run, actor=self.actor, changes=_emptied(changes.validated_data))
        return Response(run_shape(row_of_run(run.id)))

    def _record(self, request: Request) -> Response:
        report = RunInput(data=request.data)
        report.is_valid(raise_exception=True)
        facts = {name: value for name, value in report.validated_data.items() if value is not None}
        reference = (facts.pop("pipeline_id"), facts.pop("namespace", "default"))
        pipeline = find_pipelines([reference]).get(reference)
        if pipeline is None:
            error = FieldError("unknown", "No pipeline of this name or id.", pointer="/pipeline_id")
            raise PipelineNotRegistered(reference[0], errors=[error])
        self.note_caller(namespace=pipeline.namespace, root_name=pipeline.name)
        run, is_created = record_run(pipeline=pipeline, actor=self.actor, **facts)
        return Response(run_shape(row_of_run(run.id)), status=201 if is_created else 200)

    _record_once = idempotent(_record)


class PipelineRunViewSet(TenantViewSet):
    """`/pipelines/{name}/runs/`."""

    rights: ClassVar[dict[str, Right]] = {"list": Right.READ_CATALOG}
    parameters: ClassVar[dict[str, set[str]]] = {"list": {"namespace", *PARAMETERS}}

    @extend_schema(operation_id="pipelines_runs_list", responses=page_of(RunSerializer))
    def list(self, request: Request, pipeline: str) -> Response:
        query = Query(request.query_params)
        runs = listed_runs(query)
        query.require_valid()
        return paged_runs(self, runs.filter(pipeline=called_pipeline(request, pipeline)))


def listed_runs(query: Query) -> Any:
    """The runs that the filters of a list ask for: those of pipelines, unless a step or a run is named."""
    runs = Run.objects.existing().shown()
    if run_id := query.text("run_id"):
        runs = runs.called(run_id)
    elif step := query.text("step"):
        runs = runs.filter(step__name=step)
    else:
        runs = runs.of_pipelines()
    if statuses := query.choices("status", tuple(RunStatus.values)):
        runs = runs.filter(status__in=statuses) if len(statuses) > 1 else runs.filter(status=statuses[0])
    if trigger := query.text("trigger"):
        runs = runs.filter(trigger=trigger.lower())
    if since := query.instant("since"):
        runs = runs.filter(occurred_at__gte=since)
    if until := query.instant("until"):
        runs = runs.filter(occurred_at__lt=until)
    return runs


def paged_runs(viewset: TenantViewSet, runs: Any) -> Response:
    page = viewset.page(runs.values(*RUN_FIELDS, "occurred_at"), ["-occurred_at", "-id"])
    page.rows[:] = [run_shape(row) for row in page.rows]
    return Response(page.as_dict())


def found_run(reference: str) -> Any:
    """By its id or its OpenLineage id; of nothing else can it be said which run is meant."""
    uuid = as_uuid(reference)
    return Run.objects.existing().with_id(uuid).order_by("-created_at") if uuid else Run.objects.none()


def parts_of_run(row: Row) -> dict[str, Any]:
    steps = Run.objects.filter(parent_run_id=row["id"], step__isnull=False).order_by("occurred_at", "id")
    results = CheckResult.objects.filter(run_id=row["id"]).order_by("-executed_at", "-id")
    found_steps = list(steps.values(*RUN_FIELDS)[: MAX_PARTS + 1])
    found_results = list(results.values(*RESULT_FIELDS)[: MAX_PARTS + 1])
    ids = [uuid for uuid in (row["id"], row["openlineage_id"]) if uuid]
    return {
        "steps": [run_shape(step) for step in found_steps[:MAX_PARTS]],
        "steps_truncated": len(found_steps) > MAX_PARTS,
        "checks": [result_shape(result) for result in found_results[:MAX_PARTS]],
        "checks_truncated": len(found_results) > MAX_PARTS,
        "event_count": EventInbox.objects.shown().filter(run__in=ids).count(),
    }


def _emptied(changes: dict[str, Any]) -> dict[str, Any]:
    """Null is the empty text where a text is kept."""
    texts = {"trigger", "error", "external_url"}
    return {name: "" if value is None and name in texts else value for name, value in changes.items()}
