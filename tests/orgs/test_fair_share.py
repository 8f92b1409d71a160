"""Who sends many requests at once queues behind itself, and never in front of others."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from dataxpipe import gunicorn
from orgs import fair_share
from orgs.fair_share import UNDER_WAY_AMONG_OTHERS, WORKING_ALONE, WORKING_AMONG_OTHERS, FairShare, TooManyAtOnce

ACME, GLOBEX = 1, 2


class Workers:
    """Threads that work for an organization until they are let go."""

    def __init__(self, share: FairShare) -> None:
        self.share, self.release, self.lock = share, threading.Event(), threading.Lock()
        self.working: dict[int, int] = {}
        self.most: dict[int, int] = {}
        self.refused = 0
        self.threads: list[threading.Thread] = []

    def start(self, organization: int, count: int) -> None:
        for _ in range(count):
            thread = threading.Thread(target=self._work, args=[organization])
            thread.start()
            self.threads.append(thread)
        time.sleep(0.1)

    def _work(self, organization: int) -> None:
        try:
            with self.share.turn(organization):
                with self.lock:
                    self.working[organization] = self.working.get(organization, 0) + 1
                    self.most[organization] = max(self.most.get(organization, 0), self.working[organization])
                self.release.wait(10)
                with self.lock:
                    self.working[organization] -= 1
        except TooManyAtOnce:
            with self.lock:
                self.refused += 1

    def finish(self) -> None:
        self.release.set()
        for thread in self.threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in self.threads)


@pytest.fixture
def workers(monkeypatch):
    monkeypatch.setattr(fair_share, "lend_connection", lambda: None)
    workers = Workers(FairShare())
    yield workers
    workers.finish()


def test_alone_an_organization_works_in_several_threads_and_the_rest_waits(workers):
    workers.start(ACME, 10)
    assert workers.working[ACME] == WORKING_ALONE
    workers.finish()
    assert (workers.most[ACME], workers.refused) == (WORKING_ALONE, 0)


def test_others_begin_at_once_however_many_wait(workers):
    workers.start(ACME, 10)
    workers.start(GLOBEX, 1)
    assert workers.working[GLOBEX] == 1


def test_among_others_it_works_in_its_share(workers):
    workers.start(GLOBEX, 1)
    workers.start(ACME, 5)
    assert workers.working[ACME] == WORKING_AMONG_OTHERS
    workers.finish()
    assert workers.most[ACME] == WORKING_AMONG_OTHERS


def test_there_is_always_a_thread_for_others_to_arrive_in(workers):
    workers.start(GLOBEX, 1)
    workers.start(ACME, UNDER_WAY_AMONG_OTHERS + 3)
    assert workers.refused == 3
    assert gunicorn.threads > UNDER_WAY_AMONG_OTHERS


def test_without_others_nobody_is_refused(workers):
    workers.start(ACME, UNDER_WAY_AMONG_OTHERS + 3)
    assert workers.refused == 0


def test_who_waits_too_long_is_asked_to_come_again(workers, monkeypatch):
    monkeypatch.setattr(fair_share, "PATIENCE_SECONDS", 0.05)
    workers.start(ACME, WORKING_ALONE + 2)
    assert workers.refused == 2
    workers.finish()
    assert workers.working[ACME] == 0


def test_turns_come_in_the_order_of_arrival(workers, monkeypatch):
    monkeypatch.setattr(fair_share, "WORKING_ALONE", 1)
    order, share = [], workers.share

    def work(number):
        with share.turn(ACME):
            order.append(number)

    with ThreadPoolExecutor(6) as pool, share.turn(ACME):
        for number in range(6):
            pool.submit(work, number)
            time.sleep(0.03)
    assert order == list(range(6))


def test_an_organization_is_forgotten_when_it_is_gone(workers, monkeypatch):
    monkeypatch.setattr(fair_share, "THERE_SECONDS", 0.05)
    workers.start(GLOBEX, 3)
    workers.finish()
    time.sleep(0.06)
    workers.release.clear()
    workers.start(ACME, 6)
    assert workers.working[ACME] == WORKING_ALONE
    workers.finish()
    assert workers.share._shares == {}


def test_an_error_ends_the_turn(workers):
    for _ in range(10):
        with pytest.raises(LookupError), workers.share.turn(ACME):
            raise LookupError
    assert workers.share._shares == {}


def test_a_hundred_turns_of_many_at_once_leave_nothing_behind(workers):
    def work(number):
        for _ in range(20):
            with workers.share.turn(number % 3):
                time.sleep(0)

    with ThreadPoolExecutor(9) as pool:
        list(pool.map(work, range(9)))
    assert workers.share._shares == {}


@pytest.mark.django_db(transaction=True)
def test_who_waits_holds_no_connection(acme):
    share = FairShare()
    held = []

    def wait():
        connection.ensure_connection()
        with share.turn(acme.pk):
            held.append(connection.connection is None)
        connection.close()

    turns = [share.turn(acme.pk) for _ in range(WORKING_ALONE)]
    for turn in turns:
        turn.__enter__()
    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.2)
    for turn in turns:
        turn.__exit__(None, None, None)
    thread.join(10)
    assert held == [True]


def test_requests_and_pages_take_turns(api, alice_client, monkeypatch):
    monkeypatch.setattr(fair_share, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(fair_share, "WORKING_ALONE", 0)
    monkeypatch.setattr(fair_share, "WORKING_AMONG_OTHERS", 0)
    response = api.get("/api/v1/organizations/me")
    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert response.json()["type"].endswith("/problems/too-many-at-once")
    assert alice_client.get("/o/acme/pipelines/").status_code == 503
    monkeypatch.undo()
    assert api.get("/api/v1/organizations/me").status_code == 200
