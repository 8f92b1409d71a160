"""`/checks/`: quality rules, and what they found."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import (
    OpenApiParameter,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.queries import called_pipeline, of_pipelines
from catalog.api.report_fields import CountField, HappenedField, MeasureField
from catalog.api.run_shapes import (
    CHECK_FIELDS,
    RESULT_FIELDS,
    CheckResultSerializer,
    CheckSerializer,
    RecordedCheckResultSerializer,
    check_shape,
    result_shape,
    rows_of_results,
)
from catalog.api.shapes import page_of
from catalog.models import Check, CheckResult, Pipeline, ResultStatus, Severity
from catalog.services.checks import ResultReport, record_results
from catalog.services.key_namespaces import require_namespaces
from catalog.services.references import (
    DatasetAmbiguous,
    DatasetLookup,
    DatasetReference,
    DatasetUnknown,
    PipelineNotRegistered,
    find_pipelines,
)
from catalog.services.repetition import repeated
from catalog.services.run_reports import RunKey
from dataxpipe.fields import StrictSerializer, TextField, WordField
from dataxpipe.parameters import Query
from dataxpipe.problems import FieldError, ValidationFailed
from orgs.actors import Actor
from orgs.permissions import Right
from orgs.tenancy import tenant_scope
from orgs.viewsets import TenantViewSet

MAX_RESULTS = 1_000
FILTERS = {"dataset", "severity"}


class DatasetName(StrictSerializer):
    namespace = TextField(max_length=1000)
    name = TextField(max_length=1000)


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string"},
            {"type": "object", "properties": {"namespace": {"type": "string"}, "name": {"type": "string"}}},
        ]
    }
)
class DatasetField(serializers.Field):  # type: ignore[type-arg]
    """A dataset's id, alias or name as text, or its `{namespace, name}`."""

    default_error_messages = {"invalid": "An id, an alias or a name as text, or an object of namespace and name."}

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if isinstance(data, str) and 1 <= len(data) <= 2001:
            return {"name": data}
        if not isinstance(data, dict):
            self.fail("invalid")
        named = DatasetName(data=data)
        named.is_valid(raise_exception=True)
        return dict(named.validated_data)

    def to_representation(self, value: Any) -> Any:
        return value


class ResultInput(StrictSerializer):
    """One outcome of a check: of a run, or of its dataset at an instant. A repeat changes nothing."""

    pipeline_id = TextField(max_length=1000, help_text="Name or id.")
    namespace = TextField(required=False, max_length=1000, help_text="Of the name; default `default`.")
    check_id = TextField(max_length=500)
    status = WordField(ResultStatus.choices)
    severity = WordField(Severity.choices, required=False, allow_null=True)
    run_id = TextField(required=False, allow_null=True, max_length=250)
    dataset = DatasetField(required=False, allow_null=True)
    executed_at = HappenedField(required=False, allow_null=True)
    rows_checked = CountField(required=False, allow_null=True)
    rows_failed = CountField(required=False, allow_null=True)
    value = MeasureField(required=False, allow_null=True)
    threshold = MeasureField(required=False, allow_null=True)
    message = TextField(required=False, allow_null=True, allow_blank=True, max_length=10_000)


_LISTED = [
    OpenApiParameter("pipeline", str, description="Name or id."),
    OpenApiParameter("namespace", str, description="Of the name; alone, of all pipelines in it."),
    OpenApiParameter("dataset", str, description="The id of a dataset."),
    OpenApiParameter("severity", str, enum=Severity.values),
    OpenApiParameter("cursor", str),
    OpenApiParameter("limit", int, description="1 to 500, default 50."),
]


@extend_schema_view(
    list=extend_schema(
        parameters=[*_LISTED, OpenApiParameter("status", str, enum=ResultStatus.values, description="The last one.")],
        responses=page_of(CheckSerializer),
    )
)
class CheckViewSet(TenantViewSet):
    rights: ClassVar[dict[str, Right]] = {
        "list": Right.READ_CATALOG,
        "results": Right.READ_CATALOG,
        "post_results": Right.INGEST,
    }
    parameters: ClassVar[dict[str, set[str]]] = {
        "list": {"pipeline", "namespace", "status", *FILTERS},
        "results": {"pipeline", "namespace", "status", "check_id", "run_id", "since", "until", *FILTERS},
    }
    paged_actions: ClassVar[set[str]] = {"list", "results"}
    # What others got in the way of is repeated.
    unscoped_actions: ClassVar[set[str]] = {"post_results"}
    ingest_actions: ClassVar[set[str]] = {"post_results"}

    def list(self, request: Request) -> Response:
        query = Query(request.query_params)
        checks = of_pipelines(request, query, Check.objects.existing())
        return paged_checks(self, query, checks)

    @extend_schema(
        parameters=[
            *_LISTED,
            OpenApiParameter("check_id", str),
            OpenApiParameter("run_id", str, description="The id of a run."),
            OpenApiParameter("status", str, enum=ResultStatus.values),
            OpenApiParameter("since", str),
            OpenApiParameter("until", str),
        ],
        responses=page_of(CheckResultSerializer),
    )
    @action(detail=False, methods=["get"])
    def results(self, request: Request) -> Response:
        query = Query(request.query_params)
        results = _filtered(query, of_pipelines(request, query, CheckResult.objects.existing().shown()))
        if status := query.choice("status", tuple(ResultStatus.values)):
            results = results.filter(status=status)
        if check_id := query.text("check_id"):
            results = results.filter(check_rule__check_id=check_id)
        if run_id := query.uuid("run_id"):
            results = results.filter(run_id=run_id)
        if since := query.instant("since"):
            results = results.filter(executed_at__gte=since)
        if until := query.instant("until"):
            results = results.filter(executed_at__lt=until)
        query.require_valid()
        page = self.page(results.values(*RESULT_FIELDS), ["-executed_at", "-id"])
        page.rows[:] = [result_shape(row) for row in page.rows]
        return Response(page.as_dict())

    @extend_schema(
        request=PolymorphicProxySerializer(
            component_name="CheckResults",
            serializers=[ResultInput, ResultInput(many=True)],
            resource_type_field_name=None,
            many=False,
        ),
        responses={201: RecordedCheckResultSerializer, 200: RecordedCheckResultSerializer},
        description="One result, or up to 1,000 in an array, which are answered in `results` in their order.",
    )
    @results.mapping.post
    def post_results(self, request: Request) -> Response:
        is_many = isinstance(request.data, list)
        if is_many and not 1 <= len(request.data) <= MAX_RESULTS:
            error = FieldError("invalid", f"Send 1 to {MAX_RESULTS:,} results.", pointer="")
            raise ValidationFailed(f"An array holds 1 to {MAX_RESULTS:,} results.", errors=[error])
        self.draw_events(len(request.data) if is_many else 1)
        body = ResultInput(data=request.data, many=is_many)
        body.is_valid(raise_exception=True)
        given = body.validated_data if is_many else [body.validated_data]

        def record() -> Response:
            with tenant_scope(self.organization):
                recorded = record_results(reports_of(given, self.actor, is_many=is_many))
                shapes = {row["id"]: result_shape(row) for row in rows_of_results(one.result.id for one in recorded)}
                answers = [shapes[one.result.id] | {"created": one.is_created} for one in recorded]
                status = 201 if any(one.is_created for one in recorded) else 200
                return Response({"results": answers} if is_many else answers[0], status=status)

        return repeated(record)


