"""What became of a run, whatever the order its events arrive in.

A `RunState` is a join of what each event says: earliest start, latest end, the worse of two ends at one
instant. Joining is commutative, associative and idempotent, so replays and late events change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

EndStatus: TypeAlias = Literal["skipped", "success", "aborted", "failed"]
LiveStatus: TypeAlias = Literal["queued", "running"] | EndStatus
RunStatus: TypeAlias = LiveStatus | Literal["lost"]
Cause: TypeAlias = Literal["check", "parent ended"]

ENDS: dict[str, EndStatus] = {"COMPLETE": "success", "FAIL": "failed", "ABORT": "aborted"}
_SEVERITY: dict[EndStatus, int] = {"skipped": 0, "success": 1, "aborted": 2, "failed": 3}
LOST_AFTER_AT_LEAST = timedelta(hours=24)
LOST_AFTER_MEDIANS = 5


@dataclass(frozen=True, slots=True)
class RunState:
    """`RunState()` knows nothing yet: a run that is queued."""

    start_at: datetime | None = None  # earliest START
    running_at: datetime | None = None  # earliest RUNNING, for producers that send no START
    last_event_at: datetime | None = None
    reported_status: EndStatus | None = None
    reported_at: datetime | None = None  # event time of the end that counts

    @property
    def status(self) -> LiveStatus:
        """What the reports alone say; see `effective_status` for the rest."""
        if self.reported_status:
            return self.reported_status
        return "running" if self.started_at else "queued"

    @property
    def started_at(self) -> datetime | None:
        return self.start_at or self.running_at

    @property
    def finished_at(self) -> datetime | None:
        return self.reported_at

    @property
    def duration_seconds(self) -> float | None:
        """None while one of both ends is not known; never negative, though clocks differ."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max(0.0, (self.finished_at - self.started_at).total_seconds())


def fold(state: RunState, event_type: str, event_time: datetime) -> RunState:
    """The state after one more OpenLineage event. OTHER tells only that the run is alive."""
    return join(state, _said_by(event_type, event_time))


def join(one: RunState, other: RunState) -> RunState:
    """What both know together."""
    last = _last_end(one, other)
    return RunState(
        start_at=_earliest(one.start_at, other.start_at),
        running_at=_earliest(one.running_at, other.running_at),
        last_event_at=_latest(one.last_event_at, other.last_event_at),
        reported_status=last.reported_status,
        reported_at=last.reported_at,
    )


def state_reported(
    status: LiveStatus, *, started_at: datetime | None, finished_at: datetime | None, at: datetime
) -> RunState:
    """The state one native report of a run tells (`POST /runs/`), to be joined like an event's.

    `at` stands in for the times the report leaves out.
    """
    is_end = status in _SEVERITY
    return RunState(
        start_at=started_at or (at if status == "running" else None),
        last_event_at=finished_at or at,
        reported_status=status if is_end else None,  # type: ignore[arg-type]  # one of _SEVERITY's keys
        reported_at=(finished_at or at) if is_end else None,
    )


def effective_status(
    reported: LiveStatus,
    *,
    has_failed_error_check: bool = False,
    parent_ended_at: datetime | None = None,
    lost: bool = False,
) -> tuple[RunStatus, Cause | None]:
    """`(status, cause)` of a run: what was reported, and what else is known of it.

    `has_failed_error_check`: an error check of this run fails; goes before everything but a reported failure.
    `parent_ended_at`: for steps only; a run with no end of its own is over when its parent is. A DAG that
    another one triggered lives on, so its parent's end is not passed. `lost`: see `lost_at`.
    """
    if has_failed_error_check and reported != "failed":
        return "failed", "check"
    if reported in ("queued", "running"):
        if parent_ended_at is not None:
            return "aborted", "parent ended"
        if lost:
            return "lost", None
    return reported, None


def lost_at(last_event_at: datetime, median_seconds: float | None) -> datetime:
    """When a run of which nothing more is heard counts as lost: after 24 hours, or 5 times its median."""
    medians = timedelta(seconds=LOST_AFTER_MEDIANS * (median_seconds or 0.0))
    return last_event_at + max(LOST_AFTER_AT_LEAST, medians)


def _said_by(event_type: str, event_time: datetime) -> RunState:
    end = ENDS.get(event_type)
    return RunState(
        start_at=event_time if event_type == "START" else None,
        running_at=event_time if event_type == "RUNNING" else None,
        last_event_at=event_time,
        reported_status=end,
        reported_at=event_time if end else None,
    )


def _last_end(one: RunState, other: RunState) -> RunState:
    if one.reported_at is None or other.reported_at is None:
        return one if one.reported_at else other
    if one.reported_at != other.reported_at:
        return one if one.reported_at > other.reported_at else other
    return max(one, other, key=_severity)


def _severity(state: RunState) -> int:
    return _SEVERITY[state.reported_status] if state.reported_status else -1


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at), default=None)


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at), default=None)
