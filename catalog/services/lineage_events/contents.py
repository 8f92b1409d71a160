"""What a batch tells beside its runs: datasets, links, facets, descriptions and check results."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from catalog.models import Dataset
from catalog.openlineage.events import DatasetEvent, DatasetRef, RunEvent
from catalog.openlineage.facets import Dag, read_airflow_dag_run, read_column_lineage
from catalog.services.at_risk import refresh_at_risk
from catalog.services.checks import ResultReport, record_results
from catalog.services.lineage_events.datasets import DatasetRow, Stock
from catalog.services.lineage_events.descriptions import Subjects, describe
from catalog.services.lineage_events.facets import Album
from catalog.services.lineage_events.intake import Received
from catalog.services.lineage_events.links import ColumnLink, Link, Observations
from catalog.services.lineage_events.pipelines import Shelf
from catalog.services.lineage_events.relocation import Spot
from catalog.services.lineage_events.reports import results_of, tells_results
from catalog.services.lineage_version import lineage_changed
from catalog.services.run_reports import RunKey
from orgs.actors import Actor

# What such events tell of inputs and outputs has happened; a start only intends it, a failure may not have got there.
DONE = frozenset({"RUNNING", "COMPLETE", "OTHER"})


@dataclass(frozen=True, slots=True)
class Subject:
    """An event and what it is about; a DatasetEvent has no spots, only a RunEvent has a run."""

    one: Received
    spots: tuple[Spot, ...] = ()
    run_id: UUID | None = None
    run: RunKey | None = None


class Contents:
    """Collects what the events tell, in the order of their times, and writes each kind of row once."""

    def __init__(self, subjects: Sequence[Subject], aliases: Mapping[str, str], shelf: Shelf, actor: Actor) -> None:
        self.subjects = subjects
        self.shelf = shelf
        self.actor = actor
        self.stock = Stock(aliases)
        self.album = Album()
        self.seen = Observations()
        self.dags: dict[UUID, tuple[datetime.datetime, Dag]] = {}

    def write(self) -> None:
        subjects = self.subjects
        lineages = {id(ref): found for subject in subjects for ref, found in _column_lineages(subject.one)}
        names = [(ref.namespace, ref.name) for subject in subjects for ref, _ in _refs(subject.one)]
        sources = [(s.namespace, s.name) for found in lineages.values() for fields in found.values() for s in fields]
        self.stock.stock_up([*names, *sources], self.actor)
        for subject in subjects:
            self._note(subject, lineages)
        self.stock.write_times()
        changed = self.album.write()
        pipelines = frozenset(row.id for row in self.shelf.pipelines.values())
        describe(changed, Subjects(pipelines, {id_: dag for id_, (_, dag) in self.dags.items()}))
        if self.seen.write():
            lineage_changed()
            if Dataset.objects.filter(failing_check_count__gt=0).exists():
                refresh_at_risk()
        results = [result for subject in subjects for result in self._results(subject)]
        if results:
            record_results(results)

    def _note(self, subject: Subject, lineages: Mapping[int, Any]) -> None:
        event = subject.one.event
        at = event.event_time
        if isinstance(event, RunEvent) and subject.run_id:
            self.album.put("run", subject.run_id, event.run.facets, at)
            self._note_dag(event, subject.spots[0])
        if not isinstance(event, DatasetEvent):
            for spot in subject.spots:
                self.album.put("job", spot.subject_id, event.job.facets, at)
        for ref, direction in _refs(subject.one):
            row = self.stock.find(ref)
            is_done = isinstance(event, RunEvent) and event.event_type in DONE
            if is_done and direction:
                self.stock.note(row, at, is_written=direction == "writes")
            self._put_facets(row, ref, at, is_reader=direction == "reads")
            for spot in subject.spots if direction else ():
                self.seen.saw(Link(spot.pipeline_id, spot.step_id, row.id, direction), at)
                for column, sources in lineages.get(id(ref), {}).items():
                    for source in sources:
                        origin = self.stock.rows[source.namespace, source.name].id
                        link = ColumnLink(*spot, origin, source.field, row.id, column)
                        self.seen.saw_column(link, source, at)

    def _put_facets(self, row: DatasetRow, ref: DatasetRef, at: datetime.datetime, *, is_reader: bool) -> None:
        """A reader names the columns it reads; once a writer is known, that one's schema counts."""
        facets = ref.facets
        if is_reader and "schema" in facets and self.stock.was_written(row):
            facets = {name: facet for name, facet in facets.items() if name != "schema"}
        for told in (facets, ref.input_facets, ref.output_facets):
            self.album.put("dataset", row.id, told, at)

    def _note_dag(self, event: RunEvent, spot: Spot) -> None:
        found = read_airflow_dag_run(event.run.facets.get("airflowDagRun"))
        if found is None or spot.step_id is not None:
            return
        before = self.dags.get(spot.pipeline_id)
        if before is None or before[0] <= event.event_time:
            self.dags[spot.pipeline_id] = (event.event_time, found.dag)

    def _results(self, subject: Subject) -> Iterable[ResultReport]:
        event = subject.one.event
        if not isinstance(event, RunEvent) or subject.run is None or not tells_results(event):
            return ()
        datasets = {(ref.namespace, ref.name): self.stock.find(ref).id for ref, _ in _refs(subject.one)}
        return results_of(event, subject.run, datasets)


def _refs(one: Received) -> Iterable[tuple[DatasetRef, str]]:
    """The datasets of an event and what is done with them; nothing in a DatasetEvent."""
    event = one.event
    if isinstance(event, DatasetEvent):
        yield event.dataset, ""
        return
    for ref in event.inputs:
        yield ref, "reads"
    for ref in event.outputs:
        yield ref, "writes"


def _column_lineages(one: Received) -> Iterable[tuple[DatasetRef, Any]]:
    if isinstance(one.event, DatasetEvent):
        return
    for ref in one.event.outputs:
        if "columnLineage" in ref.facets and (found := read_column_lineage(ref.facets["columnLineage"])):
            yield ref, found.fields
