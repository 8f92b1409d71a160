"""What registering specs would do, for CI to show before a merge. Writes nothing and locks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from catalog.models import LineageLink, LinkOrigin
from catalog.services.registration import (
    Candidate,
    Decision,
    Reading,
    decide,
    find_pipelines,
    read_specs,
    stored_document,
)
from catalog.spec.diff import diff_specs
from catalog.spec.lineage import derive_lineage
from dataxpipe.problems import FieldError
from orgs.plans import limit_of, used
from orgs.tenancy import current_organization

# A pipeline reads or writes a dataset: (direction, namespace, name).
Link = tuple[str, str, str]


@dataclass(slots=True)
class PlannedSpec:
    """One spec: `action` is create, update, roll_back, unchanged, conflict or invalid."""

    pointer: str
    action: str
    namespace: str | None = None
    name: str | None = None
    version: str | None = None
    current_version: str | None = None
    takes_a_place: bool = False
    errors: list[FieldError] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    links_added: list[Link] = field(default_factory=list)
    links_removed: list[Link] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Headroom:
    """Of the plan's pipelines; `limit` None is without."""

    limit: int | None
    used: int
    adding: int

    @property
    def fits(self) -> bool:
        return self.limit is None or self.adding == 0 or self.used + self.adding <= self.limit


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    specs: list[PlannedSpec]
    headroom: Headroom

    @property
    def is_ok(self) -> bool:
        return self.headroom.fits and not any(spec.errors for spec in self.specs)


def plan_pipelines(
    *, documents: Sequence[Any], pointers: Sequence[str], namespace: str | None = None, change_environment: bool = False
) -> PipelinePlan:
    """One entry for each document, in their order; what is wrong is in the entries and raises nothing."""
    readings = read_specs(documents, namespace=namespace, pointers=pointers)
    candidates = [reading.candidate for reading in readings if reading.candidate is not None]
    decisions = decide(candidates, find_pipelines(candidates), change_environment=change_environment)
    by_pointer = {decision.candidate.pointer: decision for decision in decisions}
    links = _declared_links(decisions)
    specs = [_planned(reading, by_pointer.get(reading.pointer), links) for reading in readings]
    adding = sum(spec.takes_a_place for spec in specs)
    headroom = Headroom(limit_of(current_organization(), "pipelines"), used("pipelines"), adding)
    return PipelinePlan(specs, headroom)


def _planned(reading: Reading, decision: Decision | None, links: dict[Any, set[Link]]) -> PlannedSpec:
    if decision is None:
        return PlannedSpec(reading.pointer, "invalid", errors=reading.errors)
    candidate, previous = decision.candidate, decision.previous
    before, after = links.get(decision.pipeline.pk, set()), _links_of(candidate)
    return PlannedSpec(
        pointer=reading.pointer,
        action="conflict" if decision.errors else decision.outcome.value,
        namespace=candidate.spec.namespace,
        name=candidate.spec.name,
        version=decision.version.version,
        current_version=previous.version if previous else None,
        takes_a_place=decision.needs_room,
        errors=decision.errors,
        changes=_changes(decision),
        links_added=sorted(after - before),
        links_removed=sorted(before - after),
    )


def _changes(decision: Decision) -> list[dict[str, Any]]:
    if decision.previous is None:
        return []
    after = stored_document(decision.candidate.spec)
    return [change.as_dict() for change in diff_specs(decision.previous.spec, after)]


def _links_of(candidate: Candidate) -> set[Link]:
    lineage = derive_lineage(candidate.spec)
    return {(link.direction, *candidate.datasets[link.dataset]) for link in lineage.links}


def _declared_links(decisions: Sequence[Decision]) -> dict[Any, set[Link]]:
    """By pipeline, what is declared now."""
    registered = [decision.pipeline.pk for decision in decisions if decision.previous is not None]
    rows = LineageLink.objects.valid().filter(pipeline__in=registered, origin=LinkOrigin.DECLARED)
    found: dict[Any, set[Link]] = {pk: set() for pk in registered}
    if registered:
        for pk, *link in rows.values_list("pipeline", "direction", "dataset__namespace", "dataset__name"):
            found[pk].add((link[0], link[1], link[2]))
    return found
