"""How many pipelines stand downstream of each: for lists, so for many pipelines at once.

One query loads the organization's links; they are kept in this process until the lineage version rises.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from catalog.models import Direction, LineageLink, LineageVersion
from orgs.tenancy import current_organization


@dataclass(slots=True)
class Adjacency:
    """Which pipelines read what each one writes; what was counted once is remembered."""

    after: dict[UUID, set[UUID]]
    counted: dict[UUID, int] = field(default_factory=dict)

    def count(self, pipeline_id: UUID) -> int:
        if pipeline_id not in self.counted:
            self.counted[pipeline_id] = len(self.downstream(pipeline_id))
        return self.counted[pipeline_id]

    def downstream(self, pipeline_id: UUID) -> set[UUID]:
        """Everything that depends on the pipeline, without itself, even where lineage is circular."""
        found: set[UUID] = set()
        pending = list(self.after.get(pipeline_id, ()))
        while pending:
            reached = pending.pop()
            if reached not in found:
                found.add(reached)
                pending += self.after.get(reached, set()) - found
        return found - {pipeline_id}


def downstream_counts(pipeline_ids: Iterable[UUID]) -> dict[UUID, int]:
    adjacency = current_adjacency()
    return {pipeline_id: adjacency.count(pipeline_id) for pipeline_id in pipeline_ids}


def current_adjacency() -> Adjacency:
    version = LineageVersion.objects.values_list("version", flat=True).first()
    if version is None:
        return _load()
    return _kept(current_organization().pk, version)


@lru_cache(maxsize=64)
def _kept(organization_id: int, version: int) -> Adjacency:
    return _load()


def _load() -> Adjacency:
    writers: dict[UUID, set[UUID]] = defaultdict(set)
    readers: dict[UUID, set[UUID]] = defaultdict(set)
    links = LineageLink.objects.valid().values_list("pipeline_id", "dataset_id", "direction").distinct()
    for pipeline_id, dataset_id, direction in links:
        (writers if direction == Direction.WRITES else readers)[dataset_id].add(pipeline_id)
    after: dict[UUID, set[UUID]] = defaultdict(set)
    for dataset_id, sources in writers.items():
        for source in sources:
            after[source] |= readers.get(dataset_id, set())
    return Adjacency(after)
