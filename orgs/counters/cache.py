"""What django-ratelimit counts in, and what it calls its counters.

On its own it reads the window from the clock of this process, shifted by a checksum, and asks the cache twice, `add`
and then `incr`. Here the store's clock says which window runs, for all processes alike, and one statement does both.
"""

from __future__ import annotations

from typing import Any

from django.core.cache.backends.base import BaseCache

from orgs.counters import SEPARATOR, counters, window_key
from orgs.counters.stores import WindowCount


class CounterKey:
    """RATELIMIT_HASH_ALGORITHM: the counter's name without the limit and the window that django-ratelimit adds to it.

    Without the limit, so that another plan goes on counting; the length of the window stands in front.
    """

    def __init__(self, text: bytes) -> None:
        group, rate, owner, _window = text.decode().split(SEPARATOR)
        seconds = int(rate.partition("/")[2].removesuffix("s"))
        self.key = window_key(group, owner, seconds)

    def hexdigest(self) -> str:
        return self.key


class CounterCache(BaseCache):
    """RATELIMIT_USE_CACHE: nothing but counters, each of the window that now runs."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def add(self, key: str, value: Any, timeout: Any = None, version: int | None = None) -> bool:
        """Never adds: `incr` makes what is not there."""
        return False

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> WindowCount:
        return counters().count(key, seconds=int(key.partition(":")[0]), amount=delta)
