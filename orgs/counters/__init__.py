"""Counting against limits, exactly, over all processes: in Redis when there is one, else in PostgreSQL.

Two ways to count. A **window** is a fixed stretch of time by the store's clock, counted by django-ratelimit in a
cache of ours: of any number of requests at once exactly the limit passes. A **bucket** fills steadily, so that who
finds it empty gets in a moment later: what clients need that wait a second and give up after five tries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django_ratelimit.core import get_usage

from orgs.counters.stores import Counters, Level, WindowCount

SEPARATOR = "|"


@dataclass(frozen=True, slots=True)
class Usage:
    """What is left of a limit. `reset_seconds`: until all of it is there again; `wait_seconds`: until this fits."""

    limit: int
    remaining: int
    reset_seconds: int
    wait_seconds: int
    is_over: bool


def count_in_window(group: str, owner: object, *, limit: int, seconds: int) -> Usage | None:
    """Counts one in the owner's running window of so many seconds; None while limits are switched off.

    What is refused is counted, too, and changes nothing: the window ends when it ends.
    """
    counted: dict[str, Any] | None = get_usage(
        request=None,
        group=f"{group}{SEPARATOR}",
        key=lambda *_: f"{SEPARATOR}{owner}{SEPARATOR}",
        rate=(limit, seconds),
        increment=True,
    )
    if counted is None:
        return None
    count: WindowCount = counted["count"]
    return Usage(
        limit=limit,
        remaining=max(0, limit - count),
        reset_seconds=count.seconds_left,
        wait_seconds=count.seconds_left,
        is_over=counted["should_limit"],
    )


def uncount_in_window(group: str, owner: object, *, seconds: int) -> None:
    """Takes back one that should not have counted."""
    if settings.RATELIMIT_ENABLE:
        counters().count(window_key(group, owner, seconds), seconds=seconds, amount=-1)


def take_from_bucket(group: str, owner: object, cost: int, *, capacity: int, seconds: int) -> Usage | None:
    """Takes `cost` from a bucket of `capacity` that fills within `seconds`; None while limits are switched off.

    What does not fit takes nothing. More than a full bucket is let in when it is full, and is paid off afterwards.
    """
    if not settings.RATELIMIT_ENABLE:
        return None
    level: Level = counters().take(f"{group}:{owner}", cost, capacity=capacity, seconds=seconds)
    each = seconds / capacity if capacity else math.inf
    missing = min(cost, capacity) - level.amount
    return Usage(
        limit=capacity,
        remaining=max(0, math.floor(level.amount)),
        reset_seconds=_whole_seconds((capacity - level.amount) * each, seconds),
        wait_seconds=0 if level.is_granted else _whole_seconds(missing * each, seconds),
        is_over=not level.is_granted,
    )


def window_key(group: str, owner: object, seconds: int) -> str:
    return f"{seconds}:{group}:{owner}"


@cache
def counters() -> Counters:
    """The process's one; it keeps the connections to Redis and knows whether it is lost."""
    return Counters(settings.REDIS_URL)


def _whole_seconds(duration: float, default: int) -> int:
    """At least one: nobody should ask again at once."""
    return max(1, math.ceil(duration)) if math.isfinite(duration) else default
