"""What a report says of a run, and how reports of one run become one state, in whatever order they come."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from catalog.models import Run, RunStatus
from catalog.openlineage.states import OPEN, RunState, effective_status, join
from orgs.tenancy import current_organization

RUN_IDS = UUID("6f6ad53a-7d1c-5b0e-9a53-2f1f1c9e8a44")
MAX_LABELS = 64
UNKNOWN = RunState()
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RunKey:
    """Which run is meant: what its orchestrator calls it, within a job.

    `job` is the (namespace, name) of the pipeline, or of the step's job. A UUID is the run's id whatever the job.
    """

    pipeline_id: UUID
    job: tuple[str, str]
    run_id: str
    step_id: UUID | None = None

    @property
    def uuid(self) -> UUID | None:
        return as_uuid(self.run_id)

    @property
    def id(self) -> UUID:
        return self.uuid or self.id_within_job

    @property
    def id_within_job(self) -> UUID:
        parts = (str(current_organization().pk), *self.job, self.run_id)
        return uuid5(RUN_IDS, "\0".join(parts))


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one report, or several joined, say of a run.

    `at` is the time they speak of, the latest of several; without one the run is only mentioned, and appears,
    queued, when it is not known yet; so does `parent`. `openlineage_id` tells events from native reports.
    `is_dated` is false when the times in `state` are only those of its arrival. Rows are totals, `version_id` is
    that of a `PipelineVersion`, times carry an offset.
    """

    key: RunKey
    at: datetime.datetime | None = None
    state: RunState = UNKNOWN
    is_dated: bool = True
    parent: RunKey | None = None
    attempt: int = 1
    map_index: int | None = None
    openlineage_id: UUID | None = None
    openlineage: Mapping[str, Any] = field(default_factory=dict)
    orchestrator_run_id: str = ""
    version_id: UUID | None = None
    trigger: str = ""
    nominal_start_at: datetime.datetime | None = None
    nominal_end_at: datetime.datetime | None = None
    rows_read: int | None = None
    rows_written: int | None = None
    error: str = ""
    external_url: str = ""
    labels: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def is_mention(self) -> bool:
        return self.at is None


# Handed on as they are: the report with the later event time wins, an earlier one fills gaps.
_HANDED_ON = (
    "map_index",
    "openlineage_id",
    "orchestrator_run_id",
    "version_id",
    "trigger",
    "nominal_start_at",
    "nominal_end_at",
    "external_url",
)


@lru_cache(maxsize=16_384)  # one event names the same few runs many times
def as_uuid(text: str) -> UUID | None:
    """Only the canonical form: `urn:uuid:…` and the like are texts."""
    return UUID(text) if _UUID.fullmatch(text) else None


def merge(run: Run, report: RunReport) -> None:
    """Adds what the report knows to the run, unsettled and unsaved. The last attempt counts."""
    if report.attempt > run.attempt:
        _begin_attempt(run, report.attempt)
    is_current = report.attempt == run.attempt
    is_newer = is_current and _is_newer(report.at, run.last_event_at)
    for name in _HANDED_ON:
        value = getattr(report, name)
        if value not in (None, "") and (is_newer or getattr(run, name) in (None, "")):
            setattr(run, name, value)
    if report.openlineage:
        told, known = report.openlineage, run.openlineage or {}
        run.openlineage = {**known, **told} if is_newer else {**told, **known}
    labels = {**run.labels, **report.labels} if is_newer else {**report.labels, **run.labels}
    run.labels = dict(sorted(labels.items())[:MAX_LABELS])
    run.warnings = [*run.warnings, *(text for text in report.warnings if text not in run.warnings)]
    if report.openlineage_id is None and report.key.uuid is None:
        run.run_id = report.key.run_id  # what people call it goes before a UUID
    if is_current:
        _tell(run, report)


def settle(run: Run) -> None:
    """Derives status, cause, finish and duration from all that is known of the run."""
    state = state_of(run)
    status, cause = effective_status(
        state.reported_status,
        has_failed_error_check=run.has_failed_check,
        parent_ended_at=run.parent_ended_at if run.step_id else None,
        lost=run.lost_at is not None,
    )
    run.status, run.cause = status, cause or ""
    if state.reported_status in OPEN:
        run.finished_at = run.parent_ended_at if cause == "parent ended" else None
    else:
        run.parent_ended_at = None
    run.duration_seconds = None
    if run.started_at and run.finished_at:
        run.duration_seconds = max(0.0, (run.finished_at - run.started_at).total_seconds())
    run.occurred_at = run.started_at or run.nominal_start_at or run.reported_at or run.occurred_at


def state_of(run: Run) -> RunState:
    return RunState(run.reported_status, run.reported_at, run.started_at)  # type: ignore[arg-type]  # never lost


def ended_at(run: Run) -> datetime.datetime | None:
    """When the run was over, by its own word or its parent's; silence and failing checks end nothing."""
    if run.reported_status not in OPEN:
        return run.reported_at
    return run.parent_ended_at if run.step_id else None


def as_report(run: Run) -> RunReport:
    """All that is stored of a run, to be merged into the one it turned out to be."""
    names = (*_HANDED_ON, "attempt", "rows_read", "rows_written", "error", "labels")
    key = RunKey(run.pipeline_id, ("", ""), run.run_id, run.step_id)
    values = {name: getattr(run, name) for name in names}
    told = run.openlineage or {}
    return RunReport(key, run.last_event_at, state_of(run), openlineage=told, warnings=tuple(run.warnings), **values)


def _tell(run: Run, report: RunReport) -> None:
    before, said = state_of(run), _said(report, run)
    after = join(before, said)
    run.rows_read = _greatest(run.rows_read, report.rows_read)
    run.rows_written = _greatest(run.rows_written, report.rows_written)
    run.started_at, run.reported_status = after.started_at, after.reported_status
    if _end(after) != _end(before):
        run.reported_at = run.finished_at = after.reported_at
        run.error = report.error
    elif after.reported_status in OPEN or _end(said) == _end(after):
        run.error = max(run.error, report.error, key=len)
    if _is_newer(report.at, run.last_event_at):
        run.lost_at = run.lost_at if report.at == run.last_event_at else None
        run.last_event_at = report.at


def _end(state: RunState) -> tuple[str, datetime.datetime | None]:
    return state.reported_status, state.reported_at


def _said(report: RunReport, run: Run) -> RunState:
    """A report without times of its own, repeated or late, moves neither the start nor the end."""
    said = report.state
    if report.is_dated or run.reported_status in OPEN:
        return said
    if said.reported_status in (run.reported_status, *OPEN):
        return UNKNOWN
    return RunState(said.reported_status, said.reported_at)


def _begin_attempt(run: Run, attempt: int) -> None:
    run.attempt = attempt
    run.reported_status = RunStatus.QUEUED
    run.reported_at = run.started_at = run.finished_at = run.last_event_at = run.lost_at = None
    run.rows_read = run.rows_written = None
    run.error = ""


def _is_newer(at: datetime.datetime | None, than: datetime.datetime | None) -> bool:
    return at is not None and (than is None or at >= than)


def _greatest(one: int | None, other: int | None) -> int | None:
    return max((count for count in (one, other) if count is not None), default=None)
