"""The real OpenLineage client reports more than the budget: it is slowed down and loses nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.transport.http_common import DEFAULT_RETRY_CONFIG

from catalog import models
from orgs import throttling
from orgs.plans import Override
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories import OrganizationFactory
from tests.factories.openlineage import run_id

CLIENTS = 4


@pytest.fixture
def refusals(monkeypatch):
    """How often the server said 503."""
    said, lock = [], threading.Lock()
    init = throttling.EventBudgetExhausted.__init__

    def noted(self, *args, **kwargs):
        init(self, *args, **kwargs)
        with lock:
            said.append(self.headers["Retry-After"])

    monkeypatch.setattr(throttling.EventBudgetExhausted, "__init__", noted)
    return said


@pytest.fixture
def send(transactional_db, live_server, limits, monkeypatch):
    """Reports so many events at once, over a few clients, against a budget of half of them a minute."""

    def send(count):
        override = Override("events_per_minute", count // 2, "half of what comes").as_json()
        organization = OrganizationFactory(
            slug="acme", plan_name="team", limit_overrides={"events_per_minute": override}
        )
        monkeypatch.setenv("OPENLINEAGE_URL", live_server.url)
        monkeypatch.setenv("OPENLINEAGE_API_KEY", api_of(organization, scopes=["ingest:write"]).api_key.text)
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda number: emit(range(number, count, CLIENTS)), range(CLIENTS)))
        with tenant_scope(organization):
            return models.EventInbox.objects.count(), models.Run.objects.count()

    return send


def emit(numbers):
    """Raises what the client raises when it gives up."""
    client = OpenLineageClient()
    assert client.transport.config.retry == DEFAULT_RETRY_CONFIG
    try:
        for number in numbers:
            client.emit(
                RunEvent(
                    eventType=RunState.COMPLETE,
                    eventTime="2026-03-02T06:00:00Z",
                    run=Run(runId=run_id(f"event {number}")),
                    job=Job(namespace="etl", name="orders"),
                    producer="https://acme.example/etl",
                )
            )
    finally:
        client.close()


def test_at_twice_the_budget_nothing_is_lost(send, refusals, monkeypatch):
    monkeypatch.setattr(throttling, "WINDOW_SECONDS", 2)
    assert send(60) == (60, 60)
    assert set(refusals) == {"1"}


@pytest.mark.prove
def test_of_a_thousand_in_a_minute_at_twice_the_budget_nothing_is_lost(send, refusals):
    assert send(1_000) == (1_000, 1_000)
    assert set(refusals) == {"1"}
