import re
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from orgs.models import AuditEvent, Invitation, Organization, User
from orgs.services import invitations
from orgs.services.invitations import digest_of
from orgs.tenancy import tenant_scope
from tests.conftest import _member, browser_of
from tests.factories import InvitationFactory

MEMBERS = "/o/acme/settings/members/"
PATH = "/api/v1/invitations/"
NEW = {"email": "nina@new.example", "role": "editor"}


@pytest.fixture
def ada(acme):
    return _member(acme, "ada", "admin")


@pytest.fixture
def ada_client(ada):
    return browser_of(ada)


def actions(organization):
    with tenant_scope(organization):
        return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


def token_in(message):
    return re.search(r"http://localhost\S*/invitations/(\S+)", message.body)[1]


def test_an_invitation_is_mailed_as_text_and_html(alice_client, acme, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        assert alice_client.post(MEMBERS, NEW | {"email": " Nina@NEW.example "})["Location"] == MEMBERS
    invitation = Invitation.objects.get()
    assert (invitation.email, invitation.role, invitation.organization) == ("nina@new.example", "editor", acme)
    message = mail.outbox[0]
    assert (message.to, message.subject) == (["nina@new.example"], "Join Acme on DataXPipe")
    assert token_in(message) in message.alternatives[0].content
    assert bytes(invitation.digest) == digest_of(token_in(message))
    assert invitation.mailed_at is not None
    assert actions(acme) == ["invitation.created"]
    assert "nina@new.example" in alice_client.get(MEMBERS).content.decode()


def test_the_link_holds_256_bits_and_is_kept_nowhere(api, acme, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        answer = api.post(PATH, NEW)
    token = token_in(mail.outbox[0])
    assert len(token) == 43
    assert token not in answer.content.decode()
    assert token not in str(Invitation.objects.values().get())
    with tenant_scope(acme):
        assert token not in str(list(AuditEvent.objects.values()))


def test_a_key_invites_lists_and_revokes(api, acme):
    answer = api.post(PATH, NEW)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["email"], made["role"], made["status"]) == ("nina@new.example", "editor", "pending")
    assert api.get(PATH).json()["results"] == [made]
    assert api.delete(f"{PATH}{made['id']}").status_code == 204
    assert api.get(PATH).json()["results"][0]["status"] == "revoked"
    again = api.delete(f"{PATH}{made['id']}")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/invitation-closed")
    assert actions(acme) == ["invitation.created", "invitation.revoked"]


def test_a_repeat_with_the_same_idempotency_key_invites_and_mails_once(api, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        first = api.post(PATH, NEW, headers={"Idempotency-Key": "one"})
        again = api.post(PATH, NEW, headers={"Idempotency-Key": "one"})
    assert again.json() == first.json()
    assert len(mail.outbox) == Invitation.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"email": "nonsense"}, {"email": ""}, {"email": 5}, {"role": "king"}, {"role": ""}, {"role": None},
        {"email": "a@b.example\r\nBcc: all@evil.example"}, {"email": "a@b.example, c@d.example"},
        {"organization": "globex"}, {"organization_id": 1}, {"id": "x"}, {"invited_by": 1}, {"plan": "business"},
        {"expires_at": "2099-01-01"}, {"accepted_at": None},
    ],
)  # fmt: skip
def test_what_makes_no_sense_or_is_not_asked_for_is_refused(api, acme, change, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        answer = api.post(PATH, NEW | change)
    assert answer.status_code == 400, answer.content
    assert not Invitation.objects.exists()
    assert mail.outbox == []
    assert actions(acme) == []


def test_fields_that_are_not_in_the_form_change_nothing(alice_client, acme, globex, gary):
    more = {"organization": globex.pk, "organization_id": globex.pk, "invited_by": gary.pk, "expires_at": "2099-01-01"}
    alice_client.post(MEMBERS, NEW | more)
    invitation = Invitation.objects.get()
    assert (invitation.organization, invitation.invited_by.email) == (acme, "alice@acme.example")
    assert invitation.expires_at < timezone.now() + timedelta(days=8)


def test_members_and_invited_addresses_are_not_invited_again(api, bob):
    assert api.post(PATH, NEW | {"email": "bob@acme.example"}).json()["type"] == "/problems/already-member"
    assert api.post(PATH, NEW).status_code == 201
    assert api.post(PATH, NEW | {"role": "viewer"}).json()["type"] == "/problems/already-invited"
    assert Invitation.objects.count() == 1


def test_the_address_of_another_organizations_member_can_be_invited(api, gary):
    assert api.post(PATH, NEW | {"email": "gary@globex.example"}).status_code == 201


def test_what_ran_out_or_was_revoked_makes_room_for_a_new_one(api, acme):
    InvitationFactory(organization=acme, email=NEW["email"], expires_at=timezone.now() - timedelta(seconds=1))
    assert api.post(PATH, NEW).status_code == 201
    api.delete(f"{PATH}{Invitation.objects.usable().get().pk}")
    assert api.post(PATH, NEW).status_code == 201


def test_neither_admins_nor_keys_invite_owners(api, ada_client):
    assert api.post(PATH, NEW | {"role": "owner"}).status_code == 403
    assert ada_client.post(MEMBERS, NEW | {"role": "owner"}).status_code == 400
    assert not Invitation.objects.exists()


def test_owners_invite_owners_and_admins_do_not_touch_these(alice_client, ada_client):
    alice_client.post(MEMBERS, NEW | {"role": "owner"})
    invitation = Invitation.objects.get()
    for what in ("resend", "revoke"):
        assert ada_client.post(f"/o/acme/settings/invitations/{invitation.pk}/{what}").status_code == 403
    assert Invitation.objects.get().revoked_at is None


def test_whoever_has_not_confirmed_the_own_address_invites_nobody(alice, alice_client):
    User.objects.filter(pk=alice.pk).update(email_confirmed_at=None)
    response = alice_client.post(MEMBERS, NEW)
    assert response.status_code == 400
    assert "Open the link in the mail" in response.content.decode()
    assert not Invitation.objects.exists()


def test_sending_again_makes_a_new_link_and_ends_the_old_one(alice_client, acme, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        alice_client.post(MEMBERS, NEW)
    Invitation.objects.update(mailed_at=timezone.now() - timedelta(hours=1))
    path = f"/o/acme/settings/invitations/{Invitation.objects.get().pk}/resend"
    with django_capture_on_commit_callbacks(execute=True):
        assert alice_client.post(path)["Location"] == MEMBERS
    first, second = map(token_in, mail.outbox)
    visitor = browser_of(_member(acme, "someone", "viewer"))
    assert visitor.get(f"/invitations/{first}").status_code == 404
    assert visitor.get(f"/invitations/{second}").status_code == 200
    assert actions(acme) == ["invitation.created", "invitation.resent"]


def test_an_address_is_not_mailed_twice_within_minutes(alice_client, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        alice_client.post(MEMBERS, NEW)
    with django_capture_on_commit_callbacks(execute=True):
        alice_client.post(f"/o/acme/settings/invitations/{Invitation.objects.get().pk}/resend")
    assert len(mail.outbox) == 1
    assert "less than five minutes ago" in alice_client.get(MEMBERS).content.decode()


def test_a_hundred_addresses_a_day_are_enough(api, acme, monkeypatch):
    monkeypatch.setattr(invitations, "MOST_A_DAY", 2)
    InvitationFactory.create_batch(2, organization=acme, revoked_at=timezone.now())
    answer = api.post(PATH, NEW)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/too-many-invitations")
    assert Invitation.objects.count() == 2


def test_a_mail_server_that_is_down_leaves_the_invitation_to_be_sent_again(
    alice_client, monkeypatch, django_capture_on_commit_callbacks
):
    def refuse(self):
        raise OSError("down")

    with monkeypatch.context() as down, django_capture_on_commit_callbacks(execute=True):
        down.setattr("django.core.mail.EmailMultiAlternatives.send", refuse)
        alice_client.post(MEMBERS, NEW)
    assert Invitation.objects.get().mailed_at is None
    assert "not yet" in alice_client.get(MEMBERS).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        alice_client.post(f"/o/acme/settings/invitations/{Invitation.objects.get().pk}/resend")
    assert mail.outbox[0].to == ["nina@new.example"]


def test_names_stay_text_and_reach_no_header(alice, alice_client, acme, django_capture_on_commit_callbacks):
    evil = "<img src=x onerror=alert(1)>\r\nBcc: all@evil.example\r\n\r\nhello"
    Organization.objects.filter(pk=acme.pk).update(name=evil)
    User.objects.filter(pk=alice.pk).update(name=evil)
    with django_capture_on_commit_callbacks(execute=True):
        alice_client.post(MEMBERS, NEW)
    message = mail.outbox[0]
    assert message.message()["Bcc"] is None
    assert "\nBcc" not in message.body
    assert "<img" not in message.alternatives[0].content
    assert "<img src" not in alice_client.get(MEMBERS).content.decode()


def test_another_organizations_invitations_are_out_of_reach(api, alice_client, globex):
    foreign = InvitationFactory(organization=globex)
    assert api.get(PATH).json()["results"] == []
    assert api.delete(f"{PATH}{foreign.pk}").status_code == 404
    for what in ("resend", "revoke"):
        assert alice_client.post(f"/o/acme/settings/invitations/{foreign.pk}/{what}").status_code == 404
    assert Invitation.objects.get().status == "pending"


def test_a_list_of_50_takes_as_many_queries_as_one_of_1(api, acme, django_assert_num_queries):
    InvitationFactory(organization=acme)
    api.get(PATH)
    # Key and organization, the scope (savepoint, what was set, set, release, set back), the page.
    with django_assert_num_queries(7):
        assert len(api.get(PATH).json()["results"]) == 1
    InvitationFactory.create_batch(49, organization=acme)
    with django_assert_num_queries(7):
        assert len(api.get(PATH).json()["results"]) == 50
