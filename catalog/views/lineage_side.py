"""What is told beside a lineage picture about the selected node: its state, its facts, what depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from catalog.lineage.graph import GraphNode, present
from catalog.lineage.walk import walk
from catalog.models import Check, Dataset, DatasetColumn, LineageLink, Pipeline
from catalog.spec.schedule import describe
from catalog.views.pictures import store_of

IMPACT_DEPTH, IMPACT_NODES, IMPACT_SHOWN = 10, 600, 60


@dataclass(frozen=True, slots=True)
class Impact:
    """A pipeline behind the node, and how many steps away."""

    node: GraphNode
    steps: int
    url: str


@dataclass(frozen=True, slots=True)
class Side:
    node: GraphNode
    row: Any
    url: str
    focus_url: str
    is_focus: bool
    impact: list[Impact]
    impact_count: int
    facts: dict[str, Any]


def side_of(node: GraphNode | None, focus: Any, slug: str) -> Side | None:
    if node is None:
        return None
    impact = _impact(node, slug)
    return Side(
        node=node,
        row=(Dataset.objects if node.kind == "dataset" else Pipeline.objects.with_health()).get(pk=node.id),
        url=reverse(node.kind, kwargs={"slug": slug, f"{node.kind}_id": node.id}),
        focus_url=f"?{node.kind}={node.id}",
        is_focus=node.id == focus.pk,
        impact=impact[:IMPACT_SHOWN],
        impact_count=len(impact),
        facts=_dataset_facts(node) if node.kind == "dataset" else _pipeline_facts(node),
    )


def _impact(node: GraphNode, slug: str) -> list[Impact]:
    start: dict[str, Any] = {f"{node.kind}s": [node.id]}
    graph = present(walk(**start, directions=("downstream",), depth=IMPACT_DEPTH, max_nodes=IMPACT_NODES))
    return [
        Impact(one, (one.distance + 1) // 2, reverse("pipeline", kwargs={"slug": slug, "pipeline_id": one.id}))
        for one in graph.nodes
        if one.kind == "pipeline" and one.distance > 0
    ]


def _dataset_facts(node: GraphNode) -> dict[str, Any]:
    columns = list(DatasetColumn.objects.filter(dataset=node.id, ended_at=None).values_list("tags", flat=True))
    writers = LineageLink.objects.valid().filter(dataset=node.id, direction="writes", pipeline__archived_at=None)
    return {
        "store": store_of(node.namespace),
        "column_count": len(columns),
        "pii_count": sum("pii" in tags for tags in columns),
        "writers": list(Pipeline.objects.active().filter(id__in=writers.values("pipeline_id")).order_by("name")[:3]),
        "failing_checks": list(Check.objects.failing().filter(dataset=node.id).order_by("failing_since")[:3]),
    }


def _pipeline_facts(node: GraphNode) -> dict[str, Any]:
    schedule = Pipeline.objects.filter(pk=node.id).values_list("schedule", flat=True).first()
    return {"schedule": describe(schedule)}
