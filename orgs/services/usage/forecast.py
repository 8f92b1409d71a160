"""The day a limit will be reached if it goes on as in the last weeks: a straight line through the levels."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

LOOKED_BACK_DAYS = 30
LEAST_DAYS = 3
LOOKED_AHEAD_DAYS = 366


def day_reached(levels: Sequence[tuple[datetime.date, int]], limit: int | None) -> datetime.date | None:
    """`levels` by day, oldest first. None where nothing grows, too little is known, or it takes more than a year."""
    if limit is None or not levels or levels[-1][1] >= limit:
        return None
    today = levels[-1][0]
    if not is_long_enough([day for day, _ in levels], today):
        return None
    days = [(day - today).days for day, _ in levels]
    growth = _slope(days, [value for _, value in levels])
    if growth <= 0:
        return None
    days_left = (limit - levels[-1][1]) / growth
    return today + datetime.timedelta(days=int(days_left) + 1) if days_left <= LOOKED_AHEAD_DAYS else None


def is_long_enough(days: Sequence[datetime.date], today: datetime.date) -> bool:
    """Whether what is known reaches back far enough to foretell anything."""
    return bool(days) and (today - days[0]).days >= LEAST_DAYS


def _slope(xs: Sequence[int], ys: Sequence[int]) -> float:
    """Of the line with the least squares."""
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0
