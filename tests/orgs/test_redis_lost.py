"""A real Redis is killed, frozen, full and back: limits go on, and nobody gets an error for it."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from redis import Redis

from orgs import counters
from orgs.counters import count_in_window, stores, take_from_bucket
from orgs.models import RateCounter
from tests.redis_server import running_redis

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("limits")]


@pytest.fixture
def redis(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "PAUSE_SECONDS", 0.3)
    counters.counters.cache_clear()
    with running_redis(tmp_path) as server:
        settings.REDIS_URL = server.url
        yield server
    counters.counters.cache_clear()


def count(limit=100):
    return count_in_window("requests", "acme", limit=limit, seconds=3600)


def is_counted_in_postgresql():
    return RateCounter.objects.exists()


def keys_in(server):
    with Redis.from_url(server.url, protocol=2) as client:
        return sorted(key.decode() for key in client.scan_iter())


def test_with_redis_nothing_is_written_to_postgresql(redis):
    count()
    take_from_bucket("events", "acme", 1, capacity=10, seconds=60)
    assert keys_in(redis) == ["dataxpipe:3600:requests:acme", "dataxpipe:events:acme"]
    assert not is_counted_in_postgresql()


def test_counters_end_with_their_window(redis):
    count()
    take_from_bucket("events", "acme", 1, capacity=10, seconds=60)
    with Redis.from_url(redis.url, protocol=2) as client:
        assert all(0 < client.ttl(key) <= 3605 for key in client.scan_iter())


def test_killed_it_is_replaced_by_postgresql_where_the_limit_holds(redis):
    count()
    redis.kill()
    assert [count(limit=2).is_over for _ in range(3)] == [False, False, True]
    assert not take_from_bucket("events", "acme", 1, capacity=10, seconds=60).is_over


def test_that_it_is_lost_and_back_is_said_once_each(redis, caplog):
    caplog.set_level(logging.WARNING, "orgs.counters")
    redis.kill()
    for _ in range(3):
        count()
    redis.start()
    time.sleep(0.35)
    for _ in range(3):
        count()
    said = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert said == ["Redis is lost, limits go on in PostgreSQL", "Redis is back, limits are counted there again"]
    assert keys_in(redis) == ["dataxpipe:3600:requests:acme"]


def test_a_redis_that_hangs_holds_up_one_request_for_a_moment_and_no_other(redis):
    count()
    redis.freeze()
    try:
        started = time.monotonic()
        count()
        assert time.monotonic() - started < 3
        asked = []
        for _ in range(5):
            started = time.monotonic()
            count()
            asked.append(time.monotonic() - started)
        assert min(asked) < 0.2
    finally:
        redis.thaw()
    assert is_counted_in_postgresql()


def test_a_redis_that_is_full_is_as_good_as_none(redis):
    with Redis.from_url(redis.url, protocol=2) as client:
        client.config_set("maxmemory", "1")
    assert not count().is_over
    assert is_counted_in_postgresql()


def test_a_restarted_redis_that_forgot_the_scripts_goes_on(redis):
    count()
    redis.kill()
    redis.start()
    assert not count().is_over
    assert not is_counted_in_postgresql()


@pytest.mark.django_db(transaction=True)
def test_killed_under_load_nobody_gets_an_error(redis):
    def work(number):
        try:
            return [count(limit=10_000) for _ in range(40)]
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        done = pool.map(work, range(6))
        time.sleep(0.02)
        redis.kill()
        usages = [usage for part in done for usage in part]
    assert len(usages) == 240
    assert not any(usage.is_over for usage in usages)
    assert is_counted_in_postgresql()
