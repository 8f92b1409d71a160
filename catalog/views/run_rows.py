"""Runs as rows of a table, and what a list of runs can be narrowed to."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from catalog.charts import word
from catalog.models import RunStatus
from catalog.views.addresses import address, text_of
from catalog.views.pipeline_filters import Choice

NEWEST_FIRST = ["-occurred_at", "-id"]
SPANS = {"24h": ("24 hours", 1), "7d": ("7 days", 7), "30d": ("30 days", 30)}
LIST_FIELDS = (
    "id", "run_id", "pipeline_id", "pipeline__name", "pipeline__namespace", "status", "cause", "trigger", "occurred_at",
    "nominal_start_at", "started_at", "finished_at", "duration_seconds", "rows_read", "rows_written",
    "version__version", "error",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunFilters:
    """Status, trigger and since when; what is not understood is ignored."""

    query: QueryDict

    @property
    def status(self) -> str:
        status = text_of(self.query, "status")
        return status if status in RunStatus.values else ""

    @property
    def trigger(self) -> str:
        return text_of(self.query, "trigger")

    @property
    def since(self) -> datetime.datetime | None:
        text = text_of(self.query, "since")
        if text in SPANS:
            # Whole minutes, so that the address of the next page fits this one's.
            return timezone.now().replace(second=0, microsecond=0) - datetime.timedelta(days=SPANS[text][1])
        return _instant(text)

    @property
    def is_narrowed(self) -> bool:
        return bool(self.status or self.trigger or self.since)

    def apply(self, runs: Any) -> Any:
        if self.status:
            runs = runs.filter(status=self.status)
        if self.trigger:
            runs = runs.filter(trigger=self.trigger)
        if since := self.since:
            runs = runs.filter(occurred_at__gte=since)
        return runs

    def statuses(self) -> list[Choice]:
        return [Choice("", "All", 0, address(self.query, status=None), not self.status)] + [
            Choice(status, word(status), 0, address(self.query, status=status), status == self.status)
            for status in ("failed", "running", "success", "aborted", "lost", "queued", "skipped")
        ]

    def spans(self) -> list[Choice]:
        given = text_of(self.query, "since")
        return [Choice("", "Any time", 0, address(self.query, since=None), not given)] + [
            Choice(name, label, 0, address(self.query, since=name), given == name) for name, (label, _) in SPANS.items()
        ]

    def without(self) -> str:
        return address(QueryDict())


def _instant(text: str) -> datetime.datetime | None:
    try:
        if found := parse_datetime(text):
            return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
        day = parse_date(text)
    except ValueError:
        return None
    return datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC) if day else None
