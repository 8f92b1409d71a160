"""A report that a deadlock ends is done again: the client sees nothing of it."""

import pytest
from django.db import connection

from catalog.api import checks, runs
from catalog.models import CheckResult, Run
from orgs.tenancy import tenant_scope
from tests.factories import PipelineFactory

DEADLOCK = "DO $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$"


def ended_by_deadlocks(monkeypatch, module, name, *, count):
    """Lets the work be done and then fail, `count` times."""
    work, left = getattr(module, name), [None] * count

    def failing(*args, **kwargs):
        done = work(*args, **kwargs)
        if left:
            left.pop()
            with connection.cursor() as cursor:
                cursor.execute(DEADLOCK)
        return done

    monkeypatch.setattr(module, name, failing)


@pytest.fixture
def orders_sync(acme):
    return PipelineFactory(organization=acme, name="orders_sync")


@pytest.mark.parametrize("run_id", [None, "daily"])
def test_a_run_is_recorded_after_a_deadlock(api, acme, orders_sync, monkeypatch, run_id):
    ended_by_deadlocks(monkeypatch, runs, "record_run", count=1)
    body = {"pipeline_id": "orders_sync", "status": "success", "run_id": run_id}
    assert api.post("/api/v1/runs/", body).status_code == 201
    with tenant_scope(acme):
        assert Run.objects.count() == 1


def test_a_result_is_recorded_after_a_deadlock(api, acme, orders_sync, monkeypatch):
    ended_by_deadlocks(monkeypatch, checks, "record_results", count=1)
    body = {"pipeline_id": "orders_sync", "check_id": "rows", "status": "pass"}
    assert api.post("/api/v1/checks/results", body).status_code == 201
    with tenant_scope(acme):
        assert CheckResult.objects.count() == 1


def test_deadlocks_without_end_are_answered(api, acme, orders_sync, monkeypatch):
    ended_by_deadlocks(monkeypatch, runs, "record_run", count=9)
    assert api.post("/api/v1/runs/", {"pipeline_id": "orders_sync", "status": "success"}).status_code == 503
    with tenant_scope(acme):
        assert not Run.objects.exists()
