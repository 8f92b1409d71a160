"""How pipelines are: decided from the facts of their last regular runs and kept on their rows.

`docs/health.md` tells users the same rules. Late is never stored: it is decided on reading, from `late_after`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from catalog.models import Health, Pipeline
from catalog.spec.schedule import ScheduleError, next_start
from dataxpipe.postgres.bulk import update_rows
from orgs.tenancy import current_organization

MEDIAN_OF = 20
LOOKED_BACK = 200
EARLY_START = datetime.timedelta(minutes=1)
LEAST_GRACE = datetime.timedelta(minutes=5)
MOST_GRACE = datetime.timedelta(minutes=60)
GRACE_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class LastRun:
    id: UUID
    run_id: str
    status: str
    cause: str
    started_at: datetime.datetime | None
    finished_at: datetime.datetime | None
    occurred_at: datetime.datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """What health is decided from. Only regular runs of the pipeline itself count: no backfills, no steps.

    `last` is the newest run, `ended` the newest that is over, `decisive` the newest that succeeded or failed.
    """

    last: LastRun | None = None
    ended: LastRun | None = None
    decisive: LastRun | None = None
    at_risk_reason: str = ""
    is_at_risk: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """`since` is when the deciding fact happened; None where only now is known."""

    health: Health
    reason: str
    since: datetime.datetime | None = None


def decide_health(facts: Facts) -> Verdict:
    """The worst that is true: failing, at risk, running, healthy, never run, unknown."""
    last, ended, decisive = facts.last, facts.ended, facts.decisive
    if decisive and decisive.status == "failed":
        return Verdict(Health.FAILING, _failure(decisive), decisive.finished_at or decisive.occurred_at)
    if facts.is_at_risk:
        return Verdict(Health.AT_RISK, facts.at_risk_reason)
    if last and last.status == "running":
        return Verdict(Health.RUNNING, f"Run {last.run_id} is running.", last.started_at)
    if ended and ended is not decisive and (decisive is None or ended.id != decisive.id):
        return Verdict(Health.UNKNOWN, _unclear(ended), ended.finished_at or ended.occurred_at)
    if decisive:
        return Verdict(Health.HEALTHY, f"Run {decisive.run_id} succeeded.", decisive.finished_at)
    if last:
        return Verdict(Health.UNKNOWN, "No run has succeeded or failed yet.", last.occurred_at)
    return Verdict(Health.NEVER_RUN, "No run was reported yet.")


def refresh_health(pipeline_ids: Iterable[UUID], *, is_rescheduled: bool = False) -> None:
    """Brings last-run facts, median, expectation and health of these pipelines up to date: two statements.

    `is_rescheduled`: their schedule is new, and holds from now on, whatever ran before.
    """
    now = timezone.now()
    changed = []
    for row in _facts_of(sorted(set(pipeline_ids))):
        values = _kept_facts(row) | _expectation(row, now if is_rescheduled else None)
        verdict = decide_health(row["facts"])
        values |= {"health": verdict.health.value, "health_reason": verdict.reason[:500]}
        is_new = verdict.health != row["health"] or row["health_since"] is None
        values["health_since"] = (verdict.since or now) if is_new else row["health_since"]
        if any(row[name] != value for name, value in values.items()):
            changed.append(Pipeline(id=row["id"], organization_id=current_organization().pk, **values))
    update_rows(changed, _REFRESHED)


def expected_after(
    schedule: str | None, zone: str, after: datetime.datetime
) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    """`(next_expected_at, late_after)`: the next start, and when its absence counts.

    A run that starts up to a minute early is the run of that start. Grace is a tenth of the time to the start
    behind it, at least 5 and at most 60 minutes.
    """
    try:
        expected = next_start(schedule, zone, after + EARLY_START)
        following = expected and next_start(schedule, zone, expected)
    except (ScheduleError, LookupError):  # an observed pipeline may carry what we cannot read
        return None, None
    if expected is None:
        return None, None
    share = (following - expected) * GRACE_SHARE if following else MOST_GRACE
    return expected, expected + min(max(share, LEAST_GRACE), MOST_GRACE)


_REFRESHED = (
    "last_run_id",
    "last_run_name",
    "last_run_status",
    "last_run_started_at",
    "last_run_finished_at",
    "median_duration_seconds",
    "next_expected_at",
    "late_after",
    "health",
    "health_since",
    "health_reason",
)
_CURRENT = ("id", *_REFRESHED, "schedule", "timezone", "created_at", "archived_at", "is_at_risk", "at_risk_reason")
_RUN = ("id", "run_id", "status", "cause", "started_at", "finished_at", "occurred_at")

# A mention that nobody reported is no run to judge by, unless one of its error checks fails. The organization is
# named and not taken from `p`: of a named one PostgreSQL knows how many runs it has, and reads the newest by the index.
_REGULAR = """
    SELECT * FROM catalog_run r
    WHERE r.organization_id = %(organization)s AND r.pipeline_id = p.id AND r.step_id IS NULL
      AND r.trigger <> 'backfill'
      AND (r.last_event_at IS NOT NULL OR r.reported_status <> 'queued' OR r.has_failed_check)
    ORDER BY r.occurred_at DESC, r.id DESC LIMIT %(looked_back)s
