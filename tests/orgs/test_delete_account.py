"""Deleting one's own account: at once, never as the only owner, and without leaving a name behind."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from catalog.models import Connection
from dataxpipe.problems import Conflict
from orgs.actors import Actor
from orgs.models import (
    ApiKey,
    AuditEvent,
    AuditPerson,
    AuditSubject,
    Invitation,
    OrganizationStatus,
    Refusal,
    Session,
    User,
)
from orgs.services.account_deletion import delete_account
from orgs.services.audit import seal_pending, verify_chain
from orgs.tenancy import tenant_scope
from tests.conftest import PersonClient, browser_of
from tests.factories import (
    ApiKeyFactory,
    ConnectionFactory,
    InvitationFactory,
    MembershipFactory,
    TrustedPublisherFactory,
)
from tests.orgs.second_factors import phone_of

PASSWORD = "correct horse battery"
PAGE = "/account/delete"


def delete(client, confirmation="bob@acme.example", password=PASSWORD):
    return client.post(PAGE, {"confirmation": confirmation, "password": password})


def test_the_account_ends_at_once_everywhere(bob, acme, alice, globex, django_capture_on_commit_callbacks):
    MembershipFactory(organization=globex, user=bob, role="viewer")
    phone_of(bob)
    here, elsewhere = browser_of(bob), browser_of(bob)
    with django_capture_on_commit_callbacks(execute=True):
        assert delete(here)["Location"] == "/login"
    assert not User.objects.filter(pk=bob.pk).exists()
    assert not acme.memberships.filter(user_id=bob.pk).exists()
    assert not Session.objects.filter(user_id=bob.pk).exists()
    for client in (here, elsewhere):
        assert client.get("/account/").status_code == 302
    assert "Your account is deleted." in here.get("/login").content.decode()
    assert (mail.outbox[-1].to, mail.outbox[-1].subject) == (["bob@acme.example"], "Your account is deleted")
    assert PersonClient().post("/login", {"email": bob.email, "password": PASSWORD}).status_code == 400


def test_the_page_says_what_happens(bob_client):
    text = bob_client.get(PAGE).content.decode()
    assert "cannot be undone" in text
    assert 'autocomplete="current-password"' in text


@pytest.mark.parametrize(
    ("confirmation", "password", "says"),
    [
        ("bob@acme.example", "wrong horse battery", "not your current password"),
        ("alice@acme.example", PASSWORD, "Type bob@acme.example exactly"),
        ("", PASSWORD, "required"),
        ("bob@acme.example", "", "required"),
    ],
)
def test_it_takes_the_address_and_the_password(bob_client, bob, confirmation, password, says):
    response = delete(bob_client, confirmation, password)
    assert response.status_code == 400
    assert says in response.content.decode()
    assert User.objects.filter(pk=bob.pk).exists()


def test_the_only_owner_stays_and_is_told_of_what(alice, alice_client, acme):
    text = alice_client.get(PAGE).content.decode()
    assert "only owner of 1 organization" in text
    assert "/o/acme/settings/members/" in text
    response = delete(alice_client, "alice@acme.example")
    assert response.status_code == 409
    assert "acme" in response.content.decode()
    assert acme.memberships.filter(user=alice).exists()


def test_an_owner_beside_another_may_go(alice, alice_client, acme):
    MembershipFactory(organization=acme, role="owner")
    assert delete(alice_client, "alice@acme.example").status_code == 302
    assert acme.memberships.count() == 1


def test_keys_go_on_are_flagged_and_do_not_name_the_person(bob, bob_client, acme):
    api_key = ApiKeyFactory(organization=acme, created_by=bob, created_by_label="bob", created_by_kind="person")
    delete(bob_client)
    left = ApiKey.objects.left_behind().get(pk=api_key.pk)
    assert (left.created_by, left.created_by_label, left.revoked_at) == (None, "deleted account", None)


def test_nothing_that_stays_has_the_name(bob, bob_client, acme, alice):
    connection = ConnectionFactory(organization=acme, created_by_id=str(bob.pk), created_by_label="bob")
    sent = InvitationFactory(organization=acme, invited_by=bob, invited_by_label="bob")
    publisher = TrustedPublisherFactory(organization=acme, created_by=bob, created_by_label="bob")
    bob_client.post("/account/name", {"name": "Bob of Acme"})
    now, who = timezone.now(), {"actor_kind": "person", "actor_id": str(bob.pk), "actor_label": "bob"}
    Refusal.objects.create(organization=acme, hour=now, problem="forbidden", last_refused_at=now, **who)
    delete(bob_client)
    assert not Refusal.objects.filter(actor_id=str(bob.pk)).exists()
    assert Invitation.objects.get(pk=sent.pk).invited_by_label == "deleted account"
    publisher.refresh_from_db()
    assert publisher.created_by_label == "deleted account"
    with tenant_scope(acme):
        assert Connection.objects.get(pk=connection.pk).created_by_label == "deleted account"
        assert not AuditPerson.objects.filter(label__icontains="bob").exists()
        assert not AuditSubject.objects.filter(label__icontains="bob").exists()


def test_what_was_done_stays_and_the_chain_is_whole(bob, bob_client, acme):
    bob_client.post("/account/name", {"name": "Bob of Acme"})
    with tenant_scope(acme):
        seal_pending()
    delete(bob_client)
    with tenant_scope(acme):
        seal_pending()
        actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
        assert actions == ["member.name_changed", "member.account_deleted", "member.data_erased"]
        assert verify_chain().is_intact


def test_the_address_is_free_again(bob, bob_client):
    delete(bob_client)
    assert User.objects.create_user("bob@acme.example", "a long pass phrase").pk != bob.pk


def test_open_invitations_by_the_person_end(bob, acme):
    acme.memberships.filter(user=bob).update(role="admin")
    InvitationFactory(organization=acme, invited_by=bob)
    delete(browser_of(bob))
    assert not Invitation.objects.open().exists()


def test_others_notice_nothing(bob_client, alice_client, acme):
    delete(bob_client)
    assert alice_client.get("/o/acme/settings/members/").status_code == 200
    assert alice_client.get("/o/acme/settings/audit/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_go_at_once_leave_one(alice, acme):
    other = MembershipFactory(organization=acme, role="owner").user

    def go(person):
        try:
            delete_account(user=person, actor=Actor.system("test"))
        except Conflict:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(go, [alice, other])) == [False, True]
    assert acme.memberships.filter(role="owner").count() == 1


def test_an_organization_that_is_being_purged_keeps_nobody(alice, alice_client, acme):
    acme.status = OrganizationStatus.DELETING
    acme.save()
    assert delete(alice_client, "alice@acme.example").status_code == 302
    assert not acme.memberships.exists()
