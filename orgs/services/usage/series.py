"""What an organization used over time, as API and pages show it. In the organization's scope."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from django.db.models import Max, Sum
from django.db.models.functions import Trunc
from django.utils import timezone

from orgs.models import NO_KEY, ApiKey, UsageCount, UsageLevel, UsagePeriod
from orgs.services.usage.counts import COUNTED
from orgs.services.usage.rollup import DAYS_KEPT, HOURS_KEPT
from orgs.tenancy import current_organization

LEVELS = ("pipelines", "connections", "storage_bytes")
METRICS = (*COUNTED, *LEVELS)
KEPT = {UsagePeriod.HOUR: HOURS_KEPT, UsagePeriod.DAY: DAYS_KEPT}
Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """Whole intervals of UTC time, `end` not included."""

    start: datetime.datetime
    end: datetime.datetime
    interval: UsagePeriod

    @classmethod
    def around(cls, start: datetime.datetime, end: datetime.datetime, interval: UsagePeriod) -> Frame:
        """Widened to whole intervals."""
        last = floor(end, interval)
        return cls(floor(start, interval), last if last == end else following(last, interval), interval)

    def points(self) -> Iterator[datetime.datetime]:
        at = self.start
        while at < self.end:
            yield at
            at = following(at, self.interval)

    def count(self, *, at_most: int) -> int:
        """How many points there are; stops counting past `at_most`."""
        return sum(1 for _ in zip(range(at_most + 1), self.points(), strict=False))


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts by start of interval, those of each key likewise (intervals without use are left out), and levels."""

    frame: Frame
    counts: dict[datetime.datetime, Counts]
    keys: dict[UUID, dict[datetime.datetime, Counts]]
    levels: dict[datetime.datetime, dict[str, int | None]] = field(default_factory=dict)

    def total(self, metric: str) -> int:
        return sum(counts[metric] for counts in self.counts.values())

    def total_of_key(self, api_key_id: UUID, metric: str) -> int:
        return sum(counts[metric] for counts in self.keys[api_key_id].values())


def floor(at: datetime.datetime, interval: UsagePeriod) -> datetime.datetime:
    at = at.astimezone(datetime.UTC).replace(minute=0, second=0, microsecond=0)
    if interval == UsagePeriod.HOUR:
        return at
    at = at.replace(hour=0)
    return at if interval == UsagePeriod.DAY else at.replace(day=1)


def following(at: datetime.datetime, interval: UsagePeriod) -> datetime.datetime:
    if interval == UsagePeriod.MONTH:
        return (at.replace(day=1) + datetime.timedelta(days=32)).replace(day=1)
    return at + datetime.timedelta(hours=1 if interval == UsagePeriod.HOUR else 24)


def kept_since(interval: UsagePeriod) -> datetime.datetime | None:
    """Before it no such intervals are known any more, only longer ones."""
    kept = KEPT.get(interval)
    return floor(timezone.now() - kept, UsagePeriod.DAY) if kept else None


def usage_in(frame: Frame) -> Usage:
    """Two statements, whatever the frame: rows of counts by key and interval, and levels by day."""
    rows = UsageCount.objects.filter(
        organization_id=current_organization().pk, starts_at__gte=frame.start, starts_at__lt=frame.end
    )
    at = Trunc("starts_at", frame.interval.value, tzinfo=datetime.UTC)
    grouped = rows.values("api_key_id", at=at).annotate(**{f"{name}_sum": Sum(name) for name in COUNTED})
    counts = {at: dict.fromkeys(COUNTED, 0) for at in frame.points()}
    keys: dict[UUID, dict[datetime.datetime, Counts]] = {}
    for row in cast("Iterable[dict[str, Any]]", grouped.order_by("at")):
        amounts = {name: int(row[f"{name}_sum"]) for name in COUNTED}
        keys.setdefault(row["api_key_id"], {})[row["at"]] = amounts
        for name, amount in amounts.items():
            counts[row["at"]][name] += amount
    return Usage(frame, counts, keys, _levels_in(frame))


@dataclass(frozen=True, slots=True)
class Sender:
    """Who used something: an API key, a trusted publisher for the keys of its CI runs, or nobody with a key."""

    kind: str
    name: str
    hint: str = ""


NOBODY = Sender("none", "Without a key")
GONE = Sender("trusted_publisher", "A publisher that is gone")


def senders(ids: Iterable[UUID]) -> dict[UUID, Sender]:
    """Who stands behind the ids that counts are kept by."""
    organization, found = current_organization(), {NO_KEY: NOBODY}
    keys = ApiKey.objects.filter(organization=organization).in_bulk([id_ for id_ in ids if id_ != NO_KEY])
    found |= {id_: Sender("api_key", key.name, key.hint) for id_, key in keys.items()}
    if others := [id_ for id_ in ids if id_ not in found]:
        publishers = organization.trusted_publishers.in_bulk(others)
        found |= {id_: Sender("trusted_publisher", publisher.name) for id_, publisher in publishers.items()}
    return {id_: found.get(id_, GONE) for id_ in ids}


def _levels_in(frame: Frame) -> dict[datetime.datetime, dict[str, int | None]]:
    """At the end of each interval, or now: what was measured last by then; None before the first measuring."""
    last_day = (frame.end - datetime.timedelta.resolution).date()
    measured = UsageLevel.objects.filter(organization_id=current_organization().pk, day__lte=last_day)
    before = measured.filter(day__lt=frame.start.date()).order_by("-day").values("day", *LEVELS)[:1]
    within = measured.filter(day__gte=frame.start.date()).order_by("day").values("day", *LEVELS)
    rows = [*before, *within]
    levels: dict[datetime.datetime, dict[str, int | None]] = {}
    known: dict[str, int | None] = dict.fromkeys(LEVELS)
    for at in frame.points():
        until = following(at, frame.interval)
        while rows and datetime.datetime.combine(rows[0]["day"], datetime.time(), datetime.UTC) < until:
            known = {name: rows[0][name] for name in LEVELS}
            rows.pop(0)
        levels[at] = known if at <= timezone.now() else dict.fromkeys(LEVELS)
    return levels


def levels_since(day: datetime.date) -> list[UsageLevel]:
    """By day, oldest first."""
    levels = UsageLevel.objects.filter(organization_id=current_organization().pk, day__gte=day)
    return list(levels.order_by("day"))


@dataclass(frozen=True, slots=True)
class Busiest:
    """Averages a minute of the busiest hour of each: requests that draw on the limit of requests, and what was
    reported, which draws on that of events."""

    requests_per_minute: float
    events_per_minute: float


def busiest_hours(*, since: datetime.datetime) -> Busiest:
    rows = UsageCount.objects.filter(
        organization_id=current_organization().pk, period=UsagePeriod.HOUR, starts_at__gte=since
    )
    hours = rows.values("starts_at").annotate(
        requests=Sum("api_requests") - Sum("report_requests"),
        reports=Sum("events_ingested") + Sum("runs_recorded") + Sum("check_results"),
    )
    most = hours.aggregate(most_requests=Max("requests"), most_reports=Max("reports"))
    return Busiest((most["most_requests"] or 0) / 60, (most["most_reports"] or 0) / 60)
