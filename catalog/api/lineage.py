"""`GET /lineage/graph`: what feeds a dataset or pipeline, and what depends on it."""

from __future__ import annotations

import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.http import QueryDict
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.queries import find_pipeline
from catalog.lineage.graph import present
from catalog.lineage.walk import walk
from catalog.models import ColumnLink, Dataset, DatasetAlias
from dataxpipe.parameters import Query, as_uuid
from dataxpipe.problems import Conflict, FieldError, NotFound, ValidationFailed
from orgs.permissions import Right
from orgs.viewsets import TenantViewSet

DIRECTIONS = {"upstream": ("upstream",), "downstream": ("downstream",), "both": ("upstream", "downstream")}
GRANULARITIES = ("pipeline", "step", "dataset")
MAX_STARTS = 50

_NODE = inline_serializer(
    "GraphNode",
    {
        "id": serializers.UUIDField(),
        "kind": serializers.ChoiceField(["dataset", "pipeline", "step"]),
        "namespace": serializers.CharField(),
        "name": serializers.CharField(),
        "owner": serializers.CharField(),
        "tags": serializers.ListField(child=serializers.CharField()),
        "health": serializers.CharField(allow_null=True),
        "distance": serializers.IntegerField(help_text="In links; upstream negative."),
        "pipeline": serializers.UUIDField(allow_null=True, help_text="Of a step."),
    },
)
_EDGE = inline_serializer(
    "GraphEdge",
    {
        "source": serializers.UUIDField(),
        "target": serializers.UUIDField(),
        "kind": serializers.ChoiceField(["reads", "writes", "derives"]),
        "valid_from": serializers.DateTimeField(),
        "valid_to": serializers.DateTimeField(allow_null=True),
        "stale": serializers.BooleanField(),
    },
)
_GRAPH = inline_serializer(
    "Graph",
    {
        "nodes": serializers.ListField(child=_NODE),
        "edges": serializers.ListField(child=_EDGE),
        "truncated": serializers.BooleanField(help_text="True when max_nodes cut the graph."),
        "next": serializers.ListField(
            child=serializers.UUIDField(), help_text="Datasets behind which the graph goes on."
        ),
        "at": serializers.DateTimeField(),
    },
)


def _parameter(name: str, type_: Any, description: str, **kwargs: Any) -> OpenApiParameter:
    return OpenApiParameter(name, type_, description=description, **kwargs)


class LineageViewSet(TenantViewSet):
    rights: ClassVar[dict[str, Right]] = {"graph": Right.READ_CATALOG}
    parameters: ClassVar[dict[str, set[str]]] = {
        "graph": {
            "dataset", "pipeline", "namespace", "direction", "depth", "at", "columns", "granularity", "max_nodes",
        }
    }  # fmt: skip

    @extend_schema(
        parameters=[
            _parameter("dataset", OpenApiTypes.STR, "Id, name or alias; repeatable.", many=True),
            _parameter("pipeline", OpenApiTypes.STR, "Id or name; repeatable.", many=True),
            _parameter("namespace", OpenApiTypes.STR, "Of the names above."),
            _parameter("direction", OpenApiTypes.STR, "From the start; default both.", enum=list(DIRECTIONS)),
            _parameter("depth", OpenApiTypes.INT, "Pipelines away, 1 to 50; default 5."),
            _parameter("at", OpenApiTypes.DATETIME, "An instant with offset; default now."),
            _parameter("columns", OpenApiTypes.BOOL, "Also column links between the datasets."),
            _parameter("granularity", OpenApiTypes.STR, "Default pipeline.", enum=list(GRANULARITIES)),
            _parameter("max_nodes", OpenApiTypes.INT, "1 to 5,000; default 500."),
        ],
        responses=_GRAPH,
    )
    @action(detail=False, methods=["get"])
    def graph(self, request: Request) -> Response:
        query = GraphQuery(request.query_params)
        found = walk(
            datasets=query.datasets,
            pipelines=query.pipelines,
            directions=query.directions,
            depth=query.depth,
            at=query.at,
            max_nodes=query.max_nodes,
        )
        found.keep(query.pipelines)
        graph = present(found, granularity=query.granularity)
        answer: dict[str, Any] = {
            "nodes": graph.nodes,
            "edges": graph.edges,
            "truncated": found.is_truncated,
            "next": sorted(found.frontier)[:500],
            "at": query.at or timezone.now(),
        }
        if query.with_columns:
            answer["columns"] = column_links(found.dataset_ids, query.at)
        return Response(answer)