class PipelineCheckViewSet(TenantViewSet):
    """`/pipelines/{name}/checks/`."""

    rights: ClassVar[dict[str, Right]] = {"list": Right.READ_CATALOG}
    parameters: ClassVar[dict[str, set[str]]] = {"list": {"namespace", "status", *FILTERS}}

    @extend_schema(operation_id="pipelines_checks_list", responses=page_of(CheckSerializer))
    def list(self, request: Request, pipeline: str) -> Response:
        query = Query(request.query_params)
        return paged_checks(self, query, Check.objects.filter(pipeline=called_pipeline(request, pipeline)))


def reports_of(given: list[dict[str, Any]], actor: Actor, *, is_many: bool) -> list[ResultReport]:
    """The results with their pipelines and datasets looked up; what is unknown is told with its pointer."""
    places = [f"/{number}" if is_many else "" for number in range(len(given))]
    references = [(one["pipeline_id"], one.get("namespace", "default")) for one in given]
    found = find_pipelines(references)
    for reference, place in zip(references, places, strict=True):
        if reference not in found:
            error = FieldError("unknown", "No pipeline of this name or id.", pointer=f"{place}/pipeline_id")
            raise PipelineNotRegistered(reference[0], errors=[error])
    pipelines = [found[reference] for reference in references]
    require_namespaces(actor, {pipeline.namespace for pipeline in pipelines})
    named = [_dataset_reference(pipeline, one) for pipeline, one in zip(pipelines, given, strict=True)]
    lookup = DatasetLookup(reference for reference in named if reference)
    return [
        _report(pipeline, one, dataset and _dataset(lookup, dataset, place))
        for pipeline, one, dataset, place in zip(pipelines, given, named, places, strict=True)
    ]


def paged_checks(viewset: TenantViewSet, query: Query, checks: Any) -> Response:
    checks = _filtered(query, checks)
    if status := query.choice("status", tuple(ResultStatus.values)):
        checks = checks.filter(last_status=status)
    query.require_valid()
    page = viewset.page(checks.values(*CHECK_FIELDS), ["check_id", "id"])
    page.rows[:] = [check_shape(row) for row in page.rows]
    return Response(page.as_dict())


def _filtered(query: Query, rows: Any) -> Any:
    if severity := query.choice("severity", tuple(Severity.values)):
        rows = rows.filter(severity=severity)
    if dataset := query.uuid("dataset"):
        rows = rows.filter(dataset_id=dataset)
    return rows


def _dataset_reference(pipeline: Pipeline, given: dict[str, Any]) -> DatasetReference | None:
    dataset = given.get("dataset")
    return DatasetReference(pipeline.id, dataset["name"], dataset.get("namespace")) if dataset else None


def _dataset(lookup: DatasetLookup, reference: DatasetReference, place: str) -> Any:
    try:
        return lookup.find(reference)
    except (DatasetUnknown, DatasetAmbiguous) as problem:
        problem.errors.append(FieldError("unknown", problem.detail, pointer=f"{place}/dataset"))
        raise


def _report(pipeline: Pipeline, given: dict[str, Any], dataset_id: Any) -> ResultReport:
    facts = {name: value for name, value in given.items() if value is not None}
    run_id = facts.get("run_id")
    names = ("check_id", "status", "severity", "rows_checked", "rows_failed", "value", "threshold", "message")
    return ResultReport(
        pipeline_id=pipeline.id,
        executed_at=facts.get("executed_at") or timezone.now(),
        is_dated="executed_at" in facts,
        run=RunKey(pipeline.id, (pipeline.namespace, pipeline.name), run_id) if run_id else None,
        dataset_id=dataset_id,
        **{name: facts[name] for name in names if name in facts},
    )