"""


def _lateral(name: str, statuses: str = "") -> str:
    condition = f"WHERE status IN ({statuses})" if statuses else ""
    return f"LEFT JOIN LATERAL (SELECT * FROM ({_REGULAR}) recent {condition} LIMIT 1) {name} ON true"  # noqa: S608


_FACTS = f"""
    SELECT {", ".join(f"p.{name}" for name in _CURRENT)}, median.seconds,
           {", ".join(f"{run}.{name}" for run in ("last", "ended", "decisive") for name in _RUN)}
    FROM catalog_pipeline p
    {_lateral("last")}
    {_lateral("ended", "'success', 'failed', 'aborted', 'lost'")}
    {_lateral("decisive", "'success', 'failed'")}
    LEFT JOIN LATERAL (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds) AS seconds
        FROM (SELECT duration_seconds FROM ({_REGULAR}) recent
              WHERE status = 'success' AND duration_seconds IS NOT NULL LIMIT %(median_of)s) successes
    ) median ON true
    WHERE p.organization_id = %(organization)s AND p.id = ANY(%(ids)s)
    ORDER BY p.id
"""  # noqa: S608  (names of our own columns)


def _facts_of(pipeline_ids: list[UUID]) -> Iterator[dict[str, Any]]:
    parameters: dict[str, Any] = {
        "organization": current_organization().pk,
        "ids": pipeline_ids,
        "looked_back": LOOKED_BACK,
        "median_of": MEDIAN_OF,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, parameters)
        found = cursor.fetchall()
    for columns in found:
        row = dict(zip(_CURRENT, columns, strict=False))
        row["median"] = columns[len(_CURRENT)]
        last, ended, decisive = (_run(columns, number) for number in range(3))
        row["facts"] = Facts(last, ended, decisive, row["at_risk_reason"], row["is_at_risk"])
        yield row


def _run(columns: tuple[Any, ...], number: int) -> LastRun | None:
    start = len(_CURRENT) + 1 + number * len(_RUN)
    values = columns[start : start + len(_RUN)]
    return LastRun(*values) if values[0] is not None else None


def _kept_facts(row: dict[str, Any]) -> dict[str, Any]:
    last: LastRun | None = row["facts"].last
    return {
        "last_run_id": last and last.id,
        "last_run_name": last.run_id if last else "",
        "last_run_status": last.status if last else "",
        "last_run_started_at": last and last.started_at,
        "last_run_finished_at": last and last.finished_at,
        "median_duration_seconds": row["median"],
    }


def _expectation(row: dict[str, Any], rescheduled_at: datetime.datetime | None) -> dict[str, Any]:
    """A pipeline that never ran is expected but not late: its orchestrator may not be connected yet."""
    if row["archived_at"] is not None:
        return {"next_expected_at": None, "late_after": None}
    last: LastRun | None = row["facts"].last
    after = rescheduled_at or (last.occurred_at if last else row["created_at"])
    expected, late_after = expected_after(row["schedule"], row["timezone"], after)
    known, is_same_run = row["next_expected_at"], (last and last.id) == row["last_run_id"]
    if rescheduled_at is None and is_same_run and known and expected and known > expected:
        # The schedule is newer than the last run: what it names before that was never meant.
        return {"next_expected_at": known, "late_after": row["late_after"]}
    return {"next_expected_at": expected, "late_after": late_after if last else None}


def _failure(run: LastRun) -> str:
    return f"An error check of run {run.run_id} fails." if run.cause == "check" else f"Run {run.run_id} failed."


def _unclear(run: LastRun) -> str:
    how = "was aborted" if run.status == "aborted" else "was lost: its end was never reported"
    return f"Run {run.run_id} {how}."
