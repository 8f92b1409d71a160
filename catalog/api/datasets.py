"""`/datasets/`: tables, files and topics, with their columns, who writes them and who reads them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.lineage import find_dataset
from catalog.api.shapes import OwnerSerializer, PipelineReferenceSerializer, Row, current_health, page_of
from catalog.models import Check, Dataset, DatasetAlias, DatasetColumn, LineageLink
from dataxpipe.parameters import Query
from dataxpipe.problems import NotFound
from orgs.permissions import Right
from orgs.viewsets import TenantViewSet

DATASET_FIELDS = (
    "id", "namespace", "name", "type", "description", "owners", "tags", "last_written_at", "last_read_at",
    "failing_check_count", "lifecycle_state", "created_at", "updated_at",
)  # fmt: skip
ORDERINGS = {
    "name": ["name", "id"],
    "-name": ["-name", "id"],
    "updated_at": ["updated_at", "id"],
    "-updated_at": ["-updated_at", "id"],
}
_LINK_FIELDS = (
    "direction", "origin", "valid_from", "last_seen_at", "step_id", "step__name", "pipeline_id", "pipeline__namespace",
    "pipeline__name", "pipeline__owner", "pipeline__owners", "pipeline__tags", "pipeline__health",
    "pipeline__health_since", "pipeline__health_reason", "pipeline__late_after",
)  # fmt: skip


class DatasetSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    namespace = serializers.CharField()
    name = serializers.CharField()
    type = serializers.CharField()
    description = serializers.CharField()
    owners = OwnerSerializer(many=True)
    tags = serializers.ListField(child=serializers.CharField())
    last_written_at = serializers.DateTimeField(allow_null=True)
    last_read_at = serializers.DateTimeField(allow_null=True)
    failing_check_count = serializers.IntegerField()
    lifecycle_state = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class ColumnSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="Nested fields are dotted.")
    type = serializers.CharField()
    description = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    first_seen_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class DatasetUserSerializer(serializers.Serializer[Any]):
    """A pipeline, or a step of it, that writes or reads the dataset."""

    pipeline = PipelineReferenceSerializer()
    owner = serializers.CharField()
    health = serializers.CharField()
    step = serializers.CharField(allow_null=True)
    origin = serializers.ChoiceField(choices=["declared", "observed"])
    valid_from = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()


class DatasetCheckSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    check_id = serializers.CharField()
    pipeline_id = serializers.UUIDField()
    severity = serializers.CharField()
    last_status = serializers.CharField()
    last_executed_at = serializers.DateTimeField(allow_null=True)
    failing_since = serializers.DateTimeField(allow_null=True)


class DatasetDetailSerializer(DatasetSerializer):
    aliases = serializers.ListField(child=serializers.CharField(), help_text="Ids by which specs call it.")
    columns = ColumnSerializer(many=True)
    producers = DatasetUserSerializer(many=True)
    consumers = DatasetUserSerializer(many=True)
    checks = DatasetCheckSerializer(many=True)
    inherited_owners = OwnerSerializer(many=True, help_text="Of the pipelines that write it.")
    inherited_tags = serializers.ListField(child=serializers.CharField())


@extend_schema_view(
    list=extend_schema(
        parameters=[
            OpenApiParameter("namespace", str),
            OpenApiParameter("name", str),
            OpenApiParameter("alias", str, description="The id by which a spec calls it."),
            OpenApiParameter("type", str),
            OpenApiParameter("tag", str, many=True, description="Carrying every one of these."),
            OpenApiParameter("q", str, description="In name or namespace, in any case."),
            OpenApiParameter("ordering", str, enum=list(ORDERINGS), description="Default name."),
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", int, description="1 to 500, default 50."),
        ],
        responses=page_of(DatasetSerializer),
    ),
    retrieve=extend_schema(
        parameters=[OpenApiParameter("namespace", str, description="Of the name, where the path holds no id.")],
        responses=DatasetDetailSerializer,
    ),
)
class DatasetViewSet(TenantViewSet):
    rights: ClassVar[dict[str, Right]] = {"list": Right.READ_CATALOG, "retrieve": Right.READ_CATALOG}
    parameters: ClassVar[dict[str, set[str]]] = {
        "list": {"namespace", "name", "alias", "type", "tag", "q", "ordering"},
        "retrieve": {"namespace"},
    }

    def list(self, request: Request) -> Response:
        query = Query(request.query_params)
        datasets = listed_datasets(query)
        ordering = query.choice("ordering", tuple(ORDERINGS)) or "name"
        query.require_valid()
        return Response(self.page(datasets.values(*DATASET_FIELDS), ORDERINGS[ordering]).as_dict())

    def retrieve(self, request: Request, pk: str) -> Response:
        """By id, by name in `?namespace=`, or by an alias that means one dataset only."""
        if "\0" in pk:
            raise NotFound("There is no such dataset.")
        dataset = find_dataset(pk, request.query_params.get("namespace"))
        return Response(dataset_detail(dataset))


def listed_datasets(query: Query) -> Any:
    """The datasets that the filters of a list ask for; what is wrong with them is noted in `query`."""
    found = Dataset.objects.all()
    for name in ("namespace", "name", "type"):
        if value := query.text(name):
            found = found.filter(**{name: value})
    if alias := query.text("alias"):
        found = found.filter(id__in=DatasetAlias.objects.existing().filter(alias=alias).values("dataset_id"))
    if tags := query.texts("tag"):
        found = found.filter(tags__contains=[tag.lower() for tag in tags])
    if text := query.text("q"):
        found = found.matching(text)
    return found


def dataset_detail(dataset: Dataset) -> dict[str, Any]:
    """Five queries, however much there is."""
    links = _links(dataset.pk)
    producers = [link for link in links if link["direction"] == "writes"]
    columns = DatasetColumn.objects.filter(dataset=dataset).order_by("position", "name")
    checks = Check.objects.existing().filter(dataset=dataset, ended_at=None).order_by("check_id", "id")
    aliases = DatasetAlias.objects.existing().filter(dataset=dataset).order_by("alias").values_list("alias", flat=True)
    column_fields = ("name", "type", "description", "tags", "first_seen_at", "ended_at")
    check_fields = (
        "id", "check_id", "pipeline_id", "severity", "last_status", "last_executed_at", "failing_since",
    )  # fmt: skip
    return {
        **{name: getattr(dataset, name) for name in DATASET_FIELDS},
        "aliases": list(dict.fromkeys(aliases)),
        "columns": list(columns.values(*column_fields)),
        "producers": [_user_shape(link) for link in producers],
        "consumers": [_user_shape(link) for link in links if link["direction"] == "reads"],
        "checks": list(checks.values(*check_fields)),
        "inherited_owners": _distinct(owner for link in producers for owner in link["pipeline__owners"]),
        "inherited_tags": sorted({tag for link in producers for tag in link["pipeline__tags"]}),
    }


def _links(dataset_id: UUID) -> list[Row]:
    links = LineageLink.objects.valid().filter(dataset=dataset_id, pipeline__deleted_at=None)
    ordered = links.order_by("pipeline__name", "pipeline_id", "step__name", "origin")
    return list(ordered.values(*_LINK_FIELDS)[:1_000])


def _user_shape(link: Row) -> dict[str, Any]:
    facts = {name.removeprefix("pipeline__"): value for name, value in link.items() if name.startswith("pipeline__")}
    return {
        "pipeline": {"id": link["pipeline_id"], "namespace": facts["namespace"], "name": facts["name"]},
        "owner": facts["owner"],
        "health": current_health(facts)[0],
        "step": link["step__name"],
        "origin": link["origin"],
        "valid_from": link["valid_from"],
        "last_seen_at": link["last_seen_at"],
    }


def _distinct(owners: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({owner["name"]: owner for owner in owners}.values())
