"""Coming in with a second factor: the password first, then a code of the app or a recovery code, each once."""

import datetime
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from orgs.actors import Actor
from orgs.models import AuditEvent, SecondFactor
from orgs.services.passwords import reset_token
from orgs.services.second_factor import CodeWrong, require_code
from orgs.tenancy import tenant_scope
from tests.conftest import PersonClient, browser_of
from tests.orgs.second_factors import phone_of

PASSWORD = "correct horse battery"


@pytest.fixture
def phone(bob):
    return phone_of(bob)


@pytest.fixture
def visitor(phone):
    client = PersonClient(raise_request_exception=False)
    answer = client.post("/login", {"email": "bob@acme.example", "password": PASSWORD, "next": "/o/acme/start/"})
    assert answer["Location"] == "/login/code?next=%2Fo%2Facme%2Fstart%2F"
    return client


def show(client, code, **more):
    return client.post("/login/code", {"code": code, **more})


def is_in(client):
    return client.get("/account/").status_code == 200


def later(monkeypatch, **distance):
    moment = timezone.now() + datetime.timedelta(**distance)
    monkeypatch.setattr(timezone, "now", lambda: moment)


def test_the_password_alone_does_not_let_in(visitor):
    assert not is_in(visitor)
    page = visitor.get("/login/code?next=/o/acme/start/").content.decode()
    assert 'autocomplete="one-time-code"' in page
    assert 'inputmode="numeric"' in page


def test_the_code_lets_in_and_leads_to_what_was_wanted(visitor, phone):
    before = visitor.session.session_key
    assert show(visitor, phone.code(), next="/o/acme/start/")["Location"] == "/o/acme/start/"
    assert is_in(visitor)
    assert visitor.session.session_key != before


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_clocks_may_differ_by_half_a_minute(visitor, phone, steps):
    assert show(visitor, phone.code(steps)).status_code == 302


@pytest.mark.parametrize("steps", [-3, 3])
def test_but_not_by_much_more(visitor, phone, steps):
    assert show(visitor, phone.code(steps)).status_code == 400
    assert not is_in(visitor)


def test_blanks_in_the_code_are_fine(visitor, phone):
    code = phone.code()
    assert show(visitor, f" {code[:3]} {code[3:]} ").status_code == 302


def test_a_code_works_once(visitor, phone, bob):
    code = phone.code()
    show(visitor, code)
    again = PersonClient()
    again.post("/login", {"email": "bob@acme.example", "password": PASSWORD})
    assert show(again, code).status_code == 400
    assert show(again, phone.code(1)).status_code == 302


def test_an_older_code_does_not_work_after_a_newer_one(visitor, phone):
    show(visitor, phone.code())
    again = PersonClient()
    again.post("/login", {"email": "bob@acme.example", "password": PASSWORD})
    assert show(again, phone.code(-1)).status_code == 400


@pytest.mark.django_db(transaction=True)
def test_a_recovery_code_that_is_sent_many_times_at_once_lets_in_once(bob, phone):
    def attempt(_):
        try:
            require_code(user=bob, code=phone.recovery_codes[0], actor=Actor.system("test"))
        except CodeWrong:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(attempt, range(4))) == 1


def test_a_recovery_code_lets_in_once_and_is_told(visitor, phone, bob, acme, django_capture_on_commit_callbacks):
    page = visitor.get("/login/code?recovery=1").content.decode()
    assert "Use a recovery code" in page
    code = phone.recovery_codes[3]
    with django_capture_on_commit_callbacks(execute=True):
        assert show(visitor, code.upper().replace("-", " ")).status_code == 302
    assert is_in(visitor)
    assert SecondFactor.objects.get(user=bob).recovery_codes_left == 9
    assert mail.outbox[-1].subject == "A recovery code was used"
    assert "9 are left" in mail.outbox[-1].body
    with tenant_scope(acme):
        event = AuditEvent.objects.order_by("-id").first()
        assert (event.action, event.after) == ("member.recovery_code_used", {"left": 9})
    again = PersonClient()
    again.post("/login", {"email": "bob@acme.example", "password": PASSWORD})
    assert show(again, code).status_code == 400


