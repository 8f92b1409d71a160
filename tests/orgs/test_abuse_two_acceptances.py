"""One invitation, taken twice at once, or taken while it is taken back: one outcome, and everything agrees with it."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from orgs.models import AuditEvent, Invitation, Membership, User
from orgs.services.invitations import digest_of
from orgs.tenancy import tenant_scope
from tests.conftest import PersonClient, _member, browser_of
from tests.factories import InvitationFactory, OrganizationFactory, UserFactory

TOKEN = "t" * 43
NINA = "nina@new.example"
JOIN = {"name": "Nina", "password": "a long pass phrase"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def acme():
    organization = OrganizationFactory(slug="acme")
    _member(organization, "alice", "owner")
    return organization


@pytest.fixture
def invitation(acme):
    return InvitationFactory(organization=acme, email=NINA, role="editor", digest=digest_of(TOKEN))


def at_once(*actions):
    """Their answers' statuses, in the order of the actions."""
    barrier, statuses = threading.Barrier(len(actions)), [0] * len(actions)

    def act(number, action):
        barrier.wait(10)
        try:
            statuses[number] = action().status_code
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=each) for each in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return statuses


def taking(client):
    return lambda: client.post(f"/invitations/{TOKEN}", JOIN)


def audited(organization, action):
    with tenant_scope(organization):
        return AuditEvent.objects.filter(action=action).count()


def test_two_browsers_of_one_person_make_one_member(acme, invitation):
    nina = UserFactory(email=NINA)
    statuses = at_once(*[taking(browser_of(nina)) for _ in range(2)])
    assert sorted(statuses) in ([302, 404], [302, 302]), statuses
    assert Membership.objects.filter(user=nina, organization=acme, role="editor").count() == 1
    assert audited(acme, "member.added") == 1
    assert audited(acme, "invitation.accepted") <= 1


def test_two_newcomers_with_one_link_make_one_account(acme, invitation):
    statuses = at_once(*[taking(PersonClient(raise_request_exception=False)) for _ in range(2)])
    assert statuses.count(302) == 1, statuses
    assert max(statuses) < 500
    assert User.objects.filter(email=NINA).count() == 1
    assert Membership.objects.filter(organization=acme, user__email=NINA).count() == 1


def test_the_right_person_and_a_thief_at_once_let_only_the_right_one_in(acme, invitation):
    nina, thief = UserFactory(email=NINA), UserFactory(email="mallory@evil.example")
    statuses = at_once(taking(browser_of(nina)), taking(browser_of(thief)))
    assert statuses[0] == 302
    assert statuses[1] in {403, 404}
    assert not Membership.objects.filter(user=thief).exists()


@pytest.mark.parametrize("round_", range(3))
def test_taken_while_it_is_revoked_it_is_one_of_both(round_, acme, invitation):
    nina, owner = UserFactory(email=NINA), Membership.objects.get(organization=acme).user
    revoke = f"/o/acme/settings/invitations/{invitation.pk}/revoke"
    at_once(taking(browser_of(nina)), lambda: browser_of(owner).post(revoke))
    found = Invitation.objects.get()
    is_member = Membership.objects.filter(user=nina, organization=acme).exists()
    assert is_member == (found.status == "accepted")
    assert is_member != (found.revoked_at is not None)
    assert audited(acme, "invitation.revoked") == (not is_member)


def test_one_who_is_made_a_member_twice_at_once_has_the_role_of_one_invitation(acme, invitation):
    """Two organizations' links at once do not mix, either."""
    globex = OrganizationFactory(slug="globex")
    _member(globex, "gary", "owner")
    other = InvitationFactory(organization=globex, email=NINA, role="viewer", digest=digest_of("u" * 43))
    nina = UserFactory(email=NINA)
    browsers = [browser_of(nina), browser_of(nina)]
    statuses = at_once(taking(browsers[0]), lambda: browsers[1].post("/invitations/" + "u" * 43, JOIN))
    assert statuses == [302, 302]
    assert {(m.organization_id, m.role) for m in Membership.objects.filter(user=nina)} == {
        (acme.pk, "editor"),
        (other.organization_id, "viewer"),
    }
