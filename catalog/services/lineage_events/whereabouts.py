"""Whose runs the events of a batch are: what is stored of them and of the runs above and below, loaded at once."""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from catalog.openlineage.attribution import (
    MAX_DEPTH,
    Attribution,
    KnownRun,
    attribute,
    attribute_parent,
    candidate_pipelines,
)
from catalog.openlineage.events import ParentRef, RunEvent
from catalog.openlineage.names import JobKey, normalize_namespace
from catalog.services.lineage_events.run_facts import as_known, facts_of, joined, parent_uuid, run_uuid
from catalog.services.statements import fetch

RunName = tuple[UUID, JobKey]

_ROW = """
    r.id, r.openlineage_id, r.pipeline_id, r.step_id, r.openlineage::text, r.last_event_at IS NOT NULL,
    p.namespace, p.name, s.namespace, s.name
"""
_FROM = """
    JOIN catalog_run r ON r.organization_id = %(organization)s AND r.id = found.id
    JOIN catalog_pipeline p ON p.organization_id = r.organization_id AND p.id = r.pipeline_id
    LEFT JOIN catalog_step s ON s.organization_id = r.organization_id AND s.id = r.step_id
"""
# The connections' namespaces come along: they are needed at every call and are rarely any.
_WITH_ANCESTORS = f"""
    WITH RECURSIVE above (id, parent_run_id, depth) AS (
        (SELECT id, parent_run_id, 0 FROM catalog_run WHERE organization_id = %(organization)s AND id = ANY(%(ids)s)
         UNION
         SELECT id, parent_run_id, 0 FROM catalog_run
         WHERE organization_id = %(organization)s AND openlineage_id = ANY(%(ids)s) AND openlineage_id IS NOT NULL)
        UNION
        SELECT r.id, r.parent_run_id, above.depth + 1 FROM above
        JOIN catalog_run r ON r.organization_id = %(organization)s AND r.id = above.parent_run_id
        WHERE above.depth < {MAX_DEPTH}
    )
    SELECT declared.namespaces::text, {_ROW}
    FROM (SELECT (SELECT json_agg(namespaces ORDER BY slug) FROM catalog_connection
                  WHERE organization_id = %(organization)s AND namespaces <> '{{}}') AS namespaces) declared
    LEFT JOIN ((SELECT DISTINCT id FROM above) found {_FROM}) ON true
"""  # noqa: S608  (constants of ours)
_DESCENDANTS = f"""
    WITH RECURSIVE below (id, depth) AS (
        SELECT id, 1 FROM catalog_run WHERE organization_id = %(organization)s AND parent_run_id = ANY(%(ids)s)
        UNION
        SELECT r.id, below.depth + 1 FROM below
        JOIN catalog_run r ON r.organization_id = %(organization)s AND r.parent_run_id = below.id
        WHERE below.depth < {MAX_DEPTH}
    )
    SELECT NULL, {_ROW} FROM (SELECT DISTINCT id FROM below) found {_FROM}
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as it is stored; `known` is what its events said, None where it was only named or posted natively."""

    id: UUID
    uuid: UUID
    pipeline_id: UUID
    step_id: UUID | None
    pipeline: JobKey
    step: JobKey | None
    known: KnownRun | None
    is_reported: bool

    @property
    def job(self) -> JobKey:
        return self.known.job if self.known else self.step or self.pipeline


@dataclass(slots=True)
class Place:
    """Where a run belongs, and where it is stored now. `job` is what it executes."""

    job: JobKey
    run_id: str
    attribution: Attribution
    stored: StoredRun | None = None

    @property
    def has_moved(self) -> bool:
        here = self.attribution
        return self.stored is not None and (self.stored.pipeline, self.stored.step) != (here.pipeline, here.step)


