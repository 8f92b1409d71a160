"""Two at once: what must happen once happens once."""

from __future__ import annotations

import datetime
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from dataxpipe.problems import Problem
from orgs import audit, due
from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import ApiKey, AuditEvent, AuditSeal, Organization, OrganizationSlug
from orgs.services import due_work
from orgs.services.audit import seal_pending, verify_chain
from orgs.services.due_work import run_due_work
from orgs.services.organizations import create_organization, rename_slug, sign_up
from orgs.tenancy import tenant_scope
from tests.conftest import ApiClient
from tests.factories import ApiKeyFactory

pytestmark = pytest.mark.django_db(transaction=True)

OPERATOR = Actor.system("operator")
THREADS = 6


def at_once(work, count=THREADS):
    """`work(number)` in as many threads, all of them started; what each returned or was refused with."""
    barrier = Barrier(count)

    def run(number):
        try:
            barrier.wait()
            return work(number)
        except Problem as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.fixture
def acme():
    return create_organization(name="Acme", slug="acme", actor=OPERATOR, plan_name="team")


def test_one_slug_goes_to_one_organization():
    def join(number):
        return sign_up(
            email=f"person-{number}@example.com",
            password="correct horse battery",
            organization_name="Acme",
            slug="acme",
            visitor=Actor(kind="person", id="", label=""),
        )

    outcomes = at_once(join)
    assert sorted(getattr(outcome, "slug", "joined") for outcome in outcomes) == ["joined"] + ["slug-taken"] * 5
    assert Organization.objects.count() == 1


def test_a_slug_that_is_given_up_is_not_snatched(acme):
    def race(number):
        if number == 0:
            with tenant_scope(acme):
                return rename_slug(organization=acme, slug="acme-data", actor=OPERATOR)
        return create_organization(name="Snatcher", slug="acme", actor=OPERATOR)

    at_once(race)
    assert list(Organization.objects.values_list("slug", flat=True)) == ["acme-data"]
    assert set(OrganizationSlug.objects.values_list("slug", "organization")) == {
        ("acme", acme.pk),
        ("acme-data", acme.pk),
    }


def test_a_repeated_request_that_overtakes_the_first_makes_one_key(acme):
    headers = {"X-API-KEY": ApiKeyFactory(organization=acme).text, "Idempotency-Key": "k-1"}
    body = {"name": "ci", "scopes": ["catalog:read"]}
    answers = at_once(lambda number: ApiClient().post("/api/v1/api-keys/", body, headers=headers))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert ApiKey.objects.filter(name="ci").count() == 1


def test_a_key_gets_one_successor(acme):
    old, text = ApiKeyFactory(organization=acme), ApiKeyFactory(organization=acme).text
    answers = at_once(lambda number: ApiClient(text).post(f"/api/v1/api-keys/{old.pk}/rotate", {}))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    assert ApiKey.objects.count() == 3


def test_reuse_is_remembered_once_however_many_come_at_once(acme):
    text = ApiKeyFactory(organization=acme, revoked_at=timezone.now()).text
    at_once(lambda number: ApiClient(text).get("/api/v1/organizations/me"))
    with tenant_scope(acme):
        assert AuditEvent.objects.filter(action="api_key.reuse_detected").count() == 1


def test_several_workers_make_one_chain_while_others_write(acme):
    def work(number):
        for _ in range(5):
            with tenant_scope(acme):
                if number % 2:
                    seal_pending()
                else:
                    audit.record(Action.ORGANIZATION_UPDATED, OPERATOR, target=acme)

    at_once(work)
    with tenant_scope(acme):
        seal_pending()
        report = verify_chain()
        assert (report.is_intact, report.head, report.unsealed) == (True, 16, 0)
        assert AuditSeal.objects.count() == 16


def test_several_workers_do_marked_work_once(monkeypatch):
    monkeypatch.setattr(due_work, "GRACE_SECONDS", 0)
    organizations = [create_organization(name=f"O {n}", slug=f"org-{n}", actor=OPERATOR) for n in range(10)]
    done = []
    monkeypatch.setitem(due._handlers, due.SEAL_AUDIT, lambda: done.append(seal_pending()))
    assert sum(at_once(lambda number: run_due_work(for_seconds=20))) == len(organizations)
    assert done == [1] * 10


def test_no_change_is_left_unsealed_while_the_worker_runs(acme, monkeypatch):
    """A mark that was found in place just before it was claimed counts: the work waits for that change to commit."""
    monkeypatch.setattr(due_work, "GRACE_SECONDS", 1)

    def work(number):
        for _ in range(15):
            if number == 0:
                run_due_work(for_seconds=0.2)
            else:
                with tenant_scope(acme):
                    audit.record(Action.ORGANIZATION_UPDATED, OPERATOR, target=acme)

    at_once(work)
    deadline = timezone.now() + datetime.timedelta(seconds=20)
    while timezone.now() < deadline:
        run_due_work(for_seconds=0.5)
        with tenant_scope(acme):
            if not AuditEvent.objects.filter(seal=None).exists():
                break
    with tenant_scope(acme):
        assert verify_chain().unsealed == 0
