"""Counting in PostgreSQL and in Redis: alike, and exactly."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from orgs import counters
from orgs.counters import count_in_window, take_from_bucket, uncount_in_window
from orgs.models import RateCounter
from orgs.tenancy import tenant_scope
from tests.redis_server import running_redis

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("limits")]


@pytest.fixture(params=["postgresql", "redis"])
def store(request, settings, tmp_path):
    counters.counters.cache_clear()
    if request.param == "postgresql":
        yield request.param
    else:
        with running_redis(tmp_path) as server:
            settings.REDIS_URL = server.url
            yield request.param
    counters.counters.cache_clear()


def at_once(work, count=24):
    barrier = Barrier(count)

    def run(number):
        try:
            barrier.wait()
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def count(limit=3, seconds=3600, owner="acme"):
    return count_in_window("requests", owner, limit=limit, seconds=seconds)


def take(cost=1, capacity=10, seconds=3600, owner="acme"):
    return take_from_bucket("events", owner, cost, capacity=capacity, seconds=seconds)


def test_of_a_window_exactly_the_limit_passes(store):
    usages = [count() for _ in range(5)]
    assert [usage.is_over for usage in usages] == [False, False, False, True, True]
    assert [usage.remaining for usage in usages] == [2, 1, 0, 0, 0]


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_exactly_the_limit_passes(store):
    usages = [usage for part in at_once(lambda number: [count(limit=100) for _ in range(8)]) for usage in part]
    assert sum(not usage.is_over for usage in usages) == 100
    assert sorted(usage.remaining for usage in usages if not usage.is_over) == list(range(100))


@pytest.mark.django_db(transaction=True)
def test_of_a_bucket_never_more_is_taken_than_it_holds(store):
    usages = [usage for part in at_once(lambda number: [take(3, capacity=100) for _ in range(3)]) for usage in part]
    assert sum(not usage.is_over for usage in usages) == 33


def test_owners_and_windows_are_counted_apart(store):
    assert [count().remaining, count(owner="globex").remaining, count(seconds=86400).remaining] == [2, 2, 2]


def test_a_window_ends_when_it_ends_and_refusals_do_not_prolong_it(store):
    usage = count(limit=1, seconds=1)
    while not usage.is_over:
        usage = count(limit=1, seconds=1)
    assert usage.wait_seconds == 1
    time.sleep(1.02)
    assert not count(limit=1, seconds=1).is_over


def test_windows_begin_at_full_minutes_of_the_store_and_not_of_this_process(store, monkeypatch):
    """django-ratelimit would read the window from this clock."""
    usage = count(seconds=60)
    monkeypatch.setattr(time, "time", lambda: 1_000_000_000.0)
    later = count(seconds=60)
    monkeypatch.undo()
    left = 60 - time.time() % 60  # store and test share a machine, and so a clock
    assert abs(usage.reset_seconds - left) < 3 or abs(usage.reset_seconds - left) > 57
    assert later.remaining < usage.remaining or later.reset_seconds > usage.reset_seconds


def test_another_limit_goes_on_counting(store):
    for _ in range(3):
        count(limit=3)
    assert count(limit=5).remaining == 1
    assert count(limit=3).is_over


def test_what_is_taken_back_has_not_counted(store):
    for _ in range(3):
        count()
    uncount_in_window("requests", "acme", seconds=3600)
    assert [count().is_over, count().is_over] == [False, True]


def test_taking_back_makes_nothing_below_zero(store):
    uncount_in_window("requests", "acme", seconds=3600)
    assert count().remaining == 2


def test_a_bucket_lets_in_what_fits_and_refuses_the_rest_without_taking(store):
    assert take(4).remaining == 6
    refused = take(7)
    assert (refused.is_over, refused.remaining) == (True, 6)
    assert not take(6).is_over


def test_a_bucket_says_when_what_was_refused_will_fit(store):
    take(10, capacity=10, seconds=100_000)
    refused = take(3, capacity=10, seconds=100_000)
    assert refused.wait_seconds == pytest.approx(30_000, abs=30)
    assert refused.reset_seconds == pytest.approx(100_000, abs=30)


def test_a_bucket_fills_steadily(store):
    take(100, capacity=100, seconds=30)
    assert take(5, capacity=100, seconds=30).is_over
    time.sleep(1.55)
    assert not take(5, capacity=100, seconds=30).is_over
    assert take(5, capacity=100, seconds=30).is_over


def test_more_than_a_bucket_holds_is_let_in_when_it_is_full_and_paid_off(store):
    assert not take(25).is_over
    refused = take(1, seconds=100_000)
    assert (refused.is_over, refused.remaining) == (True, 0)
    assert refused.wait_seconds == pytest.approx(160_000, abs=30)


def test_a_larger_bucket_fills_faster_from_the_next_request_on(store):
    take(10, capacity=10, seconds=60)
    time.sleep(0.3)
    assert not take(30, capacity=10_000, seconds=60).is_over


def test_without_limits_nothing_is_counted(store, settings):
    settings.RATELIMIT_ENABLE = False
    assert (count(), take()) == (None, None)
    uncount_in_window("requests", "acme", seconds=3600)
    assert not RateCounter.objects.exists()


def test_counting_inside_a_scope_is_an_error(acme):
    """The row would stay locked until the scope commits, for all others."""
    with tenant_scope(acme), pytest.raises(RuntimeError, match="until the scope commits"):
        count()


def test_counting_is_one_statement(django_assert_num_queries):
    for ask in (count, take):
        with django_assert_num_queries(1):
            ask()


def test_the_table_writes_no_log():
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE oid = 'orgs_ratecounter'::regclass")
        assert cursor.fetchone() == ("u",)
