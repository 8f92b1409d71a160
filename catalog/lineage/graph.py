"""A neighbourhood as nodes and edges with the facts people ask for, at the grain they ask for."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from catalog.lineage.walk import Interval, Neighbourhood, Node, Process
from catalog.models import Dataset, LinkOrigin, Pipeline, Step

STALE_AFTER = datetime.timedelta(days=30)
EPOCH = datetime.datetime.fromtimestamp(0, tz=datetime.UTC)


@dataclass(frozen=True, slots=True)
class GraphNode:
    """`kind` is dataset, pipeline or step; `distance` counts links, upstream negative."""

    id: UUID
    kind: str
    namespace: str
    name: str
    owner: str
    tags: list[str]
    health: str | None
    distance: int
    pipeline: UUID | None = None


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """Data flows from `source` to `target`; `kind` is reads, writes or derives."""

    source: UUID
    target: UUID
    kind: str
    valid_from: datetime.datetime
    valid_to: datetime.datetime | None
    stale: bool


@dataclass(slots=True)
class Graph:
    nodes: list[GraphNode] = field(default_factory=list)
    edges: list[GraphEdge] = field(default_factory=list)


def present(found: Neighbourhood, *, granularity: str = "pipeline") -> Graph:
    """Three queries at most, whatever the size: datasets, pipelines and, where they are nodes, steps."""
    pipelines = _pipelines({process.pipeline_id for process in found.processes})
    steps = _steps(found.processes) if granularity == "step" else {}
    merged = _Merged(found, pipelines, granularity)
    nodes = [
        *_dataset_nodes(merged.distances, found.dataset_ids),
        *(
            _pipeline_node(pipelines[node], distance)
            for node, distance in merged.distances.items()
            if node in pipelines
        ),
        *(_step_node(steps[node], pipelines, distance) for node, distance in merged.distances.items() if node in steps),
    ]
    return Graph(nodes=sorted(nodes, key=lambda node: (node.distance, node.name, node.id)), edges=merged.edges())


class _Merged:
    """Nodes and links with processes replaced by what stands for them at the granularity."""

    def __init__(self, found: Neighbourhood, pipelines: dict[UUID, Any], granularity: str) -> None:
        self.granularity, self.pipelines = granularity, pipelines
        self.distances: dict[UUID, int] = {}
        for node, distance in found.distances.items():
            node_id = self._id_of(node)
            if node_id is not None and abs(distance) <= abs(self.distances.get(node_id, distance)):
                self.distances[node_id] = distance
        self.links = self._derived(found) if granularity == "dataset" else self._direct(found)

    def edges(self) -> list[GraphEdge]:
        return [
            GraphEdge(source, target, kind, _instant(interval.valid_from), _ended(interval), is_stale)
            for (source, target, kind), (interval, is_stale) in sorted(self.links.items())
        ]

    def _id_of(self, node: Node) -> UUID | None:
        if isinstance(node, UUID):
            return node
        if self.granularity == "dataset" or node.pipeline_id not in self.pipelines:
            return None
        return node.step_id if self.granularity == "step" and node.step_id else node.pipeline_id

    def _direct(self, found: Neighbourhood) -> dict[tuple[UUID, UUID, str], tuple[Interval, bool]]:
        links: dict[tuple[UUID, UUID, str], tuple[Interval, bool]] = {}
        for (source, target), interval in found.links.items():
            ends = self._id_of(source), self._id_of(target)
            if ends[0] is None or ends[1] is None:
                continue
            process = target if isinstance(target, Process) else source
            kind = "reads" if isinstance(target, Process) else "writes"
            _keep_newest(links, (ends[0], ends[1], kind), interval, self._is_stale(process, interval))
        return links

    def _derived(self, found: Neighbourhood) -> dict[tuple[UUID, UUID, str], tuple[Interval, bool]]:
        written: dict[Node, list[tuple[UUID, Interval]]] = {}
        for (source, target), interval in found.links.items():
            if isinstance(source, Process) and isinstance(target, UUID):
                written.setdefault(source, []).append((target, interval))
        links: dict[tuple[UUID, UUID, str], tuple[Interval, bool]] = {}
        for (source, process), near in found.links.items():
            if isinstance(source, UUID):
                for target, far in written.get(process, []):
                    oldest = min(near, far, key=lambda interval: interval.last_seen_at)
                    _keep_newest(links, (source, target, "derives"), oldest, self._is_stale(process, oldest))
        return links

    def _is_stale(self, process: Node, interval: Interval) -> bool:
        """Observed once, but not by the runs of the last 30 days."""
        pipeline = self.pipelines.get(process.pipeline_id) if isinstance(process, Process) else None
        if pipeline is None or interval.origin == LinkOrigin.DECLARED or pipeline["last_run_finished_at"] is None:
            return False
        return bool(_instant(interval.last_seen_at) < pipeline["last_run_finished_at"] - STALE_AFTER)


def _instant(microseconds: int) -> datetime.datetime:
    return EPOCH + datetime.timedelta(microseconds=microseconds)


def _ended(interval: Interval) -> datetime.datetime | None:
    return None if interval.valid_to is None else _instant(interval.valid_to)


def _keep_newest(links: dict[Any, tuple[Interval, bool]], key: Any, interval: Interval, is_stale: bool) -> None:
    known = links.get(key)
    if known is None or known[0].last_seen_at < interval.last_seen_at:
        links[key] = (interval, is_stale)


def _pipelines(ids: set[UUID]) -> dict[UUID, Any]:
    fields = ("id", "namespace", "name", "owner", "tags", "current_health", "last_run_finished_at")
    rows = Pipeline.objects.active().with_health().filter(id__in=ids).values(*fields)
    return {row["id"]: row for row in rows}


def _steps(processes: Iterable[Process]) -> dict[UUID, Step]:
    ids = {process.step_id for process in processes if process.step_id}
    return {step.id: step for step in Step.objects.filter(id__in=ids)}


def _dataset_nodes(distances: dict[UUID, int], ids: set[UUID]) -> Iterable[GraphNode]:
    rows = Dataset.objects.filter(id__in=ids).values_list(
        "id", "namespace", "name", "owners", "tags", "failing_check_count"
    )
    for dataset_id, namespace, name, owners, tags, failing_check_count in rows:
        owner = owners[0]["name"] if owners else ""
        health = "failing" if failing_check_count else None
        yield GraphNode(dataset_id, "dataset", namespace, name, owner, tags, health, distances[dataset_id])


def _pipeline_node(row: Any, distance: int) -> GraphNode:
    return GraphNode(
        row["id"], "pipeline", row["namespace"], row["name"], row["owner"], row["tags"], row["current_health"], distance
    )


def _step_node(step: Step, pipelines: dict[UUID, Any], distance: int) -> GraphNode:
    row = pipelines[step.pipeline_id]
    return GraphNode(
        step.id, "step", step.namespace or row["namespace"], step.name, row["owner"], row["tags"],
        row["current_health"], distance, step.pipeline_id,
    )  # fmt: skip
