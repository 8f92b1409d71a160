import datetime
import re
from smtplib import SMTPException

import pytest
from django.core import mail, signing
from django.utils import timezone

from orgs.models import User
from orgs.services import email_confirmation
from orgs.services.email_confirmation import EmailNotConfirmed, require_confirmed_email, send_confirmation, token_for
from tests.conftest import PersonClient, browser_of
from tests.factories import MembershipFactory, UserFactory


@pytest.fixture
def newcomer(acme):
    """A member who has not opened the link yet."""
    person = UserFactory(email="vera@acme.example", name="vera", email_confirmed_at=None)
    MembershipFactory(organization=acme, user=person, role="admin")
    return person


@pytest.fixture
def visitor(db):
    return PersonClient(raise_request_exception=False)


def link(person):
    return f"/confirm/{token_for(person)}"


def is_confirmed(person):
    return User.objects.get(pk=person.pk).email_confirmed_at is not None


def test_the_mail_holds_the_link_as_text_and_as_html(newcomer):
    assert send_confirmation(newcomer)
    message = mail.outbox[0]
    assert message.subject == "Confirm your e-mail address"
    address = re.search(r"http://\S+/confirm/\S+", message.body)[0]
    assert address in message.alternatives[0].content
    assert "3 days" in message.body


def test_opening_the_link_asks_and_the_button_confirms(visitor, newcomer):
    page = visitor.get(link(newcomer))
    assert "Is this your address?" in page.content.decode()
    assert not is_confirmed(newcomer)
    visitor.post(link(newcomer))
    assert is_confirmed(newcomer)


def test_opening_it_again_changes_nothing(visitor, newcomer):
    visitor.post(link(newcomer))
    at = User.objects.get(pk=newcomer.pk).email_confirmed_at
    assert "is confirmed" in visitor.get(link(newcomer)).content.decode()
    visitor.post(link(newcomer))
    assert User.objects.get(pk=newcomer.pk).email_confirmed_at == at


@pytest.mark.parametrize("method", ["get", "post"])
def test_forged_old_and_outdated_links_confirm_nobody(visitor, newcomer, method, monkeypatch):
    good = token_for(newcomer)
    moved = token_for(User(pk=newcomer.pk, email="before@acme.example"))
    for token in (good[:-2] + "xx", "made-up", moved):
        assert getattr(visitor, method)(f"/confirm/{token}").status_code == 400
    monkeypatch.setattr(email_confirmation, "VALID_FOR", datetime.timedelta(seconds=-1))
    assert getattr(visitor, method)(f"/confirm/{good}").status_code == 400
    assert not is_confirmed(newcomer)


def test_a_link_for_something_else_confirms_nobody(visitor, newcomer):
    token = signing.dumps({"user": newcomer.pk, "email": newcomer.email}, salt="another purpose")
    assert visitor.get(f"/confirm/{token}").status_code == 400


def test_until_then_a_banner_offers_to_send_it_again(newcomer):
    client = browser_of(newcomer)
    assert "Send it again" in client.get("/o/acme/start/").content.decode()
    response = client.post("/account/confirm", {"next": "/o/acme/start/"})
    assert response["Location"] == "/o/acme/start/"
    assert mail.outbox[0].to == ["vera@acme.example"]
    User.objects.filter(pk=newcomer.pk).update(email_confirmed_at=timezone.now())
    assert "Send it again" not in client.get("/o/acme/start/").content.decode()


def test_who_is_confirmed_gets_no_mail(alice_client):
    alice_client.post("/account/confirm")
    assert mail.outbox == []


def test_a_mail_server_that_is_down_is_told_and_breaks_nothing(newcomer, monkeypatch, caplog):
    def refuse(self):
        raise SMTPException("down")

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", refuse)
    client = browser_of(newcomer)
    client.post("/account/confirm", {"next": "/o/acme/start/"})
    assert "could not be sent" in client.get("/o/acme/start/").content.decode()
    assert "could not be sent" in caplog.text


def test_what_reaches_others_waits_for_the_confirmation(newcomer, acme):
    with pytest.raises(EmailNotConfirmed):
        require_confirmed_email(newcomer)
    response = browser_of(newcomer).post("/o/acme/settings/address", {"slug": "acme-data"})
    assert response.status_code == 400
    assert "Open the link in the mail" in response.content.decode()
    acme.refresh_from_db()
    assert acme.slug == "acme"
