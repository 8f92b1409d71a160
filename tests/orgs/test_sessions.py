"""One's own sessions: seen with device, address and times, and ended from afar."""

import datetime
import re

import pytest
from django.conf import settings
from django.utils import timezone

from orgs import sessions as engine
from orgs.devices import device_of
from orgs.models import AuditEvent, Session
from orgs.services.passwords import reset_token
from orgs.tenancy import tenant_scope
from tests.conftest import PersonClient, browser_of

PASSWORD = "correct horse battery"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1"


def log_in(user, agent=FIREFOX, address="198.51.100.7"):
    client = PersonClient(headers={"User-Agent": agent}, REMOTE_ADDR=address)
    assert client.post("/login", {"email": user.email, "password": PASSWORD}).status_code == 302
    return client


def is_in(client):
    return client.get("/account/").status_code == 200


def listed(client):
    """(device, address) of each session on the page, as people read it."""
    text = client.get("/account/").content.decode()
    section = text[text.index('id="sessions"') :].partition("</section>")[0]
    words = " ".join(re.sub(r"<[^>]+>", " ", section).split())
    return words, section


def test_each_session_is_told_with_device_address_and_times(alice):
    client = log_in(alice)
    log_in(alice, SAFARI, "2001:db8::1")
    words, section = listed(client)
    assert "Firefox on Linux this one 198.51.100.7 · signed in today" in words
    assert "Safari on iPhone 2001:db8::1 · signed in today" in words
    assert all(session.session_key not in section for session in Session.objects.all())


def test_one_is_ended_and_out_at_the_next_request(alice, acme):
    here, there = log_in(alice), log_in(alice, SAFARI)
    handle = Session.objects.get(session_key=there.session.session_key).handle
    assert here.post(f"/account/sessions/{handle}/end")["Location"] == "/account/"
    assert "Safari on iPhone is logged out" in here.get("/account/").content.decode()
    assert not is_in(there)
    assert is_in(here)
    with tenant_scope(acme):
        event = AuditEvent.objects.get()
        assert (event.action, event.after) == ("member.sessions_ended", {"sessions": 1})


def test_all_others_are_ended_at_once(alice):
    here, others = log_in(alice), [log_in(alice, SAFARI), log_in(alice)]
    here.post("/account/sessions/end")
    assert is_in(here)
    assert [is_in(other) for other in others] == [False, False]


def test_what_was_ended_is_not_brought_back_by_a_request_on_its_way(alice):
    """A request that began before the end would write its session when it is done."""
    client = log_in(alice)
    store = engine.SessionStore(client.session.session_key)
    store["organization"] = "acme"
    Session.objects.all().delete()
    with pytest.raises(engine.UpdateError):
        store.save()
    assert not Session.objects.exists()
    assert not is_in(client)


@pytest.mark.parametrize("handle", ["0" * 16, "made-up", "%00"])
def test_what_is_not_there_is_not_ended(alice_client, acme, handle):
    assert alice_client.post(f"/account/sessions/{handle}/end")["Location"] == "/account/"
    assert "None of your sessions" in alice_client.get("/account/").content.decode()
    with tenant_scope(acme):
        assert not AuditEvent.objects.exists()


def test_somebody_elses_is_out_of_reach(alice_client, bob_client):
    handle = Session.objects.get(session_key=bob_client.session.session_key).handle
    alice_client.post(f"/account/sessions/{handle}/end")
    alice_client.post("/account/sessions/end")
    assert is_in(bob_client)


def test_logging_in_again_changes_the_key_and_begins_a_new_row(alice):
    client = log_in(alice)
    before = client.session.session_key
    client.post("/logout")
    client.post("/login", {"email": alice.email, "password": PASSWORD})
    assert client.session.session_key != before
    assert Session.objects.filter(user=alice).count() == 1


def test_last_seen_is_written_every_few_minutes(alice, monkeypatch, django_assert_max_num_queries):
    client = log_in(alice)
    first = Session.objects.get().last_seen_at
    client.get("/account/")
    assert Session.objects.get().last_seen_at == first
    now = first + datetime.timedelta(minutes=6)
    monkeypatch.setattr(timezone, "now", lambda: now)
    client.get("/account/", REMOTE_ADDR="198.51.100.8")
    row = Session.objects.get()
    assert (row.last_seen_at, row.ip_address) == (now, "198.51.100.8")
    assert row.signed_in_at < now


def test_visitors_leave_no_session(db):
    PersonClient().get("/login")
    assert not Session.objects.exists()


def test_a_new_password_ends_the_others_and_they_are_not_listed(alice):
    here, there = log_in(alice), log_in(alice, SAFARI)
    here.post("/account/password", {"current": PASSWORD, "password": "a brand new pass phrase"})
    assert "Safari" not in listed(here)[0]
    assert not is_in(there)
    assert is_in(here)


def test_a_password_reset_by_mail_ends_all(alice):
    there = log_in(alice)
    PersonClient().post(f"/reset/{reset_token(alice)}", {"password": "a brand new pass phrase"})
    assert not Session.objects.filter(user=alice).exists()
    assert not is_in(there)


def test_a_session_belongs_to_whoever_is_logged_in(alice, bob):
    client = browser_of(alice)
    client.force_login(bob)
    assert Session.objects.get(session_key=client.session.session_key).user == bob
    assert settings.SESSION_COOKIE_NAME in client.cookies


CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"
AGENTS = {
    "Firefox on Linux": FIREFOX,
    "Safari on iPhone": SAFARI,
    "Chrome on Windows": f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36",
    "Edge on Windows": f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/140.0",
    "Chrome on Android": f"Mozilla/5.0 (Linux; Android 15; Pixel 9) {CHROME} Mobile Safari/537.36",
    "Safari on macOS": "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_0) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15",
    "curl": "curl/8.5.0",
    "python-requests": "python-requests/2.34",
    "Unknown device": "",
}


@pytest.mark.parametrize("device", AGENTS)
def test_devices_have_names_that_people_know(device):
    assert device_of(AGENTS[device]) == device
