"""A login from a browser that is new to the account is told by mail."""

import pytest
from django.core import mail
from procrastinate.contrib.django.models import ProcrastinateJob

from orgs.services.new_sign_in import SIGN_IN_TASK, mail_sign_in
from orgs.services.passwords import MailServerDown
from tests.conftest import PersonClient
from tests.orgs.second_factors import phone_of

PASSWORD = "correct horse battery"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def jobs():
    return [job.args for job in ProcrastinateJob.objects.filter(task_name=SIGN_IN_TASK).order_by("id")]


@pytest.fixture
def browser(db):
    return PersonClient(headers={"User-Agent": FIREFOX}, REMOTE_ADDR="198.51.100.7")


def log_in(client, user):
    return client.post("/login", {"email": user.email, "password": PASSWORD})


def test_a_new_browser_is_told_and_a_known_one_is_not(browser, alice):
    log_in(browser, alice)
    [told] = jobs()
    assert (told["person"], told["device"], told["address"]) == (alice.pk, "Firefox on Linux", "198.51.100.7")
    browser.post("/logout")
    log_in(browser, alice)
    assert len(jobs()) == 1
    log_in(PersonClient(), alice)
    assert len(jobs()) == 2


def test_the_mail_says_where_from_and_what_to_do(alice):
    mail_sign_in(person_id=alice.pk, device="Firefox on Linux", address="198.51.100.7", at="2026-11-21 06:00 UTC")
    [message] = mail.outbox
    assert (message.to, message.subject) == (["alice@acme.example"], "New sign-in to your account")
    assert "Firefox on Linux from 198.51.100.7 on 2026-11-21 06:00 UTC" in message.body
    assert "/reset" in message.body
    assert "/reset" in message.alternatives[0][0]


def test_with_a_second_factor_it_is_told_once_the_code_was_right(browser, alice):
    phone = phone_of(alice)
    log_in(browser, alice)
    assert jobs() == []
    browser.post("/login/code", {"code": "000000"})
    assert jobs() == []
    browser.post("/login/code", {"code": phone.code()})
    assert len(jobs()) == 1
    browser.post("/logout")
    log_in(browser, alice)
    browser.post("/login/code", {"code": phone.code(1)})
    assert len(jobs()) == 1


def test_a_wrong_password_is_not_told(browser, alice):
    browser.post("/login", {"email": alice.email, "password": "wrong horse battery"})
    assert jobs() == []


def test_the_browser_of_a_sign_up_is_no_news(browser):
    form = {"email": "new@example.com", "password": "a long pass phrase", "organization_name": "New", "slug": "new-one"}
    assert browser.post("/signup", form).status_code == 302
    assert jobs() == []


def test_somebody_elses_browser_is_new(browser, alice, bob):
    log_in(browser, alice)
    browser.post("/logout")
    log_in(browser, bob)
    assert [job["person"] for job in jobs()] == [alice.pk, bob.pk]


def test_an_account_that_ended_gets_no_mail(db):
    mail_sign_in(person_id=999_999, device="x", address="y", at="z")
    assert mail.outbox == []


def test_a_mail_server_that_is_down_is_tried_again(alice, monkeypatch):
    monkeypatch.setattr("orgs.services.new_sign_in.send_mail", lambda *args, **kwargs: False)
    with pytest.raises(MailServerDown):
        mail_sign_in(person_id=alice.pk, device="x", address="y", at="z")
