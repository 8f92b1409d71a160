"""Counters in Redis: each question is one script, which Redis runs alone, with its own clock."""

from __future__ import annotations

from typing import Any, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from orgs.counters.stores import Level, WindowCount

PREFIX = "dataxpipe:"
# A request waits no longer than this for a Redis that hangs, before it is counted in PostgreSQL.
TIMEOUT_SECONDS = 0.25

_COUNT = """
local seconds, amount, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(redis.call('TIME')[1])
local ends_at, kept = now - now % seconds + seconds, redis.call('HMGET', KEYS[1], 'count', 'ends_at')
local count, kept_until = 0, tonumber(kept[2] or '0')
if kept_until >= ends_at then count, ends_at = tonumber(kept[1]), kept_until end
count = math.max(count + amount, 0)
redis.call('HSET', KEYS[1], 'count', count, 'ends_at', ends_at)
redis.call('EXPIREAT', KEYS[1], ends_at + 5)
return {count, ends_at - now}
"""

_TAKE = """
local cost, capacity, seconds = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time, kept = redis.call('TIME'), redis.call('HMGET', KEYS[1], 'amount', 'at')
local now = time[1] + time[2] / 1000000
local at = tonumber(kept[2] or now)
local amount = tonumber(kept[1] or capacity)
amount = math.min(capacity, amount + capacity / seconds * math.max(now - at, 0))
local is_granted = amount >= math.min(cost, capacity)
if is_granted then
    amount = amount - cost
    redis.call('HSET', KEYS[1], 'amount', string.format('%.6f', amount), 'at', string.format('%.6f', math.max(at, now)))
    redis.call('EXPIRE', KEYS[1], math.ceil(seconds * (2 + math.max(-amount, 0) / math.max(capacity, 1))))
end
return {string.format('%.6f', amount), is_granted and 1 or 0}
"""


class RedisStore:
    """Raises `redis.exceptions.RedisError` when Redis is lost, hangs, or refuses to write."""

    def __init__(self, url: str) -> None:
        client = Redis.from_url(
            url,
            socket_connect_timeout=TIMEOUT_SECONDS,
            socket_timeout=TIMEOUT_SECONDS,
            # A connection that the other side closed while it was idle is opened again, once.
            retry=Retry(NoBackoff(), 1),
            protocol=2,
        )
        self._count, self._take = client.register_script(_COUNT), client.register_script(_TAKE)

    def count(self, key: str, *, seconds: int, amount: int) -> WindowCount:
        count, seconds_left = cast("list[int]", self._count(keys=[PREFIX + key], args=[seconds, amount]))
        return WindowCount.of(count, seconds_left)

    def take(self, key: str, cost: int, *, capacity: int, seconds: int) -> Level:
        amount, is_granted = cast("list[Any]", self._take(keys=[PREFIX + key], args=[cost, capacity, seconds]))
        return Level(float(amount), bool(is_granted))
