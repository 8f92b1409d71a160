"""Applying a batch of events: what each step writes, and in which order.

Order of locks, for everybody: who is at risk (check results only), the organization's row (new pipelines only),
pipelines by id, datasets, the rest.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from catalog.openlineage.attribution import Attribution, KnownRun, attribute_job
from catalog.openlineage.events import DatasetEvent, JobEvent, RunEvent
from catalog.openlineage.facets import JobType
from catalog.openlineage.names import JobKey
from catalog.services.at_risk import lock_at_risk
from catalog.services.lineage_events.admission import refused_pipelines
from catalog.services.lineage_events.contents import Contents, Subject
from catalog.services.lineage_events.intake import Received, Refusal
from catalog.services.lineage_events.pipelines import (
    NewPipeline,
    Shelf,
    StepKey,
    create_pipelines,
    create_steps,
    memberships,
    settle_pipelines,
)
from catalog.services.lineage_events.relocation import Move, Spot, count_vacated, relocate
from catalog.services.lineage_events.reports import report_run, tells_results
from catalog.services.lineage_events.run_facts import run_uuid
from catalog.services.lineage_events.whereabouts import Place, Whereabouts
from catalog.services.run_book import apply_runs
from catalog.services.run_reports import RunKey
from dataxpipe.problems import Problem
from orgs.actors import Actor


@dataclass(slots=True)
class Applied:
    """`runs` and `pipelines`: those of each event, by its index. `discovered`: when pipelines that were refused were
    heard of."""

    runs: dict[int, UUID] = field(default_factory=dict)
    pipelines: dict[int, JobKey] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)
    discovered: dict[JobKey, list[datetime.datetime]] = field(default_factory=lambda: defaultdict(list))


def apply_events(received: Sequence[Received], *, actor: Actor) -> Applied:
    """Writes down what valid events say, in the open scope. The outcome does not depend on their order, and saying
    them again changes nothing. Events of pipelines that are not let in are refused and write nothing."""
    return _Application(received, actor).run()


class _Application:
    def __init__(self, received: Sequence[Received], actor: Actor) -> None:
        self.received = received
        self.actor = actor
        self.applied = Applied()
        self.shelf = Shelf()
        self.names = {
            one.index: (run_uuid(one.event.run.id, one.event.job.key), one.event.job.key)
            for one in received
            if isinstance(one.event, RunEvent)
        }

    def run(self) -> Applied:
        runs = [one for one in self.received if isinstance(one.event, RunEvent)]
        jobs = [one for one in self.received if isinstance(one.event, JobEvent)]
        self.where = Whereabouts.load(one.event for one in runs)  # type: ignore[misc]
        self.shelf.look_up(self.where.candidates() | {job for one in jobs for job in _names(one.event)})  # type: ignore[arg-type]
        self.where.specs = self.shelf.specs
        self.places = self.where.places()
        self.placed = {index: self.places[name] for index, name in self.names.items()}
        is_moving = any(place.stored and place.has_moved for place in self.places.values())
        if is_moving or any(tells_results(one.event) for one in runs):  # type: ignore[arg-type]
            lock_at_risk()
        admitted = self._admit(runs)
        self._make_room(admitted)
        subjects = [*self._apply_runs(admitted), *self._place_jobs(jobs)]
        subjects += [Subject(one) for one in self.received if isinstance(one.event, DatasetEvent)]
        subjects.sort(key=lambda subject: subject.one.event.event_time)
        Contents(subjects, self.where.aliases, self.shelf, self.actor).write()
        return self.applied

    def _admit(self, runs: Sequence[Received]) -> list[Received]:
        wanted: dict[JobKey, NewPipeline] = {}
        for one in runs:
            place = self._place(one)
            key = place.attribution.pipeline
            if key in self.shelf.pipelines:
                continue
            before = wanted.get(key)
            own_type = one.event.job_type if place.attribution.step is None else None  # type: ignore[union-attr]
            is_provisional = place.attribution.is_provisional and (before is None or before.is_provisional)
            wanted[key] = NewPipeline(key, own_type or (before.job_type if before else None), is_provisional)
        refused = self._refused(list(wanted)) if wanted else {}
        create_pipelines(self.shelf, [new for key, new in wanted.items() if key not in refused], self.actor)
        admitted = []
        for one in runs:
            key = self._place(one).attribution.pipeline
            if key not in refused:
                admitted.append(one)
                continue
            self.applied.refused.append(Refusal(one.index, refused[key]))
            self.applied.discovered[key].append(one.event.event_time)
        return admitted

    def _refused(self, wanted: list[JobKey]) -> dict[JobKey, Problem]:
        moving = [place.stored for place in self.places.values() if place.stored and place.has_moved]
        freed = count_vacated((stored.id, stored.pipeline_id) for stored in moving)
        return refused_pipelines(wanted, freed=freed)

    def _make_room(self, admitted: Sequence[Received]) -> None:
        """Steps of everything that was placed in a known pipeline; then what stands elsewhere moves there."""
        steps: dict[StepKey, JobType | None] = {}
        for one in admitted:
            place = self._place(one)
            if place.attribution.step:
                key = (self.shelf.pipelines[place.attribution.pipeline].id, place.attribution.step)
                steps[key] = one.event.job_type or steps.get(key)  # type: ignore[union-attr]
        for place in self.places.values():
            row = self.shelf.pipelines.get(place.attribution.pipeline)
            if row and place.attribution.step:
                steps.setdefault((row.id, place.attribution.step), None)
        create_steps(self.shelf, steps)
        moves = []
        for place in self.places.values():
            if place.stored and place.has_moved and place.attribution.pipeline in self.shelf.pipelines:
                source = Spot(place.stored.pipeline_id, place.stored.step_id)
                moves.append(Move(place.stored.id, source, self._spot(place.attribution)))
        relocate(moves, self.actor)
        certain = {self._place(one).attribution for one in admitted}
        settle_pipelines(self.shelf, {found.pipeline for found in certain if not found.is_provisional})

    def _apply_runs(self, admitted: Sequence[Received]) -> list[Subject]:
        subjects, reports = [], []
        for one in admitted:
            event: RunEvent = one.event  # type: ignore[assignment]
            name = self.names[one.index]
            known = self.where.known(name)
            reports.append(report_run(event, known, name[0], self._key(self.places[name]), self._parent_key(known)))
        for one, report, applied in zip(admitted, reports, apply_runs(reports), strict=True):
            self.applied.runs[one.index] = applied.run.id
            self.applied.pipelines[one.index] = self._place(one).attribution.pipeline
            spot = Spot(report.key.pipeline_id, report.key.step_id)
            subjects.append(Subject(one, (spot,), applied.run.id, report.key))
        return subjects

    def _place_jobs(self, jobs: Sequence[Received]) -> list[Subject]:
        """JobEvents describe known pipelines and make steps of them."""
        if not jobs:
            return []
        names = {job for one in jobs for job in _names(one.event)}  # type: ignore[arg-type]
        known = memberships(names)
        self.where.memberships = {
            job: [*([job] if job in self.shelf.pipelines else []), *known.get(job, ())] for job in names
        }
        places = [(one, attribute_job(one.event, self.where)) for one in jobs]  # type: ignore[arg-type]
        keys = {found.pipeline for _, several in places for found in several}
        self.shelf.look_up(keys | names)
        steps: dict[StepKey, JobType | None] = {
            (self.shelf.pipelines[found.pipeline].id, found.step): one.event.job_type  # type: ignore[union-attr]
            for one, several in places
            for found in several
            if found.step
        }
        create_steps(self.shelf, steps)
        return [Subject(one, tuple(self._spot(found) for found in several)) for one, several in places]

    def _place(self, one: Received) -> Place:
        return self.placed[one.index]

    def _spot(self, found: Attribution) -> Spot:
        pipeline_id = self.shelf.pipelines[found.pipeline].id
        return Spot(pipeline_id, self.shelf.steps[pipeline_id, found.step] if found.step else None)

    def _key(self, place: Place) -> RunKey:
        spot = self._spot(place.attribution)
        return RunKey(spot.pipeline_id, (place.job.namespace, place.job.name), place.run_id, spot.step_id)

    def _parent_key(self, run: KnownRun) -> RunKey | None:
        """The run above; one that is only named has no place until a pipeline for it is known."""
        name = self.where.parent_name(run)
        if name is None or run.parent is None:
            return None
        if (place := self.places.get(name)) is not None:
            return self._key(place) if place.attribution.pipeline in self.shelf.pipelines else None
        stored = self.where.stored(*name)
        if stored is None:
            return None
        job = (stored.job.namespace, stored.job.name)
        return RunKey(stored.pipeline_id, job, run.parent.run_id, stored.step_id)


def _names(event: JobEvent) -> Iterable[JobKey]:
    """The job, and what may be its DAG: Airflow names a task `<dag>.<task>`, and both may hold dots."""
    parts = event.job.name.split(".")[:20]
    for length in range(1, len(parts)):
        yield JobKey(event.job.namespace, ".".join(parts[:length]))
    yield event.job.key
