"""Checks with their last results as strips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from catalog.charts import ResultMark
from catalog.models import Check, CheckResult
from catalog.models.run import run_url
from orgs.templatetags.ui import calendar_words

CELLS = 36


@dataclass(frozen=True, slots=True)
class CheckRow:
    """A check with its marks, oldest first, and its latest result; `state` names the shape to show."""

    check: Any
    marks: list[ResultMark]
    last: Any
    state: str


def check_rows(checks: Sequence[Check], slug: str) -> list[CheckRow]:
    """One query for all of them: the last results of each check."""
    found = CheckResult.objects.recent_by_check([check.pk for check in checks], count=CELLS) if checks else {}
    return [_row(check, found.get(check.pk, []), slug) for check in checks]


def _row(check: Check, results: list[CheckResult], slug: str) -> CheckRow:
    now = timezone.now()
    marks = [
        ResultMark(
            shown_status(result.status, result.severity),
            f"{result.status}, {calendar_words(result.executed_at, now)}",
            run_url(slug, result.run_id) if result.run_id else "",
        )
        for result in results
    ]
    last = results[-1] if results else None
    return CheckRow(check, marks, last, state_of(last) if last else "never_run")


def shown_status(status: str, severity: str) -> str:
    """A failure of a check that only warns is drawn as a warning."""
    return "warn" if status == "fail" and severity == "warn" else status


def state_of(result: Any) -> str:
    shapes = {"pass": "healthy", "fail": "failing", "error": "failing", "warn": "warn", "skipped": "never_run"}
    return shapes[shown_status(result.status, result.severity)]


def by_urgency(rows: Sequence[CheckRow]) -> list[CheckRow]:
    """Failing first, then warnings, then what passes; what never ran last."""
    order = {"failing": 0, "warn": 1, "healthy": 2, "never_run": 3}
    return sorted(rows, key=lambda row: (order[row.state], row.check.check_id))
