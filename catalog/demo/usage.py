"""What the demo organizations used: counts as their runs and results would have made them, and levels that grew."""

from __future__ import annotations

import datetime
import random
from collections import Counter
from uuid import UUID

from django.db.models import Count
from django.db.models.functions import TruncHour
from django.utils import timezone

from catalog.demo.history import DAYS
from catalog.demo.seeding import SEEDER
from catalog.models import CheckResult, Connection, Pipeline, Run
from orgs.models import UsageCount, UsageLevel, UsagePeriod
from orgs.permissions import PRESETS
from orgs.services.api_keys import Limits, create_api_key
from orgs.services.usage.rollup import HOURS_KEPT
from orgs.services.usage.series import floor
from orgs.services.usage.storage import measure_storage
from orgs.tenancy import current_organization

EVENTS_PER_RUN = 8


def seed_usage() -> None:
    """In the organization's scope; what was counted or measured already is left alone."""
    organization, now = current_organization(), timezone.now()
    if UsageCount.objects.filter(organization=organization).exists():
        return
    airflow = create_api_key(name="Airflow production", limits=Limits(PRESETS["orchestrator"]), actor=SEEDER)
    ci = create_api_key(name="CI", limits=Limits(PRESETS["ci"]), actor=SEEDER)
    since = floor(now - datetime.timedelta(days=DAYS - 1), UsagePeriod.DAY)
    runs = _by_hour(Run.objects.of_pipelines().filter(occurred_at__gte=since), "occurred_at")
    results = _by_hour(CheckResult.objects.filter(executed_at__gte=since), "executed_at")
    rows: dict[tuple[datetime.datetime, str, UUID], UsageCount] = {}
    source = random.Random(organization.slug)  # noqa: S311 - no secret
    at = since
    while at <= now:
        period = UsagePeriod.HOUR if at >= floor(now - HOURS_KEPT, UsagePeriod.DAY) else UsagePeriod.DAY
        events = runs[at] * EVENTS_PER_RUN
        row = _row(rows, airflow.api_key.pk, at, period)
        row.api_requests += events + (results[at] > 0)
        row.report_requests = row.api_requests
        row.runs_recorded += runs[at]
        row.events_ingested += events
        row.check_results += results[at]
        if at.weekday() < 5 and 7 <= at.hour <= 17:
            _row(rows, ci.api_key.pk, at, period).api_requests += source.randrange(120)
        at += datetime.timedelta(hours=1)
    UsageCount.objects.bulk_create([row for row in rows.values() if row.api_requests], batch_size=2_000)
    _seed_levels(since)


def _by_hour(rows: object, field: str) -> Counter[datetime.datetime]:
    hours = rows.annotate(hour=TruncHour(field, tzinfo=datetime.UTC)).values_list("hour")  # type: ignore[attr-defined]
    return Counter(dict(hours.annotate(count=Count("id")).order_by()))


def _row(
    rows: dict[tuple[datetime.datetime, str, UUID], UsageCount], key: UUID, at: datetime.datetime, period: UsagePeriod
) -> UsageCount:
    starts_at = floor(at, period)
    fresh = UsageCount(organization=current_organization(), starts_at=starts_at, period=period, api_key_id=key)
    return rows.setdefault((starts_at, period.value, key), fresh)


def _seed_levels(since: datetime.datetime) -> None:
    """Pipelines by their age; storage grows by the day to what there is."""
    ages = sorted(Pipeline.objects.counted().values_list("created_at", flat=True))
    connections, storage = Connection.objects.count(), measure_storage()
    levels = []
    for number in range(DAYS):
        day = since + datetime.timedelta(days=number)
        levels.append(
            UsageLevel(
                organization=current_organization(),
                day=day.date(),
                pipelines=sum(created_at < day + datetime.timedelta(days=1) for created_at in ages),
                connections=min(connections, 2 + number // 6),
                storage_bytes=storage * (number + 10) // (DAYS + 9),
            )
        )
    UsageLevel.objects.bulk_create(levels, ignore_conflicts=True)