def test_few_recovery_codes_left_are_told(visitor, phone, bob, django_capture_on_commit_callbacks):
    factor = SecondFactor.objects.get(user=bob)
    SecondFactor.objects.filter(user=bob).update(recovery_digests=factor.recovery_digests[:4])
    with django_capture_on_commit_callbacks(execute=True):
        show(visitor, phone.recovery_codes[0])
    assert "Take new ones" in mail.outbox[-1].body


@pytest.mark.parametrize("code", ["000000", "", "abcdef", "\uff11" * 6, "9" * 39, "a-b-c", "\x00", "0b11"])
def test_a_wrong_code_does_not(visitor, code):
    response = show(visitor, code)
    assert response.status_code == 400
    assert not is_in(visitor)


def test_after_five_wrong_codes_none_is_looked_at_for_a_while(visitor, phone, monkeypatch):
    for _ in range(5):
        assert show(visitor, "000000").status_code == 400
    refused = show(visitor, phone.code())
    assert refused.status_code == 429
    assert "Wait" in refused.content.decode()
    later(monkeypatch, seconds=31)
    assert show(visitor, phone.code()).status_code == 302


def test_each_further_one_waits_twice_as_long_up_to_a_quarter_hour(bob, phone):
    factor = SecondFactor(wrong_at=timezone.now())
    waits = []
    for count in range(4, 14):
        factor.wrong_count = count
        waits.append(factor.rests_until and (factor.rests_until - factor.wrong_at).total_seconds())
    assert waits == [None, 30, 60, 120, 240, 480, 900, 900, 900, 900]


def test_the_second_step_waits_ten_minutes(visitor, phone, monkeypatch):
    later(monkeypatch, minutes=11)
    assert show(visitor, phone.code())["Location"].startswith("/login?")
    assert not is_in(visitor)


def test_a_password_that_was_changed_meanwhile_begins_anew(visitor, phone, bob):
    bob.set_password("another pass phrase")
    bob.save()
    assert show(visitor, phone.code())["Location"].startswith("/login?")


def test_an_account_that_was_closed_meanwhile_stays_out(visitor, phone, bob):
    bob.is_active = False
    bob.save()
    assert show(visitor, phone.code())["Location"].startswith("/login?")


def test_without_a_first_step_there_is_no_second(db):
    assert PersonClient().get("/login/code")["Location"] == "/login?next=%2F"


def test_a_code_of_somebody_else_does_not_help(visitor, alice):
    assert show(visitor, phone_of(alice).code()).status_code == 400


def test_the_code_proves_who_is_there_as_the_password_does(bob, phone):
    client = browser_of(bob)
    assert "Use a code of your authenticator app" in client.get("/prove").content.decode()
    assert 'autocomplete="one-time-code"' in client.get("/prove?code=1").content.decode()
    code = phone.code()
    assert client.post("/prove?code=1", {"code": code}).status_code == 302
    assert client.post("/prove?code=1", {"code": code}).status_code == 400
    assert client.post("/prove", {"password": PASSWORD}).status_code == 302


def test_who_has_no_password_is_asked_for_the_code(bob, phone):
    bob.set_unusable_password()
    bob.save()
    client = browser_of(bob)
    assert 'name="password"' not in client.get("/prove").content.decode()
    assert client.post("/prove", {"code": phone.code()}).status_code == 302


def test_a_mailed_link_for_a_new_password_does_not_go_around_it(bob, phone):
    client = PersonClient()
    assert client.post(f"/reset/{reset_token(bob)}", {"password": "a brand new pass phrase"}).status_code == 302
    assert not is_in(client)
    client.post("/login", {"email": "bob@acme.example", "password": "a brand new pass phrase"})
    assert not is_in(client)
    assert show(client, phone.code()).status_code == 302


def test_a_lost_master_key_leaves_the_recovery_codes(visitor, phone, settings, caplog):
    settings.ENCRYPTION_KEYS = {"new": b"n" * 32}
    assert show(visitor, phone.code()).status_code == 400
    assert "recovery codes still work" in caplog.text
    assert show(visitor, phone.recovery_codes[0]).status_code == 302


def test_nobody_is_led_elsewhere(visitor, phone):
    assert show(visitor, phone.code(), next="//evil.example")["Location"] == "/"
