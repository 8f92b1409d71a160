"""What became of a run, whatever the order its events arrive in.

A `RunState` is a join of what each event says: the earliest start, the latest end, the worse of two ends at
one instant. Joining is commutative, associative and idempotent, so replays and late events change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

ReportedStatus: TypeAlias = Literal["queued", "running", "skipped", "success", "aborted", "failed"]
RunStatus: TypeAlias = ReportedStatus | Literal["lost"]
Cause: TypeAlias = Literal["check", "parent ended"]

_ENDS: dict[str, ReportedStatus] = {"COMPLETE": "success", "FAIL": "failed", "ABORT": "aborted"}
_SEVERITY: dict[ReportedStatus, int] = {
    "queued": 0,
    "running": 1,
    "skipped": 2,
    "success": 3,
    "aborted": 4,
    "failed": 5,
}
OPEN: frozenset[ReportedStatus] = frozenset({"queued", "running"})
_NEVER = datetime.min.replace(tzinfo=UTC)
LOST_AFTER_AT_LEAST = timedelta(hours=24)
LOST_AFTER_MEDIANS = 5


@dataclass(frozen=True, slots=True)
class RunState:
    """`RunState()` is a run known only to exist. `reported_at` is the time of the end that counts."""

    reported_status: ReportedStatus = "queued"
    reported_at: datetime | None = None
    started_at: datetime | None = None

    @property
    def finished_at(self) -> datetime | None:
        return None if self.reported_status in OPEN else self.reported_at

    @property
    def duration_seconds(self) -> float | None:
        """None while start or end is not known; never negative, though clocks differ."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max(0.0, (self.finished_at - self.started_at).total_seconds())


def fold(state: RunState, event_type: str, event_time: datetime) -> RunState:
    """The state after one more OpenLineage event. OTHER changes nothing."""
    return join(state, _said_by(event_type, event_time))


def join(one: RunState, other: RunState) -> RunState:
    """What both know together: a run that ended stays ended, and the last end counts."""
    last = max(one, other, key=_rank)
    starts = [state.started_at for state in (one, other) if state.started_at]
    return RunState(last.reported_status, last.finished_at, min(starts, default=None))


def state_reported(
    status: ReportedStatus,
    *,
    at: datetime,
    started_at: datetime | None = None,
    finished_at: datetime | None = None,
) -> RunState:
    """What one native report of a run says (`POST /runs/`); `at` stands in for times it leaves out."""
    if status in OPEN:
        return RunState(status, None, started_at or (at if status == "running" else None))
    return RunState(status, finished_at or at, started_at)


def effective_status(
    reported: ReportedStatus,
    *,
    has_failed_error_check: bool = False,
    parent_ended_at: datetime | None = None,
    lost: bool = False,
) -> tuple[RunStatus, Cause | None]:
    """`(status, cause)` of a run: what was reported, and what else is known of it.

    `has_failed_error_check`: an error check of this run fails; goes before everything but a reported failure.
    `parent_ended_at`: for steps only; a run with no end of its own is over when its parent is. A DAG that
    another one triggered lives on, so its parent's end is not passed. `lost`: see `lost_after`.
    """
    if has_failed_error_check and reported != "failed":
        return "failed", "check"
    if reported in OPEN:
        if parent_ended_at is not None:
            return "aborted", "parent ended"
        if lost:
            return "lost", None
    return reported, None


def lost_after(heard_at: datetime, median_seconds: float | None) -> datetime:
    """When an open run counts as lost if nothing more is heard: after 24 hours, or 5 times its median."""
    medians = timedelta(seconds=LOST_AFTER_MEDIANS * (median_seconds or 0.0))
    return heard_at + max(LOST_AFTER_AT_LEAST, medians)


def _said_by(event_type: str, event_time: datetime) -> RunState:
    if end := _ENDS.get(event_type):
        return RunState(end, event_time)
    return RunState("running", None, event_time) if event_type in ("START", "RUNNING") else RunState()


def _rank(state: RunState) -> tuple[bool, datetime, int]:
    is_end = state.reported_status not in OPEN
    return is_end, (state.reported_at if is_end else None) or _NEVER, _SEVERITY[state.reported_status]
