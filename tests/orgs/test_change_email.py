import datetime
import re

import pytest
from django.core import mail

from orgs.models import AuditEvent, User
from orgs.services import email_change
from orgs.tenancy import tenant_scope
from tests.conftest import PersonClient
from tests.factories import UserFactory

NEW, PASSWORD = "alice@new.example", "correct horse battery"


@pytest.fixture
def visitor(alice):
    return PersonClient(raise_request_exception=False)


def ask(client, email=NEW, current=PASSWORD, **more):
    return client.post("/account/email", {"email": email, "current": current, **more})


def mailed_link():
    return re.search(r"http://localhost\S*(/email/\S+)", mail.outbox[-1].body)[1]


def email_of(person):
    return User.objects.get(pk=person.pk).email


def test_the_link_at_the_new_address_changes_it_and_the_old_one_is_told(
    alice, alice_client, visitor, django_capture_on_commit_callbacks
):
    ask(alice_client, " Alice@NEW.example ")
    assert mail.outbox[0].to == [NEW]
    assert mailed_link() in mail.outbox[0].alternatives[0].content
    assert NEW in visitor.get(mailed_link()).content.decode()
    assert email_of(alice) == "alice@acme.example"
    link = mailed_link()
    with django_capture_on_commit_callbacks(execute=True):
        assert visitor.post(link).status_code == 302
    assert email_of(alice) == NEW
    assert mail.outbox[-1].to == ["alice@acme.example"]
    assert mail.outbox[-1].subject == "Your e-mail address was changed"
    assert visitor.post("/login", {"email": NEW, "password": PASSWORD})["Location"] == "/"


def test_it_is_remembered_with_both_addresses(alice_client, acme):
    ask(alice_client)
    alice_client.post(mailed_link())
    with tenant_scope(acme):
        event = AuditEvent.objects.as_rows().get()
        assert (event["action"], event["before"], event["after"]) == ("member.email_changed", None, None)
        assert event["subject__details"] == {"before": {"email": "alice@acme.example"}, "after": {"email": NEW}}


def test_a_link_works_once_and_not_after_a_new_password(alice, alice_client):
    ask(alice_client)
    link = mailed_link()
    alice_client.post(link)
    assert alice_client.post(link).status_code == 400
    ask(alice_client, "third@new.example")
    alice.set_password("a brand new pass phrase")
    User.objects.filter(pk=alice.pk).update(password=alice.password)
    assert alice_client.post(mailed_link()).status_code == 400
    assert email_of(alice) == NEW


@pytest.mark.parametrize("method", ["get", "post"])
def test_forged_and_old_links_change_nothing(alice, alice_client, method, monkeypatch):
    ask(alice_client)
    good = mailed_link()
    for link in (good[:-2] + "xx", "/email/made-up"):
        assert getattr(alice_client, method)(link).status_code == 400
    monkeypatch.setattr(email_change, "VALID_FOR", datetime.timedelta(seconds=-1))
    assert getattr(alice_client, method)(good).status_code == 400
    assert email_of(alice) == "alice@acme.example"


def test_an_address_with_an_account_is_told_to_its_reader_alone(alice, alice_client):
    UserFactory(email="taken@new.example")
    told = []
    for email in ("taken@new.example", "fresh@new.example"):
        response = ask(alice_client, email)
        told.append((response.status_code, alice_client.get("/account/").content.decode().count("is on its way")))
    assert told[0] == told[1] == (302, 1)
    link = re.search(r"http://localhost\S*(/email/\S+)", mail.outbox[0].body)[1]
    refused = alice_client.post(link)
    assert refused.status_code == 409
    assert "Another account" in refused.content.decode()
    assert email_of(alice) == "alice@acme.example"


@pytest.mark.parametrize(
    ("email", "current", "says"),
    [
        (NEW, "wrong horse battery", "not your current password"),
        ("nonsense", PASSWORD, "valid email"),
        ("a@b.example\r\nBcc: all@evil.example", PASSWORD, "valid email"),
    ],
)
def test_what_cannot_be_is_refused_and_mails_nobody(alice_client, email, current, says):
    response = ask(alice_client, email, current)
    assert response.status_code == 400
    assert says in response.content.decode()
    assert mail.outbox == []


def test_somebody_else_is_not_named_in_the_form(bob, alice_client):
    ask(alice_client, user=str(bob.pk), id=str(bob.pk))
    alice_client.post(mailed_link(), {"user": str(bob.pk), "email": "evil@evil.example"})
    assert email_of(bob) == "bob@acme.example"
    assert not User.objects.filter(email="evil@evil.example").exists()


def test_a_mail_server_that_is_down_is_told(alice_client, monkeypatch):
    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", lambda self: (_ for _ in ()).throw(OSError))
    ask(alice_client)
    assert "could not be sent" in alice_client.get("/account/").content.decode()