class GraphQuery:
    """The parameters of a graph question, checked; all defects are raised at once."""

    def __init__(self, parameters: QueryDict) -> None:
        self.parameters = parameters
        self.errors: list[FieldError] = []
        self.directions = DIRECTIONS[self._choice("direction", tuple(DIRECTIONS), "both")]
        self.granularity = self._choice("granularity", GRANULARITIES, "pipeline")
        self.depth = self._number("depth", 1, 50, 5)
        self.max_nodes = self._number("max_nodes", 1, 5_000, 500)
        self.with_columns = self._choice("columns", ("true", "false"), "false") == "true"
        query = Query(parameters)
        self.at = query.instant("at")
        self.errors += query.errors
        dataset_texts, pipeline_texts = parameters.getlist("dataset"), parameters.getlist("pipeline")
        if not 1 <= len(dataset_texts) + len(pipeline_texts) <= MAX_STARTS:
            self._refuse("dataset", "required", f"Name 1 to {MAX_STARTS} starts with dataset= or pipeline=.")
        if self.errors:
            raise ValidationFailed("The graph question is not valid.", errors=self.errors)
        namespace = parameters.get("namespace")
        self.datasets = [find_dataset(text, namespace).id for text in dataset_texts]
        self.pipelines = [find_pipeline(text, namespace or "default").id for text in pipeline_texts]

    def _choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self.parameters.get(name, default)
        if value not in choices:
            self._refuse(name, "invalid_choice", f"One of {', '.join(choices)}.")
            return default
        return value

    def _number(self, name: str, least: int, most: int, default: int) -> int:
        text = self.parameters.get(name, str(default))
        if text.isascii() and text.isdigit() and len(text) <= 5 and least <= int(text) <= most:
            return int(text)
        self._refuse(name, "invalid", f"A whole number from {least} to {most}.")
        return default

    def _refuse(self, parameter: str, code: str, detail: str) -> None:
        self.errors.append(FieldError(code, detail, parameter=parameter))


def find_dataset(text: str, namespace: str | None = None) -> Dataset:
    """By id, by name (in a namespace), or by the alias specs use; an ambiguous one is 409 with the candidates."""
    identifier = as_uuid(text)
    dataset: Dataset | None = Dataset.objects.filter(id=identifier).first() if identifier else None
    if dataset is not None:
        return dataset
    candidates: list[Dataset]
    if namespace is not None:
        candidates = list(Dataset.objects.named(namespace, text)[:1])
    else:
        candidates = list(Dataset.objects.filter(name=text).order_by("namespace")[:20])
        aliased = DatasetAlias.objects.existing().filter(alias=text).values("dataset_id")
        candidates = candidates or list(Dataset.objects.filter(id__in=aliased).order_by("namespace", "name")[:20])
    if not candidates:
        raise NotFound("There is no such dataset.")
    if len(candidates) > 1:
        raise Conflict(
            f"{text} names several datasets. Use the id, or name and namespace.",
            candidates=[{"id": str(c.id), "namespace": c.namespace, "name": c.name} for c in candidates],
        )
    return candidates[0]


def column_links(dataset_ids: set[UUID], at: datetime.datetime | None) -> list[dict[str, Any]]:
    links = ColumnLink.objects.valid(at).filter(from_dataset_id__in=dataset_ids, to_dataset_id__in=dataset_ids)
    fields = ("from_dataset_id", "from_column", "to_dataset_id", "to_column", "transformation", "is_masked")
    return [
        {
            "source": row["from_dataset_id"],
            "source_column": row["from_column"],
            "target": row["to_dataset_id"],
            "target_column": row["to_column"],
            "transformation": row["transformation"],
            "masked": row["is_masked"],
        }
        for row in links.order_by("to_dataset_id", "to_column", "from_column").values(*fields)
    ]
