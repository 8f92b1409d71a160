import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from orgs.models import AuditEvent, Invitation, Membership, User
from orgs.tenancy import tenant_scope
from tests.conftest import PersonClient, _member, browser_of
from tests.factories import InvitationFactory, OrganizationFactory, UserFactory

NINA = "nina@new.example"
JOIN = {"name": "Nina", "password": "a long pass phrase"}


@pytest.fixture
def visitor(db):
    return PersonClient(raise_request_exception=False)


@pytest.fixture
def invitation(acme):
    return InvitationFactory(organization=acme, email=NINA, role="editor")


def link(invitation):
    return f"/invitations/{invitation.token}"


def roles(organization):
    return dict(organization.memberships.values_list("user__email", "role"))


def test_a_person_without_account_makes_one_and_is_in(visitor, invitation, acme):
    page = visitor.get(link(invitation)).content.decode()
    assert "Join Acme" in page
    assert NINA in page
    assert visitor.post(link(invitation), JOIN)["Location"] == "/o/acme/start/"
    assert visitor.get("/o/acme/start/").status_code == 200
    person = User.objects.get(email=NINA)
    assert person.check_password(JOIN["password"])
    assert person.name == "Nina"
    assert person.email_confirmed_at is not None
    assert roles(acme) == {NINA: "editor"}
    with tenant_scope(acme):
        events = list(AuditEvent.objects.order_by("id").as_rows())
    assert [event["action"] for event in events] == ["invitation.accepted", "member.added"]
    assert {event["person__label"] for event in events} == {"Nina"}


def test_a_person_with_the_address_joins_by_a_button(invitation, acme):
    person = UserFactory(email=NINA, email_confirmed_at=None)
    client = browser_of(person)
    assert "Join Acme" in client.get(link(invitation)).content.decode()
    assert client.post(link(invitation))["Location"] == "/o/acme/start/"
    assert roles(acme) == {NINA: "editor"}
    assert User.objects.get(pk=person.pk).email_confirmed_at is not None


def test_who_has_an_account_is_led_to_the_login_and_back(visitor, invitation):
    UserFactory(email=NINA)
    page = visitor.get(link(invitation)).content.decode()
    assert f"/login?next=/invitations/{invitation.token}" in page
    visitor.post(link(invitation), JOIN)
    assert not Membership.objects.exists()
    assert User.objects.get(email=NINA).check_password("correct horse battery")


def test_somebody_else_is_told_so_and_stays_out(invitation, acme, gary):
    client = browser_of(gary)
    assert "The invitation is for another address" in client.get(link(invitation)).content.decode()
    assert client.post(link(invitation), {"email": NINA, "user": "1"}).status_code == 403
    assert roles(acme) == {}
    assert Invitation.objects.get().status == "pending"


def test_opening_the_link_changes_nothing(visitor, invitation):
    visitor.get(link(invitation))
    assert Invitation.objects.get().status == "pending"
    assert not User.objects.exists()


def test_the_address_the_role_and_the_organization_are_not_the_visitors_to_choose(visitor, invitation, acme, globex):
    more = {"email": "mallory@evil.example", "role": "owner", "organization": globex.pk, "is_staff": "on", "id": "1"}
    visitor.post(link(invitation), JOIN | more)
    assert roles(acme) == {NINA: "editor"}
    assert roles(globex) == {}
    assert not User.objects.get().is_staff
    assert not User.objects.filter(email="mallory@evil.example").exists()


def test_an_invitation_works_once(visitor, invitation, acme):
    visitor.post(link(invitation), JOIN)
    assert PersonClient().get(link(invitation)).status_code == 404
    acme.memberships.all().delete()
    assert visitor.post(link(invitation)).status_code == 404
    assert roles(acme) == {}


@pytest.mark.parametrize("method", ["get", "post"])
def test_old_revoked_and_made_up_links_answer_alike(visitor, acme, method):
    now = timezone.now()
    old = InvitationFactory(organization=acme, email="a@new.example", expires_at=now)
    revoked = InvitationFactory(organization=acme, email="b@new.example", revoked_at=now)
    accepted = InvitationFactory(organization=acme, email="c@new.example", accepted_at=now)
    answers = set()
    for path in (link(old), link(revoked), link(accepted), "/invitations/made-up", "/invitations/%00%ff"):
        response = getattr(visitor, method)(path, JOIN)
        text = response.content.decode()
        answers.add((response.status_code, text[text.index("<h1>") : text.index("</section>")]))
    assert len(answers) == 1
    assert answers.pop()[0] == 404
    assert not User.objects.exists()


@pytest.mark.parametrize("password", ["", "short", NINA])
def test_a_weak_password_makes_no_account(visitor, invitation, password):
    assert visitor.post(link(invitation), JOIN | {"password": password}).status_code == 400
    assert not User.objects.exists()
    assert Invitation.objects.get().status == "pending"


def test_who_is_a_member_by_now_keeps_the_role(acme, alice):
    invitation = InvitationFactory(organization=acme, email=alice.email, role="viewer")
    assert browser_of(alice).post(link(invitation)).status_code == 302
    assert roles(acme) == {alice.email: "owner"}


def test_forms_of_other_sites_are_refused(invitation):
    client = PersonClient(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(UserFactory(email=NINA))
    assert client.post(link(invitation)).status_code == 403
    assert not Membership.objects.exists()


def test_the_page_is_kept_by_no_cache_and_told_to_nobody(visitor, invitation):
    response = visitor.get(link(invitation))
    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "same-origin"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("has_account", [True, False])
def test_two_who_accept_at_once_make_one_membership(has_account):
    organization = OrganizationFactory(slug="acme")
    _member(organization, "alice", "owner")
    invitation = InvitationFactory(organization=organization, email=NINA, role="editor")
    person = UserFactory(email=NINA) if has_account else None
    barrier, statuses = threading.Barrier(4), []

    def accept():
        client = browser_of(person) if person else PersonClient(raise_request_exception=False)
        barrier.wait()
        try:
            statuses.append(client.post(link(invitation), JOIN).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=accept) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timedelta(seconds=30).total_seconds())
    assert statuses.count(302) == 1, statuses
    assert set(statuses) <= {302, 404, 409, 200}
    assert Membership.objects.filter(organization=organization, user__email=NINA).count() == 1
    with tenant_scope(organization):
        assert AuditEvent.objects.filter(action="member.added").count() == 1
