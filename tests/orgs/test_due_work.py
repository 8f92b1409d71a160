import datetime
import logging

import pytest
from django.db import connection
from django.utils import timezone

from orgs import due, tasks
from orgs.models import AuditEvent, AuditSeal, Due, IdempotencyRecord, Session
from orgs.services import due_work
from orgs.services.due_work import run_due_work
from orgs.tenancy import current_organization, tenant_scope
from tests.factories import OrganizationFactory


@pytest.fixture
def seen(monkeypatch):
    monkeypatch.setattr(due_work, "GRACE_SECONDS", 0)
    seen = []
    monkeypatch.setitem(due._handlers, "count", lambda: seen.append(current_organization().slug))
    return seen


def mark(organization, kind="count", **kwargs):
    with tenant_scope(organization):
        due.mark(kind, **kwargs)


def test_marked_work_is_done_once_in_the_scope_of_its_organization(acme, globex, seen):
    for organization in (acme, acme, globex):
        mark(organization)
    assert run_due_work() == 2
    assert sorted(seen) == ["acme", "globex"]
    assert run_due_work() == 0
    assert not Due.objects.exists()


def test_work_is_not_done_before_its_time(acme, seen):
    mark(acme, after=datetime.timedelta(hours=1))
    assert run_due_work() == 0
    Due.objects.update(due_at=timezone.now())
    assert run_due_work() == 1


def test_a_mark_made_while_the_work_is_done_is_kept(acme, seen, monkeypatch):
    monkeypatch.setitem(due._handlers, "count", lambda: (seen.append(1), due.mark("count")))
    mark(acme)
    assert run_due_work() == 1
    assert list(Due.objects.values_list("kind", flat=True)) == ["count"]
    assert run_due_work() == 1


def test_a_claimed_mark_waits_for_those_who_found_it_in_place(acme, seen, monkeypatch):
    monkeypatch.setattr(due_work, "GRACE_SECONDS", 2)
    mark(acme)
    assert run_due_work() == 0
    assert list(Due.objects.values_list("kind", flat=True)) == ["count:claimed"]
    Due.objects.update(due_at=timezone.now())
    assert run_due_work() == 1


def test_work_of_a_worker_that_died_is_taken_over_when_its_lease_ends(acme, seen):
    mark(acme)
    with connection.cursor() as cursor:
        cursor.execute(due_work.CLAIM, [0])
    assert due_work._take() is not None  # and then it is killed
    assert run_due_work() == 0
    Due.objects.update(due_at=timezone.now())
    assert run_due_work() == 1


def test_work_that_fails_is_undone_logged_and_tried_again(acme, seen, monkeypatch, caplog):
    def fail():
        due.mark("another")
        raise ValueError("broken")

    monkeypatch.setitem(due._handlers, "count", fail)
    mark(acme)
    with caplog.at_level(logging.ERROR):
        assert run_due_work() == 0
    assert "count for organization" in caplog.text
    claimed = Due.objects.get()
    assert claimed.kind == "count:claimed"
    assert claimed.due_at > timezone.now()


def test_one_organizations_failure_does_not_hold_up_the_others(acme, globex, seen, monkeypatch):
    def fail_for_acme():
        if current_organization() == acme:
            raise ValueError("broken")
        seen.append(current_organization().slug)

    monkeypatch.setitem(due._handlers, "count", fail_for_acme)
    mark(acme)
    mark(globex)
    assert run_due_work() == 1
    assert seen == ["globex"]


def test_work_nobody_does_is_told(acme, monkeypatch, caplog):
    monkeypatch.setattr(due_work, "GRACE_SECONDS", 0)
    mark(acme, kind="unheard-of")
    with caplog.at_level(logging.ERROR):
        assert run_due_work() == 0
    assert "unheard-of" in caplog.text


def test_the_audit_is_sealed_by_the_worker(api, acme, monkeypatch):
    monkeypatch.setattr(due_work, "GRACE_SECONDS", 0)
    api.patch("/api/v1/organizations/me", {"name": "New"})
    tasks.work_off_marks(timestamp=0)
    with tenant_scope(acme):
        assert AuditSeal.objects.count() == AuditEvent.objects.count() == 1


def test_ended_sessions_are_forgotten(db):
    now = timezone.now()
    seen = {"session_data": "", "signed_in_at": now, "last_seen_at": now}
    Session.objects.create(session_key="old", expire_date=now - datetime.timedelta(days=1), **seen)
    Session.objects.create(session_key="new", expire_date=now + datetime.timedelta(days=1), **seen)
    tasks.forget_ended_sessions(timestamp=0)
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]


def test_partitions_are_made_ahead(db):
    tasks.add_partitions(timestamp=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'catalog_eventinbox'::regclass")
        assert cursor.fetchone()[0] >= 8


def test_old_idempotency_records_are_forgotten_and_asked_for_again(api, acme, monkeypatch):
    monkeypatch.setattr(due_work, "GRACE_SECONDS", 0)
    for key in ("one", "two"):
        headers = {"Idempotency-Key": key}
        api.post("/api/v1/api-keys/", {"name": key, "scopes": ["catalog:read"]}, headers=headers)
    with tenant_scope(acme):
        IdempotencyRecord.objects.filter(key="one").update(created_at=timezone.now() - datetime.timedelta(days=2))
    Due.objects.update(due_at=timezone.now())
    run_due_work()
    with tenant_scope(acme):
        assert list(IdempotencyRecord.objects.values_list("key", flat=True)) == ["two"]
    assert Due.objects.filter(kind="forget_idempotency").exists()


def test_an_organization_without_work_is_never_visited(db, seen, django_assert_num_queries):
    OrganizationFactory.create_batch(20)
    with django_assert_num_queries(2):  # claim, take
        run_due_work()
