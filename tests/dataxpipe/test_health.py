"""`/healthz` and `/readyz`: what a supervisor and a load balancer ask."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from dataxpipe import health


@pytest.fixture(autouse=True)
def nothing_remembered():
    health.findings.forget()
    yield
    health.findings.forget()


@pytest.mark.parametrize("path", ["/healthz", "/healthz/"])
def test_a_live_process_says_so_without_the_database(client, path):
    response = client.get(path)
    assert (response.status_code, response.content) == (200, b"alive\n")


@pytest.mark.parametrize("path", ["/readyz", "/readyz/"])
def test_it_is_ready_when_every_wall_stands(client, db, path):
    response = client.get(path)
    assert (response.status_code, response.content) == (200, b"ready\n")
    assert response["Cache-Control"] == "no-store"


def test_a_missing_wall_is_told(client, db, monkeypatch):
    monkeypatch.setattr(health.gate, "violations", lambda *args, **kwargs: ["catalog_run: 0 policies instead of one"])
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["type"] == "/problems/not-ready"
    assert response.json()["defects"] == ["catalog_run: 0 policies instead of one"]


def test_a_migration_that_waits_is_told(client, db, monkeypatch):
    applied = health.MigrationExecutor.migration_plan

    def plan(self, targets):
        return [(self.loader.get_migration("catalog", "0001_what"), False), *applied(self, targets)]

    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", plan)
    assert client.get("/readyz").json()["defects"] == ["migration catalog.0001_what is not applied"]


def test_a_lost_database_is_told(client, monkeypatch):
    def fail(*args):
        raise OperationalError

    monkeypatch.setattr(health, "_missing_migrations", fail)
    assert client.get("/readyz").json()["defects"] == ["the database does not answer"]


def test_one_look_serves_for_some_seconds(client, db, django_assert_num_queries):
    client.get("/readyz")
    with django_assert_num_queries(0):
        assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_read_only(client, path):
    assert client.post(path).status_code == 405
