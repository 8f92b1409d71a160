"""Applying reports to runs, many at once.

Whoever writes runs or checks of a pipeline holds the pipeline's row (`lock_pipelines`): one writer at a time, so
merging is plain Python, and a child and its parent cannot pass each other unseen.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils import timezone

from catalog.models import LIVE, CheckResult, Run, RunStatus
from catalog.openlineage.states import LOST_AFTER_AT_LEAST
from catalog.services.at_risk import refresh_checks
from catalog.services.health import refresh_health
from catalog.services.run_reports import RunKey, RunReport, as_report, as_uuid, ended_at, merge, settle
from catalog.services.run_rows import find_open_children, find_runs
from catalog.services.statements import fetch
from catalog.services.twins import hand_over
from dataxpipe.postgres.bulk import update_rows
from dataxpipe.problems import Conflict
from orgs import due
from orgs.services.usage.counts import count

MARK_LOST_RUNS = "mark_lost_runs"
MAX_DEPTH = 32
_LOCK = """
    SELECT id, current_version_id FROM catalog_pipeline
    WHERE organization_id = %(organization)s AND id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE
"""
WRITTEN = (
    "run_id",
    "parent_run_id",
    "version_id",
    "openlineage_id",
    "openlineage",
    "orchestrator_run_id",
    "attempt",
    "map_index",
    "trigger",
    "status",
    "reported_status",
    "reported_at",
    "cause",
    "has_failed_check",
    "parent_ended_at",
    "lost_at",
    "last_event_at",
    "occurred_at",
    "nominal_start_at",
    "nominal_end_at",
    "started_at",
    "finished_at",
    "duration_seconds",
    "rows_read",
    "rows_written",
    "error",
    "external_url",
    "labels",
    "warnings",
)


class RunIdTaken(Conflict):
    slug = "run-id-taken"
    title = "The run id belongs to a run of another job"
    about = "A UUID names one run of one pipeline or step in an organization. Give each run a UUID of its own."


@dataclass(frozen=True, slots=True)
class AppliedRun:
    """`is_created`: the report is the first of the run; a mention before it does not count."""

    run: Run
    is_created: bool


def apply_runs(reports: Sequence[RunReport]) -> list[AppliedRun]:
    """Applies reports of any pipelines and answers in their order; the outcome does not depend on it.

    Locks the pipelines, creates and updates runs, their parents and children, and refreshes the pipelines'
    last-run facts and health: 6 statements whatever the number, 1 more per level of children when runs end.
    Raises `RunIdTaken` for a native UUID of another job; of events both runs keep it, with a warning.
    """
    if not reports:
        return []
    versions = lock_pipelines(key.pipeline_id for key in _keys(reports))
    book = RunBook.open(reports, versions)
    applied = [book.apply(report) for report in reports]
    book.close()
    return applied


def lock_pipelines(pipeline_ids: Iterable[UUID]) -> dict[UUID, UUID | None]:
    """Their current versions. Sorted, so that two writers of several pipelines cannot block each other."""
    return dict(fetch(_LOCK, ids=list(set(pipeline_ids))))


class RunBook:
    """The runs of one batch: as they were, and as they become."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self.now = timezone.now()
        self.versions: Mapping[UUID, UUID | None] = {}
        self.runs: dict[UUID, Run] = {}
        self.before: dict[UUID, dict[str, Any]] = {}
        self.ends_before: dict[UUID, datetime.datetime | None] = {}
        self.by_openlineage_id: dict[UUID, list[Run]] = defaultdict(list)
        self.by_name: dict[tuple[UUID, str], list[Run]] = defaultdict(list)
        for run in runs:
            self.add(run)

    @classmethod
    def open(cls, reports: Sequence[RunReport], versions: Mapping[UUID, UUID | None]) -> RunBook:
        """The runs that the reports speak of; `versions` is what `lock_pipelines` answered."""
        book = cls(_stored(reports))
        book.versions = versions
        return book

    def add(self, run: Run) -> None:
        self.before[run.id] = _written(run)
        self.ends_before[run.id] = ended_at(run)
        self._index(run)

    def apply(self, report: RunReport) -> AppliedRun:
        run = self._find_or_create(report)
        is_created = run.last_event_at is None and not report.is_mention
        if report.parent is not None:
            # By its UUID any run may be the parent: one pipeline triggers another.
            parent = self.runs.get(report.parent.id) or self._find_or_create(RunReport(report.parent))
            run.parent_run_id = parent.id if parent is not run else run.parent_run_id
        merge(run, report)
        self._index(run)
        return AppliedRun(run, is_created)

    def close(self) -> None:
        """Settles and writes what has changed, then what depends on it."""
        self._inherit_ends()
        for run in self.runs.values():
            settle(run)
        new = [run for id_, run in self.runs.items() if id_ not in self.before]
        changed = [run for id_, run in self.runs.items() if id_ in self.before and self.before[id_] != _written(run)]
        for run in changed:
            run.updated_at = self.now
        Run.objects.bulk_create(sorted(new, key=lambda run: run.id))
        count("runs_recorded", sum(run.step_id is None for run in new))
        update_rows(changed, [*WRITTEN, "updated_at"])
        self._refresh([*new, *changed])

    def _find_or_create(self, report: RunReport) -> Run:
        key = report.key
        if found := self._matches(report):
            for twin in found[1:]:
                self._absorb(found[0], twin)
            return found[0]
        taken = self.runs.get(key.id)
        if taken is None:
            return self._create(report, key.id)
        if report.is_mention and taken.pipeline_id == key.pipeline_id:
            return taken
        if report.openlineage_id is None:
            raise RunIdTaken(f"{key.run_id} is the id of a run of another pipeline or step.")
        run = self._create(report, key.id_within_job)
        warning = f"The run id {key.run_id} is used by two jobs."
        for one in (taken, run):
            one.warnings = [*(text for text in one.warnings if text != warning), warning]
        return run

    def _matches(self, report: RunReport) -> list[Run]:
        """Rows that are this run: two when a native report and an event came before it was known they are one."""
        key = report.key
        candidates = [self.runs.get(key.id)]
        for uuid in filter(None, (report.openlineage_id, key.uuid)):
            candidates += self.by_openlineage_id[uuid]
        if key.step_id is None:
            candidates += self._named(report)
        same = (run for run in candidates if run and (run.pipeline_id, run.step_id) == (key.pipeline_id, key.step_id))
        unique = {run.id: run for run in same}
        # The native one stays: the other is still found by its OpenLineage id.
        return sorted(unique.values(), key=lambda run: (run.id == as_uuid(run.run_id), run.id))

    def _named(self, report: RunReport) -> list[Run]:
        """Runs of the pipeline that the orchestrator calls so. Airflow runs a cleared DAG run again under its old
        name: to events these are two runs, and a native report means the one it spoke of before, or the newest."""
        pipeline_id, name = report.key.pipeline_id, report.key.run_id
        names = {text for text in (name, report.orchestrator_run_id) if text}
        named = [run for text in sorted(names) for run in self.by_name[pipeline_id, text]]
        if report.openlineage_id is not None:
            return [run for run in named if run.openlineage_id in (None, report.openlineage_id)]
        return sorted(named, key=lambda run: (run.run_id == name, run.occurred_at))[-1:]

    def _create(self, report: RunReport, id_: UUID) -> Run:
        run = Run(
            id=id_,
            pipeline_id=report.key.pipeline_id,
            step_id=report.key.step_id,
            run_id=report.key.run_id,
            version_id=self.versions.get(report.key.pipeline_id),
            attempt=report.attempt,
            reported_status=RunStatus.QUEUED,
            occurred_at=report.at or self.now,
        )
        self._index(run)
        return run

    def _absorb(self, run: Run, twin: Run) -> None:
        merge(run, as_report(twin))
        run.openlineage_id = run.openlineage_id or as_uuid(twin.run_id)
        if twin.id in self.before:
            hand_over(twin.id, run.id)
            run.has_failed_check = CheckResult.objects.failing().filter(run_id=run.id).exists()
            self._add_children([run.id])
        for child in self.runs.values():
            child.parent_run_id = run.id if child.parent_run_id == twin.id else child.parent_run_id
        del self.runs[twin.id]
        for found in (*self.by_openlineage_id.values(), *self.by_name.values()):
            found[:] = [run if one is twin else one for one in found]

    def _index(self, run: Run) -> None:
        self.runs[run.id] = run
        if run.openlineage_id and run not in self.by_openlineage_id[run.openlineage_id]:
            self.by_openlineage_id[run.openlineage_id].append(run)
        if run.step_id is None:
            for name in filter(None, (run.run_id, run.orchestrator_run_id)):
                if run not in self.by_name[run.pipeline_id, name]:
                    self.by_name[run.pipeline_id, name].append(run)

    def _inherit_ends(self) -> None:
        """Hands the end of a run down to the runs below it, level by level, also to those not in the batch."""
        self._add_parents()
        pending = set(self.runs)
        for _ in range(MAX_DEPTH):
            ended = [id_ for id_ in pending if ended_at(self.runs[id_]) != self.ends_before.get(id_)]
            if stored := [id_ for id_ in ended if id_ in self.before]:
                self._add_children(stored)
            inherited = set()
            for run in self.runs.values():
                if run.step_id is None or run.parent_run_id not in pending:
                    continue
                end = ended_at(self.runs[run.parent_run_id]) if run.reported_status in LIVE else None
                if run.parent_ended_at != end:
                    run.parent_ended_at = end
                    inherited.add(run.id)
            if not inherited:
                return
            pending = inherited

    def _add_parents(self) -> None:
        """Of steps whose report does not name their run: what is known of it counts for a new attempt too."""
        steps = (run for run in self.runs.values() if run.step_id and run.parent_run_id)
        if missing := {run.parent_run_id for run in steps} - self.runs.keys():
            for parent in Run.objects.filter(id__in=missing):
                self.add(parent)

    def _add_children(self, run_ids: list[UUID]) -> None:
        """Only those that have not ended themselves: nothing else changes with their parent."""
        for child in find_open_children(run_ids):
            if child.id not in self.runs:
                self.add(child)

    def _refresh(self, runs: list[Run]) -> None:
        was = {run.id: self.before.get(run.id, {}).get("trigger", run.trigger) for run in runs}
        regular = [run for run in runs if "backfill" not in (run.trigger, was[run.id]) or run.trigger != was[run.id]]
        if pipeline_ids := {run.pipeline_id for run in regular if run.step_id is None}:
            refresh_health(pipeline_ids)
        if turned := [run.id for run in runs if (run.trigger == "backfill") != (was[run.id] == "backfill")]:
            results = CheckResult.objects.filter(run_id__in=turned)
            refresh_checks(set(results.values_list("check_rule_id", flat=True)))
        if any(run.status in LIVE for run in runs):
            due.mark(MARK_LOST_RUNS, after=LOST_AFTER_AT_LEAST)


def _keys(reports: Iterable[RunReport]) -> Iterable[RunKey]:
    for report in reports:
        yield report.key
        if report.parent is not None:
            yield report.parent


def _stored(reports: Sequence[RunReport]) -> list[Run]:
    """Every row that one of the reports could mean; an index for each way of naming it."""
    keys = list(_keys(reports))
    uuids = {key.uuid for key in keys if key.uuid} | {one.openlineage_id for one in reports if one.openlineage_id}
    names = {key.run_id for key in keys if key.step_id is None and not key.uuid}
    orchestrated = {one.orchestrator_run_id for one in reports if one.orchestrator_run_id}
    return find_runs(
        ids={key.id for key in keys} | {key.id_within_job for key in keys},
        openlineage_ids=uuids,
        orchestrated=orchestrated,
        names=names,
        pipelines={key.pipeline_id for key in keys},
    )


def _written(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in WRITTEN}
