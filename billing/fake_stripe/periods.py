"""Billing periods: calendar months and years, as Stripe counts them."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime

from billing.fake_stripe.store import Object

MONTHS = {"month": 1, "year": 12}


def later(moment: int, interval: str, count: int = 1) -> int:
    """The same day of a later month, or its last day."""
    start = datetime.fromtimestamp(moment, UTC)
    if interval in {"day", "week"}:
        return moment + count * (86_400 if interval == "day" else 604_800)
    months = start.year * 12 + start.month - 1 + count * MONTHS[interval]
    year, month = months // 12, months % 12 + 1
    day = min(start.day, calendar.monthrange(year, month)[1])
    return int(start.replace(year=year, month=month, day=day).timestamp())


def period_from(start: int, price: Object) -> dict[str, int]:
    recurring = price["recurring"]
    end = later(start, recurring["interval"], recurring["interval_count"])
    return {"current_period_start": start, "current_period_end": end}


def period_end(subscription: Object) -> int:
    return max(int(item["current_period_end"]) for item in subscription["items"]["data"])
