"""Saying it again changes nothing; what had to wait is applied by the worker; windows can be replayed."""

from __future__ import annotations

import datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import DataError, OperationalError
from django.utils import timezone

from catalog.models import (
    ColumnLink,
    Dataset,
    DatasetColumn,
    EventInbox,
    Facet,
    FacetUse,
    LineageLink,
    LineageVersion,
    Pipeline,
    Run,
    Step,
)
from catalog.services.lineage_events import reception, replay
from orgs.models import AuditEvent, Due
from orgs.services import due_work
from orgs.services.due_work import run_due_work
from orgs.tenancy import tenant_scope
from tests.catalog.test_openlineage_pipelines import catalog_of, three_dags
from tests.factories import PipelineFactory
from tests.factories.openlineage import dataset, dbt_model_event, run_event

LINEAGE, BATCH = "/api/v1/lineage", "/api/v1/lineage/batch"
EVERYTHING = (
    Pipeline,
    Step,
    Run,
    Dataset,
    DatasetColumn,
    LineageLink,
    ColumnLink,
    Facet,
    FacetUse,
    LineageVersion,
    AuditEvent,
)


def rows_of(organization):
    """Every row of everything events write, but when a run's row was last written."""
    with tenant_scope(organization):
        return {
            model.__name__: [
                {name: value for name, value in row.items() if name != "updated_at"}
                for row in model.objects.order_by("id").values()
            ]
            for model in EVERYTHING
        }


def test_events_that_are_sent_again_change_nothing(api, acme):
    events = [*three_dags(), dbt_model_event()]
    api.post(BATCH, events)
    before = rows_of(acme)
    assert api.post(BATCH, events).status_code == 204
    for event in events:
        api.post(LINEAGE, event)
    assert rows_of(acme) == before


def test_the_inbox_keeps_what_was_sent_again(api, acme):
    for _ in range(2):
        api.post(LINEAGE, run_event())
    with tenant_scope(acme):
        assert EventInbox.objects.count() == 2


class LockNotAvailable(Exception):
    sqlstate = "55P03"


@pytest.fixture
def stuck(monkeypatch):
    """Applying waits too long for a lock."""

    def wait(*args, **kwargs):
        raise OperationalError("canceling statement due to lock timeout") from LockNotAvailable()

    with monkeypatch.context() as patch:
        patch.setattr(reception, "apply_events", wait)
        patch.setattr(due_work, "GRACE_SECONDS", 0)
        yield patch


def test_what_waits_too_long_for_a_lock_is_taken_and_applied_by_the_worker(api, acme, stuck):
    assert api.post(LINEAGE, run_event("START")).status_code == 201
    assert api.post(BATCH, [run_event("COMPLETE"), {}]).json()["summary"]["successful"] == 1
    with tenant_scope(acme):
        assert set(EventInbox.objects.values_list("state", flat=True)) == {"pending"}
        assert not Run.objects.exists()
    run_due_work()
    with tenant_scope(acme):
        assert Run.objects.get().status == "success"
        assert set(EventInbox.objects.values_list("state", "run")) == {("applied", Run.objects.get().id)}
    assert not Due.objects.filter(kind="apply_events").exists()


def refusing(error, monkeypatch):
    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(replay, "apply_events", refuse)


@pytest.mark.parametrize("count", [1, 3])
def test_what_is_busy_for_the_worker_too_waits_on(api, acme, stuck, monkeypatch, count):
    api.post(BATCH, [run_event(job=f"j{number}") for number in range(count)])
    busy = OperationalError("canceling statement due to lock timeout")
    busy.__cause__ = LockNotAvailable()
    refusing(busy, monkeypatch)
    run_due_work()
    with tenant_scope(acme):
        assert set(EventInbox.objects.values_list("state", flat=True)) == {"pending"}
    assert Due.objects.filter(kind="apply_events:claimed").exists()


@pytest.mark.parametrize("count", [1, 3])
def test_what_the_database_refuses_has_failed_and_is_not_tried_for_ever(api, acme, stuck, monkeypatch, count):
    api.post(BATCH, [run_event(job=f"j{number}") for number in range(count)])
    refusing(DataError("out of range"), monkeypatch)
    run_due_work()
    with tenant_scope(acme):
        assert set(EventInbox.objects.values_list("state", flat=True)) == {"failed"}
    assert not Due.objects.filter(kind__startswith="apply_events").exists()


def test_a_pending_event_that_finds_no_room_has_failed_with_its_reason(free_api, free_org, stuck):
    free_api.post(LINEAGE, run_event())
    PipelineFactory.create_batch(3, organization=free_org)
    run_due_work()
    with tenant_scope(free_org):
        row = EventInbox.objects.get()
        assert row.state == "failed"
        assert "3 pipelines" in row.reason


def test_a_pending_event_is_renamed_as_its_key_says(acme, stuck):
    from tests.conftest import api_of

    api_of(acme, namespace_map={"default": "airflow-prod"}).post(LINEAGE, run_event(namespace="default"))
    run_due_work()
    with tenant_scope(acme):
        assert Pipeline.objects.get().namespace == "airflow-prod"


def test_a_window_is_replayed(api, acme, capsys):
    for event in three_dags():
        api.post(LINEAGE, event)
    expected = catalog_of(acme)
    with tenant_scope(acme):
        LineageLink.objects.all()._raw_delete("default")
        Run.objects.filter(step__isnull=False)._raw_delete("default")
    since = (timezone.now() - datetime.timedelta(minutes=5)).isoformat()
    call_command("replay_events", "acme", "--since", since)
    assert "18 events applied, 0 failed." in capsys.readouterr().out
    assert catalog_of(acme) == expected


def test_what_lies_outside_the_window_is_not_replayed(api, acme, capsys):
    api.post(LINEAGE, run_event(outputs=[dataset("s3://lake", "orders")]))
    until = (timezone.now() - datetime.timedelta(minutes=5)).isoformat()
    call_command("replay_events", "acme", "--since", "2026-01-01T00:00:00Z", "--until", until)
    assert "0 events applied" in capsys.readouterr().out


@pytest.mark.parametrize("since", ["yesterday", "2026-03-02T00:00:00"])
def test_a_window_needs_a_time_with_an_offset(acme, since):
    with pytest.raises(CommandError):
        call_command("replay_events", "acme", "--since", since)


def test_an_unknown_organization_has_nothing_to_replay(db):
    with pytest.raises(CommandError, match="no organization nobody"):
        call_command("replay_events", "nobody", "--since", "2026-03-02T00:00:00Z")
