"""Guessing is slow, for one address and for many; the owner is not locked out, and nobody learns who has an account."""

from __future__ import annotations

import datetime
import ipaddress
import re

import pytest
from django.core import mail
from django.utils import timezone

from orgs import attempts
from orgs.attempts import BROWSER_COOKIE, LOGIN, NEW_ORGANIZATION
from orgs.models import Invitation, RateCounter, User
from orgs.services.invitations import digest_of
from orgs.services.passwords import reset_token
from tests.conftest import PersonClient, browser_of
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("limits")]

RIGHT, WRONG = "correct horse battery", "wrong horse battery"
ALICE = "alice@acme.example"


def visitor(address="198.51.100.1"):
    return PersonClient(raise_request_exception=False, REMOTE_ADDR=address)


def log_in(client, email=ALICE, password=WRONG):
    return client.post("/login", {"email": email, "password": password})


def fail(times, client, **kwargs):
    return [log_in(client, **kwargs).status_code for _ in range(times)]


def test_ten_guesses_at_an_account_from_one_address_then_one_waits(alice):
    client = visitor()
    assert fail(10, client) == [400] * 10
    response = log_in(client, password=RIGHT)
    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= 600
    page = response.content.decode()
    assert "Too many attempts" in page
    assert re.search(r"Wait (\d+m )?\d+s and try again", page)


def test_a_refused_login_is_no_login(alice):
    client = visitor()
    fail(10, client)
    log_in(client, password=RIGHT)
    assert client.get("/o/acme/start/").status_code == 302


def test_the_owner_elsewhere_gets_in_meanwhile(alice):
    fail(11, visitor())
    assert log_in(visitor("203.0.113.9"), password=RIGHT).status_code == 302


def test_another_account_from_there_too(alice, bob):
    client = visitor()
    fail(11, client)
    assert log_in(client, email="bob@acme.example", password=RIGHT).status_code == 302


def test_an_account_that_does_not_exist_is_limited_and_answered_alike(alice):
    answers = []
    for email in (ALICE, "nobody@acme.example"):
        client = visitor()
        answers.append(fail(12, client, email=email))
        page = log_in(client, email=email).content.decode()
        answers.append(re.sub(r"<code>\w+</code>|\d+m \d+s|value=\"\w{64}\"", "", page))
    assert answers[0] == answers[2]
    assert answers[1] == answers[3]


def test_upper_case_and_blanks_are_the_same_account(alice):
    client = visitor()
    fail(10, client)
    assert log_in(client, email=" ALICE@Acme.EXAMPLE ").status_code == 429


def test_one_address_tries_few_accounts(monkeypatch):
    monkeypatch.setattr(attempts, "_digest", lambda text: text[:60])
    client = visitor()
    statuses = [log_in(client, email=f"person-{number}@acme.example").status_code for number in range(102)]
    assert statuses == [400] * 100 + [429] * 2


def test_an_ipv6_customer_is_one_address(alice):
    for number in range(10):
        assert log_in(visitor(f"2001:db8::{number + 1:x}")).status_code == 400
    assert log_in(visitor("2001:db8::ffff")).status_code == 429
    assert log_in(visitor("2001:db8:0:1::1")).status_code == 400


def test_an_address_that_the_caller_makes_up_is_not_believed(alice, settings):
    settings.TRUSTED_PROXIES = []
    client = visitor()
    for number in range(11):
        form = {"email": ALICE, "password": WRONG}
        response = client.post("/login", form, headers={"X-Forwarded-For": f"192.0.2.{number}"})
    assert response.status_code == 429


def test_behind_a_trusted_proxy_everybody_has_an_address_of_their_own(alice, settings):
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("198.51.100.1")]
    client = visitor()
    for number in range(11):
        form = {"email": ALICE, "password": WRONG}
        response = client.post("/login", form, headers={"X-Forwarded-For": f"192.0.2.{number}"})
    assert response.status_code == 400


def from_everywhere(count, email=ALICE):
    return [log_in(visitor(f"203.0.113.{number}"), email=email).status_code for number in range(count)]


def test_many_addresses_together_guess_fifty_times_an_hour(alice):
    assert from_everywhere(52) == [400] * 50 + [429] * 2


def test_they_do_not_lock_out_a_browser_that_was_in_before(alice):
    home = visitor("192.0.2.7")
    assert log_in(home, password=RIGHT).status_code == 302
    home.post("/logout")
    from_everywhere(51)
    assert log_in(visitor("192.0.2.8"), password=RIGHT).status_code == 429
    assert log_in(home, password=RIGHT).status_code == 302


def test_nor_one_whose_owner_opens_the_mailed_link(alice):
    from_everywhere(51)
    home = visitor("192.0.2.7")
    assert home.post(f"/reset/{reset_token(alice)}", {"password": "staple battery horse"}).status_code == 302
    assert log_in(home, password="staple battery horse").status_code == 302


