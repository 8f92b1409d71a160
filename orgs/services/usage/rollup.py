"""Old hours become days, old days months, and what the plan no longer keeps is forgotten. Outside any scope.

Statements over all organizations at once, a few thousand rows each: none is visited.
"""

from __future__ import annotations

import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from orgs.models.usage import UsagePeriod
from orgs.services.usage.counts import COLUMNS

HOURS_KEPT = datetime.timedelta(days=14)
DAYS_KEPT = datetime.timedelta(days=100)
YEARS_KEPT = {"free": 1, "team": 2, "business": 7}
BATCH = 5_000

# Every use stays in one row: what is taken from the finer period is added to the coarser one, in one statement.
ROLL_UP = f"""
    WITH old AS (
        DELETE FROM orgs_usagecount WHERE ctid = ANY (ARRAY (
            SELECT ctid FROM orgs_usagecount WHERE period = %(finer)s AND starts_at < %(before)s
            ORDER BY starts_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED))
        RETURNING *
    ), added AS (
        INSERT INTO orgs_usagecount AS u (organization_id, starts_at, period, api_key_id, {", ".join(COLUMNS)})
        SELECT organization_id, date_trunc(%(coarser)s, starts_at, 'UTC'), %(coarser)s, api_key_id,
               {", ".join(f"sum({name})::bigint" for name in COLUMNS)}
        FROM old GROUP BY 1, 2, 3, 4
        ON CONFLICT (organization_id, starts_at, period, api_key_id)
        DO UPDATE SET {", ".join(f"{name} = u.{name} + excluded.{name}" for name in COLUMNS)}
    )
    SELECT count(*) FROM old
"""  # noqa: S608  (names of ours)
FORGET_COUNTS = """
    DELETE FROM orgs_usagecount u USING orgs_organization o
    WHERE u.period = 'month' AND u.starts_at < %(before)s AND o.id = u.organization_id AND o.plan_name = %(plan)s
"""
FORGET_LEVELS = """
    DELETE FROM orgs_usagelevel l USING orgs_organization o
    WHERE l.day < %(before)s AND o.id = l.organization_id AND o.plan_name = %(plan)s
"""
# Of a month that lies back only its last level is kept.
THIN_LEVELS = """
    DELETE FROM orgs_usagelevel l
    WHERE l.day < %(before)s AND l.day >= %(since)s AND EXISTS (
        SELECT FROM orgs_usagelevel later
        WHERE later.organization_id = l.organization_id AND later.day > l.day
          AND later.day < date_trunc('month', l.day)::date + interval '1 month')
"""


def tidy_usage() -> None:
    """What the worker does with the past once a day."""
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    month = (today - DAYS_KEPT).replace(day=1)
    _roll_up(UsagePeriod.HOUR, UsagePeriod.DAY, before=today - HOURS_KEPT)
    _roll_up(UsagePeriod.DAY, UsagePeriod.MONTH, before=month)
    with connection.cursor() as cursor:
        cursor.execute(THIN_LEVELS, {"before": month.date(), "since": (month - datetime.timedelta(days=95)).date()})
        for plan, years in YEARS_KEPT.items():
            before = today.replace(day=1, year=today.year - years)
            cursor.execute(FORGET_COUNTS, {"plan": plan, "before": before})
            cursor.execute(FORGET_LEVELS, {"plan": plan, "before": before.date()})


def _roll_up(finer: UsagePeriod, coarser: UsagePeriod, *, before: datetime.datetime) -> None:
    parameters: dict[str, Any] = {"finer": finer.value, "coarser": coarser.value, "before": before, "batch": BATCH}
    moved = BATCH
    while moved == BATCH:
        with connection.cursor() as cursor:
            cursor.execute(ROLL_UP, parameters)
            moved = cursor.fetchone()[0]
