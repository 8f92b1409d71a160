"""The panels of the usage page: one for each level and each count, and the share of each key."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.safestring import SafeString

from orgs.charts import Column, Level, column_chart, level_chart
from orgs.models import NO_KEY, Organization, UsageLevel, UsagePeriod
from orgs.plans import limit_of
from orgs.quantities import amount, level_state
from orgs.services.usage.counts import COUNTED
from orgs.services.usage.forecast import day_reached, is_long_enough
from orgs.services.usage.series import Busiest, Sender, Usage, following
from orgs.templatetags.ui import compact

LEVEL_LABELS = {"pipelines": "Pipelines", "connections": "Connections", "storage_bytes": "Storage"}
COUNT_LABELS = {
    "api_requests": "API requests",
    "runs_recorded": "Runs recorded",
    "events_ingested": "Events ingested",
    "check_results": "Check results",
}
MINUTES = {UsagePeriod.HOUR: 60, UsagePeriod.DAY: 24 * 60, UsagePeriod.MONTH: 30 * 24 * 60}
# A forecast is drawn as far as this part of the chart.
AHEAD = 1 / 3


@dataclass(frozen=True, slots=True)
class LevelPanel:
    label: str
    used: int
    used_text: str
    limit: int | None
    limit_text: str
    reached_on: datetime.date | None
    is_young: bool
    chart: SafeString

    @property
    def state(self) -> str:
        return level_state(self.used, self.limit)


@dataclass(frozen=True, slots=True)
class CountPanel:
    label: str
    total: int
    part: int | None
    pace: str
    chart: SafeString


def level_panels(
    organization: Organization, usage: Usage, now: Mapping[str, int], history: Sequence[UsageLevel]
) -> list[LevelPanel]:
    """`now` are the levels at this moment, `history` those of the last weeks, from which the forecast is made."""
    today = timezone.now().date()
    panels = []
    for resource, label in LEVEL_LABELS.items():
        limit, words = limit_of(organization, resource), partial(amount, resource)
        measured = [(level.day, getattr(level, resource)) for level in history if level.day < today]
        reached_on = day_reached([*measured, (today, now[resource])], limit)
        panels.append(
            LevelPanel(
                label=label,
                used=now[resource],
                used_text=words(now[resource]),
                limit=limit,
                limit_text="" if limit is None else words(limit),
                reached_on=reached_on,
                is_young=not is_long_enough([day for day, _ in measured], today),
                chart=_level_chart(resource, usage, now[resource], limit, reached_on),
            )
        )
    return panels


def count_panels(organization: Organization, usage: Usage, busiest: Busiest, chosen: UUID | None) -> list[CountPanel]:
    interval = usage.frame.interval
    panels = []
    for metric, label in COUNT_LABELS.items():
        rate, pace = _rate(organization, metric, busiest)
        columns = [Column(at, counts[metric], _part(usage, chosen, at, metric)) for at, counts in usage.counts.items()]
        total = usage.total(metric)
        limit = rate * MINUTES[interval] if rate else None
        title = (
            f"{label}: {total:,} in all, {max(column.value for column in columns):,} in the busiest {interval.value}"
        )
        panels.append(
            CountPanel(
                label=label,
                total=total,
                part=usage.total_of_key(chosen, metric) if chosen else None,
                pace=pace,
                chart=column_chart(columns, title=title, interval=interval.value, words=compact, limit=limit),
            )
        )
    return panels


def key_rows(usage: Usage, names: Mapping[UUID, Sender]) -> list[dict[str, Any]]:
    """The keys with their share of each count, those with the most requests first."""
    totals = {metric: usage.total(metric) for metric in COUNTED}
    rows = []
    for id_, sender in names.items():
        counts = {metric: usage.total_of_key(id_, metric) for metric in COUNTED}
        rows.append(
            {
                "id": "none" if id_ == NO_KEY else str(id_),
                "sender": sender,
                "counts": [
                    {
                        "label": COUNT_LABELS[metric],
                        "value": count,
                        "percent": _percent(count, totals[metric]),
                    }
                    for metric, count in counts.items()
                ],
                "order": (-counts["api_requests"], -sum(counts.values())),
            }
        )
    return sorted(rows, key=lambda row: row["order"])


def _level_chart(
    resource: str, usage: Usage, now: int, limit: int | None, reached_on: datetime.date | None
) -> SafeString:
    interval = usage.frame.interval
    levels = [Level(at, level[resource]) for at, level in usage.levels.items()]
    levels[-1] = Level(levels[-1].at, now)
    reached = None
    if reached_on is not None:
        days = (reached_on - timezone.now().date()).days
        reached = days * 24 * 60 / MINUTES[interval]
        at = usage.frame.end
        for _ in range(min(round(len(levels) * AHEAD), int(reached) + 1)):
            levels.append(Level(at, None))
            at = following(at, interval)
    words = partial(amount, resource)
    title = f"{LEVEL_LABELS[resource]}: {words(now)} now" + (f", limit {words(limit)}" if limit is not None else "")
    return level_chart(levels, title=title, interval=interval.value, words=words, limit=limit, reached=reached)


def _rate(organization: Organization, metric: str, busiest: Busiest) -> tuple[int | None, str]:
    """The limit a minute, and how near the busiest hour of the last two weeks came to it, in words."""
    if metric == "api_requests":
        limit = limit_of(organization, "requests_per_minute")
        about = f"{busiest.requests_per_minute:,.1f} a minute, reports apart"
    elif metric == "events_ingested":
        limit = limit_of(organization, "events_per_minute")
        about = f"{busiest.events_per_minute:,.1f} events, runs and results a minute"
    else:
        return None, ""
    allowed = "no limit" if limit is None else f"{limit:,} a minute allowed"
    return limit, f"On average {about}, in the busiest hour of two weeks; {allowed}."


def _part(usage: Usage, chosen: UUID | None, at: datetime.datetime, metric: str) -> int | None:
    if chosen is None:
        return None
    return usage.keys[chosen].get(at, {}).get(metric, 0)


def _percent(part: int, total: int) -> str:
    if not part:
        return ""
    return f"{round(100 * part / total) or '<1'} %"