@dataclass(slots=True)
class Whereabouts:
    """Answers the look-ups of `attribute` from what was loaded; `specs` is filled in by who reads the pipelines."""

    aliases: dict[str, str] = field(default_factory=dict)
    specs: Mapping[JobKey, JobKey] = field(default_factory=dict)
    memberships: Mapping[JobKey, Sequence[JobKey]] = field(default_factory=dict)
    _stored: dict[UUID, list[StoredRun]] = field(default_factory=lambda: defaultdict(list))
    _known: dict[UUID, dict[JobKey, KnownRun]] = field(default_factory=lambda: defaultdict(dict))
    _wanted: dict[RunName, None] = field(default_factory=dict)

    @classmethod
    def load(cls, events: Iterable[RunEvent]) -> Whereabouts:
        """One query, and one more when something new is said of runs that are stored already."""
        found = cls()
        ordered = sorted(events, key=_event_time)
        facts = [facts_of(event) for event in ordered]
        found._load(_WITH_ANCESTORS, set(filter(None, (uuid for run in facts for uuid in _uuids(run)))))
        if changed := found._learn(facts):
            found._load(_DESCENDANTS, changed)
        return found

    def candidates(self) -> set[JobKey]:
        """Every job whose pipeline may be asked for."""
        runs = (run for runs in self._known.values() for run in runs.values())
        return {job for run in runs for job in candidate_pipelines(run)}

    def places(self) -> dict[RunName, Place]:
        """Of the runs of the batch, of stored ones they concern, and of parents that are only named."""
        places: dict[RunName, Place] = {}
        for uuid, jobs in list(self._known.items()):
            for run in jobs.values():
                stored = self.stored(uuid, run.job)
                if (uuid, run.job) not in self._wanted and (stored is None or stored.known is None):
                    continue  # posted natively: where it is was said plainly
                places[uuid, run.job] = Place(run.job, run.run_id, attribute(run, self), stored)
                self._place_parent(run, places)
        return places

    def stored(self, uuid: UUID, job: JobKey) -> StoredRun | None:
        rows = self._stored.get(uuid, ())
        same = [row for row in rows if row.job == job]
        same = same or [row for row in rows if row.known is None and not row.is_reported]  # only named so far
        return same[0] if same else None

    def parent_name(self, run: KnownRun) -> RunName | None:
        """The name of the run above, with the job it really has where that is known."""
        if run.parent is None:
            return None
        found = self.find(run.parent)
        job = found.job if found else run.parent.job
        uuid = parent_uuid(run.parent)
        return (uuid, job) if uuid and job else None

    def known(self, name: RunName) -> KnownRun:
        return self._known[name[0]][name[1]]

    def find(self, run: ParentRef) -> KnownRun | None:
        uuid = parent_uuid(run)
        jobs = self._known.get(uuid) if uuid else None
        if not jobs:
            return None
        if run.job in jobs:
            return jobs[run.job]
        # A UUID that one job alone has is that run, whatever the child calls its parent.
        return next(iter(jobs.values())) if len(jobs) == 1 else None

    def spec_pipeline(self, job: JobKey) -> JobKey | None:
        return self.specs.get(job)

    def pipelines_of(self, job: JobKey) -> Sequence[JobKey]:
        return self.memberships.get(job, ())

    def _load(self, sql: str, ids: Iterable[UUID]) -> None:
        for namespaces, *row in fetch(sql, ids=sorted(ids)):
            if namespaces is not None and not self.aliases:
                self.aliases = _aliases(json.loads(namespaces))
            if row[0] is not None:
                self._keep(_stored_run(row))

    def _keep(self, row: StoredRun) -> None:
        if any(row.id == other.id for other in self._stored[row.uuid]):
            return
        self._stored[row.uuid].append(row)
        if row.known is not None:
            self._known[row.uuid].setdefault(row.known.job, row.known)
        elif row.is_reported:
            self._known[row.uuid].setdefault(row.job, KnownRun(str(row.uuid), row.job, None, None, None))

    def _learn(self, facts: Iterable[KnownRun]) -> set[UUID]:
        """Takes in what the batch says; answers the stored runs of which it says something new."""
        changed = set()
        for run in facts:
            uuid = run_uuid(run.run_id, run.job)
            before = self._known[uuid].get(run.job)
            self._known[uuid][run.job] = joined(before, run)
            self._wanted[uuid, run.job] = None
        for uuid, job in self._wanted:
            stored = self.stored(uuid, job)
            if stored is not None and stored.known != self._known[uuid][job]:
                changed.add(stored.id)
        return changed

    def _place_parent(self, run: KnownRun, places: dict[RunName, Place]) -> None:
        name = self.parent_name(run)
        if name is None or run.parent is None:
            return
        if attribution := attribute_parent(run, self):
            before = places.get(name)
            if before is None or before.attribution.is_provisional:
                places[name] = Place(name[1], run.parent.run_id, attribution, self.stored(*name))


def _event_time(event: RunEvent) -> datetime.datetime:
    return event.event_time


def _uuids(run: KnownRun) -> Iterator[UUID | None]:
    yield run_uuid(run.run_id, run.job)
    if run.parent:
        yield parent_uuid(run.parent)


def _stored_run(row: Sequence[Any]) -> StoredRun:
    id_, openlineage_id, pipeline_id, step_id, facts, is_reported, *names = row
    return StoredRun(
        id_,
        openlineage_id or id_,
        pipeline_id,
        step_id,
        JobKey(names[0], names[1]),
        JobKey(names[2], names[3]) if step_id else None,
        as_known(json.loads(facts)) if facts else None,
        is_reported,
    )


def _aliases(declared: Iterable[Sequence[str]]) -> dict[str, str]:
    """The first of a connection's namespaces is the one its datasets are kept under."""
    return {normalize_namespace(alias): normalize_namespace(names[0]) for names in declared for alias in names[1:]}
