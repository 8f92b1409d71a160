"""An organization can require a second factor of everybody in it."""

import pytest

from orgs.models import Organization
from tests.conftest import api_of, browser_of
from tests.orgs.second_factors import Phone, phone_of, secret_of

GENERAL = {"name": "Acme", "ingest_admission": "all", "store_sql": "all", "store_source_code": "all"}
GENERAL |= {"require_second_factor": "yes", "max_key_age_days": "unlimited"}


@pytest.fixture
def strict(acme):
    acme.settings = {"require_second_factor": "yes"}
    acme.save()
    return acme


def test_whoever_switches_it_on_has_one(alice, acme):
    phone_of(alice)
    assert browser_of(alice).post("/o/acme/settings/", GENERAL)["Location"] == "/o/acme/settings/"
    assert Organization.objects.get(pk=acme.pk).requires_second_factor


def test_whoever_has_none_is_told_so_and_nothing_changes(alice_client, acme):
    response = alice_client.post("/o/acme/settings/", GENERAL | {"name": "Acme Data"})
    assert response.status_code == 400
    assert "Switch on your own second factor first" in response.content.decode()
    organization = Organization.objects.get(pk=acme.pk)
    assert (organization.name, organization.settings) == ("Acme", {})


def test_a_key_may_switch_it_on(acme):
    answer = api_of(acme).patch("/api/v1/organizations/me", {"settings": {"require_second_factor": "yes"}})
    assert answer.status_code == 200
    assert answer.json()["settings"]["require_second_factor"] == "yes"


@pytest.mark.parametrize("path", ["/o/acme/", "/o/acme/start/", "/o/acme/settings/", "/o/acme/pipelines/?tag=pii"])
def test_without_one_nothing_of_the_organization_is_seen(strict, alice, path):
    client = browser_of(alice)
    led = client.get(path)["Location"]
    assert led.startswith("/account/second-factor?next=")
    page = client.get(led).content.decode()
    assert "requires a second factor of everybody" in " ".join(page.split())


def test_setting_it_up_leads_on_to_what_was_wanted(strict, bob):
    client = browser_of(bob)
    page = client.get(client.get("/o/acme/pipelines/?tag=pii")["Location"])
    token, secret = secret_of(page)
    shown = client.post(
        "/account/second-factor",
        {"candidate": token, "code": Phone(secret, []).code(), "next": page.context["next"]},
    )
    assert 'href="/o/acme/pipelines/?tag=pii"' in shown.content.decode()
    assert client.get("/o/acme/pipelines/?tag=pii").status_code == 200


def test_forms_are_led_there_too(strict, bob):
    assert browser_of(bob).post("/o/acme/leave/")["Location"].startswith("/account/second-factor")
    assert strict.memberships.filter(user=bob).exists()


def test_the_account_stays_open_to_everybody(strict, bob):
    client = browser_of(bob)
    for path in ("/account/", "/account/second-factor", "/account/export", "/account/delete", "/organizations"):
        assert client.get(path).status_code == 200


def test_who_has_one_notices_nothing(strict, bob):
    phone_of(bob)
    assert browser_of(bob).get("/o/acme/start/").status_code == 200


def test_strangers_still_find_nothing(strict, gary):
    assert browser_of(gary).get("/o/acme/start/").status_code == 404


def test_keys_go_on(strict):
    assert api_of(strict).get("/api/v1/organizations/me").status_code == 200


def test_where_it_is_not_required_nobody_asks_the_database(alice_client, django_assert_num_queries, acme):
    alice_client.get("/o/acme/settings/members/")
    with django_assert_num_queries(12):
        alice_client.get("/o/acme/settings/members/")
