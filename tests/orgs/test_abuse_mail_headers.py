"""No name, address or key that somebody types becomes a header, a recipient or a second mail."""

from __future__ import annotations

import datetime
import email
import email.policy

import pytest
from django.core import mail
from django.utils import timezone

from billing.mails import mail_plan_ended
from orgs.models import Invitation, Organization, User
from orgs.services.key_warnings import mail_warning
from orgs.services.passwords import send_reset_link
from orgs.services.suspension import tell_owners
from tests.conftest import PersonClient, browser_of
from tests.factories import ApiKeyFactory

PASSWORD = "correct horse battery"
INJECTIONS = [
    "Acme\r\nBcc: all@evil.example",
    "Acme\nBcc: all@evil.example",
    "Acme\rBcc: all@evil.example",
    "Acme\r\n\r\nAnother body",
    "Acme\n\nAnother body",
    "Acme\r\n Bcc: all@evil.example",
    "Acme\r\n\tBcc: all@evil.example",
    "Acme\x0bBcc: all@evil.example",
    "Acme\x0cBcc: all@evil.example",
    "Acme\x85Bcc: all@evil.example",
    "Acme\u2028Bcc: all@evil.example",
    "Acme\u2029Bcc: all@evil.example",
    "Acme\x1cBcc: all@evil.example",
    "\r\nSubject: Another",
    "Acme%0d%0aBcc: all@evil.example",
    "Acme\\r\\nBcc: all@evil.example",
    "=?utf-8?q?Acme=0d=0aBcc:_all@evil.example?=",
    "Acme\r\nContent-Type: text/html\r\n\r\n<script>",
    "Acme\r\n--boundary",
    "Acme <all@evil.example>, x",
]
ADDRESSES = [
    "nina@new.example\r\nBcc: all@evil.example",
    "nina@new.example\nBcc: all@evil.example",
    "nina@new.example\rBcc: all@evil.example",
    "nina@new.example%0aBcc:all@evil.example",
    "nina@new.example,all@evil.example",
    "nina@new.example;all@evil.example",
    "nina@new.example all@evil.example",
    "<all@evil.example> nina@new.example",
    '"nina\r\nBcc: all@evil.example"@new.example',
    "nina@new.example\u2028all@evil.example",
    "nina@new.example\x0ball@evil.example",
    "nina@[evil.example\r\n]",
    "Nina <nina@new.example>",
    "all@evil.example?cc=nina@new.example",
]
HEADERS = {"Content-Type", "MIME-Version", "Subject", "From", "To", "Date", "Message-ID"}
numbered = {"ids": lambda value: ascii(value)[:45]}


def assert_harmless(to: set[str] | None = None) -> None:
    """Every mail has one of each header and no other, and goes to whom it is for."""
    for message in mail.outbox:
        parsed = email.message_from_bytes(message.message().as_bytes(), policy=email.policy.default)
        assert set(parsed.keys()) == HEADERS
        assert len(parsed.keys()) == len(HEADERS)
        assert len(str(parsed["Subject"]).splitlines()) == 1
        assert [part.get_content_type() for part in parsed.walk()] == [
            "multipart/alternative", "text/plain", "text/html"
        ]  # fmt: skip
        assert len(message.recipients()) == 1
        assert "evil.example" not in message.recipients()[0]
        assert to is None or set(message.recipients()) <= to
        assert "<script>" not in message.alternatives[0].content
        # In a text mail a name cannot begin a line of its own that looks like ours.
        assert not [line for line in message.body.splitlines() if line.startswith(("Bcc:", "Another body"))]


