import datetime

import pytest

from orgs import audit
from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import AuditEvent, AuditPerson, AuditSeal
from orgs.services import audit as chain
from orgs.services.audit import seal_pending, verify_chain
from orgs.tenancy import tenant_scope

ALICE = Actor(kind="person", id="1", label="alice", ip_address="192.0.2.1", user_agent="Firefox")
pytestmark = pytest.mark.django_db


def remember(organization, count=3):
    with tenant_scope(organization):
        for number in range(count):
            audit.record(Action.ORGANIZATION_UPDATED, ALICE, target=organization, after={"name": f"Acme {number}"})


def seal(organization):
    with tenant_scope(organization):
        return seal_pending()


def verify(organization):
    with tenant_scope(organization):
        return verify_chain()


def test_events_are_sealed_in_order_and_once(acme):
    remember(acme)
    assert seal(acme) == 3
    assert seal(acme) == 0
    remember(acme, 2)
    assert seal(acme) == 2
    with tenant_scope(acme):
        seals = list(AuditSeal.objects.order_by("sequence").values_list("sequence", "event__after__name"))
    assert seals == [(1, "Acme 0"), (2, "Acme 1"), (3, "Acme 2"), (4, "Acme 0"), (5, "Acme 1")]


def test_a_chain_nobody_touched_is_intact(acme):
    remember(acme)
    seal(acme)
    remember(acme, 1)
    report = verify(acme)
    assert report.is_intact
    assert (report.head, report.unsealed, report.erased_people) == (3, 1, 0)
    assert len(report.head_mac) == 64


def test_an_empty_chain_is_intact(acme):
    assert (verify(acme).is_intact, verify(acme).head) == (True, 0)


def test_long_chains_are_sealed_and_verified_in_batches(acme, monkeypatch):
    monkeypatch.setattr(chain, "BATCH", 2)
    remember(acme, 5)
    assert seal(acme) == 5
    assert (verify(acme).is_intact, verify(acme).head) == (True, 5)


def test_every_organization_has_a_chain_of_its_own(acme, globex):
    for organization in (acme, globex):
        remember(organization)
        seal(organization)
    assert verify(acme).head == verify(globex).head == 3
    assert verify(acme).head_mac != verify(globex).head_mac


def test_erasing_the_personal_part_leaves_the_chain_whole(acme):
    remember(acme)
    seal(acme)
    with tenant_scope(acme):
        AuditPerson.objects.all()[:1].get().delete()
    report = verify(acme)
    assert (report.is_intact, report.erased_people) == (True, 1)


def test_a_changed_label_is_found(acme):
    remember(acme)
    seal(acme)
    with tenant_scope(acme):
        second = AuditEvent.objects.order_by("id")[1]
        AuditPerson.objects.filter(event=second).update(label="bob")
    assert (verify(acme).bad_sequence, verify(acme).reason) == (2, "the actor's label, address or agent was changed")


def test_an_event_that_took_long_to_commit_is_sealed_later(acme):
    remember(acme, 1)
    seal(acme)
    with tenant_scope(acme):
        late = AuditEvent.objects.get()
        late.pk = chain.first_uuid7(late.created_at - datetime.timedelta(minutes=5))
        late.save(force_insert=True)
    assert seal(acme) == 1


def test_a_retired_master_key_still_verifies_and_an_unlisted_one_is_named(acme, settings):
    settings.ENCRYPTION_KEYS = {"old": b"1" * 32}
    remember(acme, 1)
    seal(acme)
    settings.ENCRYPTION_KEYS = {"new": b"2" * 32, "old": b"1" * 32}
    remember(acme, 1)
    seal(acme)
    assert verify(acme).is_intact
    settings.ENCRYPTION_KEYS = {"new": b"2" * 32}
    assert (verify(acme).bad_sequence, verify(acme).reason) == (1, "the master key old is not listed any more")
