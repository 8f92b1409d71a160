"""What matters asks for the password again once ten minutes have passed."""

import datetime
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from catalog.models import Pipeline
from orgs.models import ApiKey, Session
from orgs.tenancy import tenant_scope
from tests.conftest import browser_of
from tests.factories import ApiKeyFactory, PipelineFactory

PASSWORD = "correct horse battery"
KEYS = "/o/acme/settings/api-keys/"


def age(client, minutes=10):
    """As if this session had been signed in so many minutes earlier."""
    signed_in_at = timezone.now() - datetime.timedelta(minutes=minutes)
    Session.objects.filter(session_key=client.session.session_key).update(signed_in_at=signed_in_at)


@pytest.fixture
def late(alice_client):
    age(alice_client)
    return alice_client


def prove(client, password=PASSWORD, **more):
    return client.post("/prove", {"password": password, **more})


@pytest.mark.parametrize("path", [f"{KEYS}?new=1", KEYS])
def test_who_has_just_logged_in_is_not_asked(alice_client, path):
    age(alice_client, minutes=9)
    assert alice_client.get(path).status_code == 200


def test_a_page_asks_and_leads_on_to_what_was_wanted(late):
    asked = late.get(f"{KEYS}?new=1&flag=over_age")
    assert asked["Location"] == "/prove?next=%2Fo%2Facme%2Fsettings%2Fapi-keys%2F%3Fnew%3D1%26flag%3Dover_age"
    assert "Confirm that it is you" in late.get(asked["Location"]).content.decode()
    proven = prove(late, next=f"{KEYS}?new=1&flag=over_age")
    assert proven["Location"] == f"{KEYS}?new=1&flag=over_age"
    assert late.get(proven["Location"]).status_code == 200


def test_the_proof_holds_for_ten_minutes(late, monkeypatch):
    prove(late)
    now = timezone.now()
    for minutes, status in ((9, 200), (11, 302)):
        monkeypatch.setattr(timezone, "now", lambda minutes=minutes: now + datetime.timedelta(minutes=minutes))
        assert late.get(f"{KEYS}?new=1").status_code == status


def test_a_list_is_free(late):
    assert late.get(KEYS).status_code == 200


def test_a_form_sent_too_late_changes_nothing_says_so_and_opens_again(late, acme):
    asked = late.post(KEYS, {"name": "ci", "preset": "ci"}, headers={"Referer": f"http://testserver{KEYS}?new=1"})
    assert asked["Location"] == "/prove?next=%2Fo%2Facme%2Fsettings%2Fapi-keys%2F%3Fnew%3D1"
    assert not ApiKey.objects.exists()
    assert "Nothing was changed yet" in late.get(asked["Location"]).content.decode()


ADDRESS = "/o/acme/settings/api-keys/01234567-89ab-7def-8123-456789abcdef/revoke"


@pytest.mark.parametrize(
    ("address", "page"),
    [(ADDRESS, KEYS), ("/account/second-factor/off", "/account/second-factor"), ("/account/delete", "/account/")],
)
def test_a_refused_form_stands_on_an_address_that_may_answer_no_get_so_the_page_above_opens(late, address, page):
    asked = late.post(address, headers={"Referer": f"http://testserver{address}"})
    assert asked["Location"] == f"/prove?{urlencode({'next': page})}"
    assert late.get(page).status_code in {200, 302}


@pytest.mark.parametrize(
    "referrer", ["", "https://evil.example/o/acme/", "http://testserver//evil.example", "http://[", "/o/acme/"]
)
def test_a_form_from_who_knows_where_leads_home(late, referrer):
    assert late.post(KEYS, {"name": "ci"}, headers={"Referer": referrer})["Location"] == "/prove?next=%2F"


def test_a_fragment_sends_the_whole_page_there(late):
    asked = late.get(f"{KEYS}?new=1", headers={"HX-Request": "true"})
    assert asked["HX-Redirect"].startswith("/prove?next=")


@pytest.mark.parametrize("password", ["wrong horse battery", ""])
def test_a_wrong_password_proves_nothing(late, password):
    response = prove(late, password, next=KEYS)
    assert response.status_code == 400
    assert f'value="{KEYS}"' in response.content.decode()
    assert late.get(f"{KEYS}?new=1").status_code == 302


def test_a_proof_belongs_to_one_session(late, alice):
    prove(browser_of(alice))
    assert late.get(f"{KEYS}?new=1").status_code == 302


def test_nobody_is_led_elsewhere(late):
    assert prove(late, next="//evil.example")["Location"] == "/"


@pytest.mark.parametrize("act", ["rotate", "revoke", "end-overlap"])
def test_keys_are_not_touched_without_a_proof(late, acme, act):
    api_key = ApiKeyFactory(organization=acme, name="ci")
    assert late.post(f"{KEYS}{api_key.pk}/{act}", {"confirmation": "ci"})["Location"].startswith("/prove")
    api_key.refresh_from_db()
    assert (api_key.revoked_at, api_key.successor) == (None, None)


def test_nor_is_the_organization_handed_over_nor_a_first_key_made(late, bob, acme):
    bob_in_acme = bob.memberships.get()
    handed = late.post(f"/o/acme/settings/members/{bob_in_acme.pk}/transfer")
    assert handed["Location"].startswith("/prove")
    assert late.post("/o/acme/start/")["Location"].startswith("/prove")
    assert late.get("/o/acme/start/").status_code == 200
    assert not ApiKey.objects.exists()


def test_a_pipeline_is_not_deleted_without_one(late, acme):
    pipeline = PipelineFactory(organization=acme)
    deleted = late.post(f"/o/acme/pipelines/{pipeline.pk}/delete/", {"confirmation": pipeline.name})
    assert deleted["Location"].startswith("/prove")
    with tenant_scope(acme):
        assert Pipeline.objects.get(pk=pipeline.pk).deleted_at is None


def test_who_may_not_do_it_is_told_so_instead_of_asked(bob_client):
    age(bob_client)
    assert bob_client.post(KEYS, {"name": "ci"}).status_code == 403


def test_who_has_neither_password_nor_code_logs_in_again(alice):
    alice.set_unusable_password()
    alice.save()
    text = browser_of(alice).get("/prove").content.decode()
    assert "Log in again" in text
    assert 'name="password"' not in text