def test_a_known_browser_guesses_no_faster(alice):
    home = visitor()
    log_in(home, password=RIGHT)
    home.post("/logout")
    assert fail(21, home) == [400] * 20 + [429]


def test_a_browser_is_known_for_the_account_that_logged_in_and_for_no_other(alice, bob):
    """Else everybody with an account had as many guesses at another as he likes."""
    client = visitor()
    log_in(client, email="bob@acme.example", password=RIGHT)
    client.post("/login", {"email": ALICE, "password": WRONG})  # is in already, and led on
    client.post("/logout")
    assert fail(11, client)[-1] == 429


@pytest.mark.parametrize("cookie", ["", "x", "eyJhIjoxfQ:1:2"])
def test_a_forged_cookie_makes_nothing_known(alice, cookie):
    client = visitor()
    client.cookies[BROWSER_COOKIE] = cookie
    assert fail(11, client)[-1] == 429


def test_who_knows_the_password_did_not_guess(alice):
    client = visitor()
    for _ in range(LOGIN.by_account_here.limit + 5):
        client.cookies.clear()
        assert log_in(client, password=RIGHT).status_code == 302


def test_forms_of_other_sites_and_looking_at_the_form_do_not_count(alice):
    client = PersonClient(enforce_csrf_checks=True, raise_request_exception=False)
    for _ in range(12):
        assert log_in(client).status_code == 403
        assert client.get("/login").status_code == 200
    assert not RateCounter.objects.exists()


def test_no_address_is_kept_as_it_was_typed(alice):
    fail(1, visitor())
    assert not RateCounter.objects.filter(key__contains="acme").exists()
    assert not RateCounter.objects.filter(key__contains="198.51").exists()


def test_asking_for_a_new_password_is_limited_alike_for_all(alice):
    for email in (ALICE, "nobody@acme.example"):
        client = visitor()
        assert [client.post("/reset", {"email": email}).status_code for _ in range(6)] == [200] * 5 + [429]


def test_signing_up_is_limited_by_address():
    client = visitor()
    statuses = []
    for number in range(21):
        form = {"email": f"p{number}@example.com", "password": "short", "organization_name": "X"}
        statuses.append(client.post("/signup", form).status_code)
    assert statuses == [400] * 20 + [429]


def test_setting_a_new_password_by_a_link_is_limited_by_link(alice):
    client, path = visitor(), f"/reset/{reset_token(alice)}"
    assert [client.post(path, {"password": "short"}).status_code for _ in range(11)] == [400] * 10 + [429]


def test_confirmation_mails_are_limited_by_person(alice):
    User.objects.filter(pk=alice.pk).update(email_confirmed_at=None)
    client = browser_of(alice)
    assert [client.post("/account/confirm").status_code for _ in range(6)] == [302] * 5 + [429]
    assert len(mail.outbox) == 5


@pytest.mark.parametrize("path", ["/account/password", "/account/email"])
def test_the_current_password_is_not_guessed_from_a_session_either(alice_client, path):
    form = {"current": WRONG, "password": "staple battery horse", "email": "other@acme.example"}
    assert [alice_client.post(path, form).status_code for _ in range(11)] == [400] * 10 + [429]


def test_accepting_an_invitation_is_limited(acme):
    Invitation.objects.create(
        organization=acme, email="nina@example.com", role="viewer", digest=digest_of("t0ken"), invited_by_label="alice",
        expires_at=timezone.now() + datetime.timedelta(days=1),
    )  # fmt: skip
    client = visitor()
    form = {"password": "short"}
    assert [client.post("/invitations/t0ken", form).status_code for _ in range(11)] == [400] * 10 + [429]


def test_unknown_invitations_are_limited_by_address():
    client = visitor()
    statuses = [client.post(f"/invitations/{number}").status_code for number in range(61)]
    assert statuses == [404] * 60 + [429]


def test_without_limits_nobody_waits(alice, settings):
    settings.RATELIMIT_ENABLE = False
    assert fail(12, visitor()) == [400] * 12


def test_a_new_person_gets_a_known_browser_by_signing_up():
    client = visitor()
    form = {"email": "nina@example.com", "password": RIGHT, "organization_name": "Umbrella"}
    assert client.post("/signup", form).status_code == 302
    assert BROWSER_COOKIE in client.cookies
    assert UserFactory._meta.model.objects.filter(email="nina@example.com").exists()


def test_addresses_of_organizations_are_not_taken_by_the_hundred(alice):
    client, limit = browser_of(alice), NEW_ORGANIZATION.by_account.limit
    codes = [
        client.post("/organizations/new", {"organization_name": f"Taken {number}"}).status_code
        for number in range(limit + 1)
    ]
    assert set(codes[:-1]) == {302}
    assert codes[-1] == 429