@pytest.fixture
def committed(django_capture_on_commit_callbacks):
    """Mails leave after the commit."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.mark.parametrize("name", INJECTIONS, **numbered)
def test_a_name_given_at_sign_up_stays_a_name(name, db, committed):
    form = {
        "email": "nina@new.example",
        "password": PASSWORD,
        "organization_name": name,
        "slug": "new-one",
        "name": name,
    }
    with committed():
        response = PersonClient(raise_request_exception=False).post("/signup", form)
    assert response.status_code in {302, 400}
    assert_harmless(to={"nina@new.example"})
    assert len(mail.outbox) == (1 if response.status_code == 302 else 0)


@pytest.mark.parametrize("address", ADDRESSES, **numbered)
def test_an_address_given_at_sign_up_is_one_address(address, db, committed):
    form = {"email": address, "password": PASSWORD, "organization_name": "New", "slug": "new-one"}
    with committed():
        response = PersonClient(raise_request_exception=False).post("/signup", form)
    assert response.status_code == 400
    assert mail.outbox == []
    assert not User.objects.exists()


@pytest.mark.parametrize("name", INJECTIONS, **numbered)
def test_an_organizations_new_name_stays_a_name_in_its_invitations(name, acme, alice_client, api, committed):
    form = {"name": name, "ingest_admission": "all", "store_sql": "no", "store_source_code": "no"}
    alice_client.post("/o/acme/settings/", {**form, "max_key_age_days": "90"})
    api.patch("/api/v1/organizations/me", {"name": name})
    with committed():
        alice_client.post("/o/acme/settings/members/", {"email": "nina@new.example", "role": "viewer"})
    assert len(mail.outbox) == 1
    assert_harmless(to={"nina@new.example"})


@pytest.mark.parametrize("name", INJECTIONS, **numbered)
def test_a_name_that_got_into_the_database_stays_one_in_every_mail(name, acme, alice, committed):
    """Whatever a form refuses today may have been stored yesterday."""
    Organization.objects.filter(pk=acme.pk).update(name=name)
    acme.refresh_from_db()
    api_key = ApiKeyFactory(organization=acme, name=name, expires_at=timezone.now() + datetime.timedelta(days=1))
    alice.name = name
    alice.set_password(PASSWORD)
    alice.save()
    browser = browser_of(alice)
    with committed():
        browser.post("/o/acme/settings/members/", {"email": "nina@new.example", "role": "viewer"})
        User.objects.update(email_confirmed_at=None)
        browser.post("/account/confirm")
        browser.post("/account/email", {"current": PASSWORD, "email": "alice@new.example"})
        send_reset_link(email=alice.email)
        mail_warning(organization_id=acme.pk, person_id=alice.pk, days_by_key={str(api_key.pk): 1})
        mail_plan_ended(acme, "Team")
        tell_owners(acme, "suspended", f"is suspended {name}", reason="asked for")
    assert len(mail.outbox) == 7
    assert_harmless(to={alice.email, "nina@new.example", "alice@new.example"})


@pytest.mark.parametrize("address", ADDRESSES, **numbered)
def test_an_invited_address_is_one_address(address, alice_client, api, acme, committed):
    with committed():
        assert alice_client.post("/o/acme/settings/members/", {"email": address, "role": "viewer"}).status_code == 400
        assert api.post("/api/v1/invitations/", {"email": address, "role": "viewer"}).status_code == 400
    assert mail.outbox == []
    assert not Invitation.objects.exists()


@pytest.mark.parametrize("address", ADDRESSES, **numbered)
def test_a_new_address_of_a_person_is_one_address(address, alice, committed):
    alice.set_password(PASSWORD)
    alice.save()
    with committed():
        browser = browser_of(alice)
        assert browser.post("/account/email", {"current": PASSWORD, "email": address}).status_code == 400
        assert browser.post("/reset", {"email": address}).status_code == 400
    assert mail.outbox == []


@pytest.mark.parametrize("role", ["viewer\r\nBcc: all@evil.example", "owner\n", "\r\nviewer"], **numbered)
def test_a_role_is_one_of_the_four(role, alice_client, api, acme, committed):
    with committed():
        form = {"email": "nina@new.example", "role": role}
        assert alice_client.post("/o/acme/settings/members/", form).status_code == 400
        assert api.post("/api/v1/invitations/", form).status_code == 400
    assert mail.outbox == []


@pytest.mark.parametrize("slug", ["acme\r\nBcc: x", "acme\n", "\nacme", "acme%0d%0a", "acme\u2028x"], **numbered)
def test_a_slug_is_a_label_and_nothing_else(slug, alice_client, api, acme):
    assert alice_client.post("/o/acme/settings/address", {"slug": f"{slug}"}).status_code in {302, 400}
    acme.refresh_from_db()
    assert acme.slug.isascii()
    assert acme.slug.replace("-", "").isalnum()


@pytest.mark.parametrize("host", ["evil.example", "testserver\r\nBcc: x", "testserver:80@evil.example"], **numbered)
def test_the_host_of_a_request_reaches_no_mail(host, alice, committed):
    """Links in mails begin with the address the server was given, whatever the browser calls it."""
    User.objects.filter(pk=alice.pk).update(email_confirmed_at=None)
    with committed():
        for headers in ({"Host": host}, {"X-Forwarded-Host": host}):
            browser_of(alice).post("/account/confirm", headers=headers)
    assert len(mail.outbox) <= 1
    assert_harmless(to={alice.email})
    assert not [message for message in mail.outbox if "evil" in message.body]
