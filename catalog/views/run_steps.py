"""The steps of a run as rows of a Gantt chart: attempts of a step in one row, mapped tasks as segments."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.http import QueryDict
from django.utils import timezone

from catalog.charts import GanttBar, GanttRow
from catalog.models import Run
from catalog.models.run import run_url
from catalog.views.addresses import address, text_of
from orgs.tenancy import current_organization

MOST_STEP_RUNS = 1_000
BAD = {"failed", "lost"}


@dataclass(frozen=True, slots=True)
class Timeline:
    rows: list[GanttRow]
    started_at: datetime.datetime
    finished_at: datetime.datetime
    step_count: int
    run_count: int
    failed_count: int
    is_truncated: bool
    only_failed: bool
    failed_href: str


def timeline(run: Run, step_runs: Sequence[Run], query: QueryDict) -> Timeline | None:
    """None where no step was reported. Steps in the order in which they started."""
    if not step_runs:
        return None
    shown = list(step_runs[:MOST_STEP_RUNS])
    groups = _by_step(shown)
    only_failed = text_of(query, "steps") == "failed"
    bars = [bar for runs in groups for one in runs for bar in [_bar(one, "run")]]
    rows = [row for runs in groups for row in _rows_of(runs)]
    started_at = min([run.started_at or run.occurred_at, *(bar.started_at for bar in bars)])
    finished_at = max([run.finished_at or run.occurred_at, *(bar.finished_at for bar in bars)])
    return Timeline(
        rows=[row for row in rows if row.status in BAD] if only_failed else rows,
        started_at=started_at,
        finished_at=finished_at,
        step_count=len(groups),
        run_count=len(shown),
        failed_count=sum(row.status in BAD for row in rows if not row.level),
        is_truncated=len(step_runs) > MOST_STEP_RUNS,
        only_failed=only_failed,
        failed_href=address(query, steps=None if only_failed else "failed"),
    )


def _by_step(step_runs: Sequence[Run]) -> list[list[Run]]:
    def key(run: Run) -> Any:
        return run.step_id

    groups = [list(runs) for _, runs in groupby(sorted(step_runs, key=key), key)]
    return sorted(groups, key=lambda runs: (min(run.occurred_at for run in runs), runs[0].step.name))  # type: ignore[union-attr]


def _rows_of(runs: list[Run]) -> list[GanttRow]:
    mapped = [run for run in runs if run.map_index is not None]
    if not mapped:
        return [_row(runs)]
    last = _last_attempts(mapped)
    failed = [run for run in last if run.status in BAD]
    status = "failed" if failed else _worst(run.status for run in last)
    label = runs[0].step.label  # type: ignore[union-attr]
    bars = [_bar(run, "segment") for run in last]
    whole = GanttRow(label, status, bars, _span(bars), tag=f"{len(last) - len(failed)}/{len(last)}")
    return [whole, *(_mapped_row(label, run, runs) for run in failed[:20])]


def _mapped_row(label: str, run: Run, runs: list[Run]) -> GanttRow:
    row = _row([one for one in runs if one.map_index == run.map_index])
    return GanttRow(f"{label}[{run.map_index}]", row.status, row.bars, row.seconds, 1, row.tag, url=row.url)


def _row(runs: list[Run]) -> GanttRow:
    attempts = sorted(runs, key=lambda run: (run.attempt, run.occurred_at))
    last = attempts[-1]
    if last.status == "skipped":
        return GanttRow(last.step.label, "skipped", [_bar(last, "skipped")])  # type: ignore[union-attr]
    bars = [*(_bar(run, "earlier") for run in attempts[:-1]), _bar(last, "run")]
    kind = last.step.kind if last.step else ""
    return GanttRow(
        name=last.step.label,  # type: ignore[union-attr]
        status=last.status,
        bars=bars,
        seconds=_span(bars),
        tag=f"{len(attempts)} attempts" if len(attempts) > 1 else kind.lower() if kind not in {"", "TASK"} else "",
        is_cause=last.status in BAD,
        url=run_url(current_organization().slug, last.pk),
    )


def _last_attempts(runs: list[Run]) -> list[Run]:
    last: dict[Any, Run] = {}
    for run in sorted(runs, key=lambda run: (run.map_index or 0, run.attempt)):
        last[run.map_index] = run
    return list(last.values())


def _worst(statuses: Iterable[str]) -> str:
    order = ["failed", "lost", "aborted", "running", "queued", "skipped", "success"]
    return min(statuses, key=lambda status: order.index(status) if status in order else 99)


def _bar(run: Run, kind: str) -> GanttBar:
    start = run.started_at or run.occurred_at
    end = run.finished_at or (timezone.now() if run.status == "running" else start)
    return GanttBar(start, max(start, end), run.status, kind)


def _span(bars: Sequence[GanttBar]) -> float:
    return (max(bar.finished_at for bar in bars) - min(bar.started_at for bar in bars)).total_seconds()
