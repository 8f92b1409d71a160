"""Where is counted: in Redis, and while it is lost, in PostgreSQL."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

from redis.exceptions import RedisError

from orgs.tenancy import is_scope_open

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 5.0
T = TypeVar("T")


class WindowCount(int):
    """How many were counted in the running window, and how many seconds it has left (at least one)."""

    seconds_left: int

    @classmethod
    def of(cls, count: float, seconds_left: int) -> Self:
        counted = cls(count)
        counted.seconds_left = max(1, seconds_left)
        return counted


@dataclass(frozen=True, slots=True)
class Level:
    """What is in a bucket after somebody took from it, or was refused."""

    amount: float
    is_granted: bool


class Store(Protocol):
    def count(self, key: str, *, seconds: int, amount: int) -> WindowCount: ...

    def take(self, key: str, cost: int, *, capacity: int, seconds: int) -> Level: ...


class Counters:
    """One store in front of the other. Counts do not move from one to the other: a limit may pass twice, once."""

    def __init__(self, redis_url: str = "") -> None:
        from orgs.counters.postgres import PostgresStore
        from orgs.counters.redis import RedisStore

        self._postgres = PostgresStore()
        self._redis = RedisStore(redis_url) if redis_url else None
        self._lock = threading.Lock()
        self._asks_again_at: float | None = None

    def count(self, key: str, *, seconds: int, amount: int = 1) -> WindowCount:
        return self._ask(lambda store: store.count(key, seconds=seconds, amount=amount))

    def take(self, key: str, cost: int, *, capacity: int, seconds: int) -> Level:
        return self._ask(lambda store: store.take(key, cost, capacity=capacity, seconds=seconds))

    def _ask(self, question: Callable[[Store], T]) -> T:
        if is_scope_open():
            raise RuntimeError("a counter that is locked until the scope commits would make all others wait")
        if self._redis is not None and self._is_to_be_asked():
            try:
                answer = question(self._redis)
            except RedisError as error:
                self._note_lost(error)
            else:
                self._note_answered()
                return answer
        return question(self._postgres)

    def _is_to_be_asked(self) -> bool:
        """While Redis is lost, one thread tries every five seconds, and nobody else waits for its time-out."""
        if self._asks_again_at is None:
            return True
        with self._lock:
            if self._asks_again_at is None:
                return True
            is_due = time.monotonic() >= self._asks_again_at
            if is_due:
                self._asks_again_at = time.monotonic() + PAUSE_SECONDS
            return is_due

    def _note_lost(self, error: RedisError) -> None:
        with self._lock:
            is_news = self._asks_again_at is None
            self._asks_again_at = time.monotonic() + PAUSE_SECONDS
        if is_news:
            logger.warning("Redis is lost, limits go on in PostgreSQL: %s", " ".join(str(error).split()))

    def _note_answered(self) -> None:
        if self._asks_again_at is None:
            return
        with self._lock:
            is_news, self._asks_again_at = self._asks_again_at is not None, None
        if is_news:
            logger.warning("Redis is back, limits are counted there again")
