import datetime

import pytest
from django.utils import timezone

from orgs.models import ApiKey, Membership
from orgs.tenancy import tenant_scope
from tests.conftest import ApiClient, _member, api_of, browser_of
from tests.factories import ApiKeyFactory

DAY = datetime.timedelta(days=1)
URL = "/api/v1/api-keys/"
PAGE = "/o/acme/settings/api-keys/"


def made_by(user, organization, **fields):
    return ApiKeyFactory(organization=organization, created_by=user, created_by_kind="person", **fields)


def flagged(api, flag):
    return sorted(row["name"] for row in api.get(f"{URL}?flag={flag}").json()["results"])


def allow(organization, days):
    organization.settings = {"max_key_age_days": days}
    organization.save()


@pytest.fixture
def left(acme, alice):
    """Keys of ada, who is removed, and of alice, who stays."""
    ada = _member(acme, "ada", "admin")
    made_by(ada, acme, name="of-ada")
    made_by(ada, acme, name="of-ada-and-revoked", revoked_at=timezone.now())
    made_by(alice, acme, name="of-alice")
    Membership.objects.get(user=ada).delete()
    return ada


def test_keys_of_people_who_left_are_flagged(left, api):
    rows = {row["name"]: row["has_creator_left"] for row in api.get(URL).json()["results"]}
    assert (rows["of-ada"], rows["of-alice"], rows[api.api_key.name]) == (True, False, False)
    assert flagged(api, "creator_left") == ["of-ada"]


def test_so_are_keys_of_a_deleted_account(left, api):
    left.delete()
    assert flagged(api, "creator_left") == ["of-ada"]


def test_a_membership_elsewhere_does_not_count(acme, globex, api, gary):
    made_by(gary, acme, name="of-gary")
    assert flagged(api, "creator_left") == ["of-gary"]


def test_keys_made_by_keys_and_commands_belong_to_nobody_who_could_leave(api):
    body = api.post(URL, {"name": "ci", "preset": "ci"}).json()
    assert body["has_creator_left"] is False
    assert flagged(api, "creator_left") == []


def test_a_key_from_the_page_knows_its_person(alice_client, alice, acme, api):
    alice_client.post(PAGE, {"name": "of-alice", "preset": "ci", "lifetime": "90"})
    assert flagged(api, "creator_left") == []
    Membership.objects.filter(user=alice).delete()
    assert flagged(api, "creator_left") == ["of-alice"]


def test_rotating_takes_the_key_over(left, api):
    old = ApiKey.objects.get(name="of-ada")
    body = api.post(f"{URL}{old.pk}/rotate", {"overlap_seconds": 0}).json()
    assert body["has_creator_left"] is False
    assert flagged(api, "creator_left") == []


def test_an_unknown_flag_is_refused(api):
    assert api.get(f"{URL}?flag=suspicious").json()["errors"][0]["parameter"] == "flag"


def test_the_page_has_a_badge_a_banner_and_a_filter(left, alice_client):
    text = alice_client.get(PAGE).content.decode()
    row = next(row for row in text.split("<tr") if ">of-ada<" in row)
    assert "Creator left</span>" in row
    assert "Creator left</span>" not in next(row for row in text.split("<tr") if ">of-alice<" in row)
    assert "1 API key</a>" in text
    filtered = alice_client.get(f"{PAGE}?flag=creator_left").content.decode()
    assert ">of-ada<" in filtered
    assert ">of-alice<" not in filtered


def test_the_overview_tells_admins_and_nobody_else(left, acme, alice_client, bob_client):
    assert "people who have left" in alice_client.get("/o/acme/").content.decode()
    assert "people who have left" not in bob_client.get("/o/acme/").content.decode()


def test_without_flagged_keys_there_is_no_banner(acme, alice_client):
    assert "keyalert" not in alice_client.get(PAGE).content.decode()
    assert "None left" in alice_client.get(f"{PAGE}?flag=over_age").content.decode()


def test_new_keys_end_within_the_maximum_age(acme, api):
    allow(acme, "90")
    body = api.post(URL, {"name": "ci", "preset": "ci"}).json()
    ends_at = datetime.datetime.fromisoformat(body["expires_at"])
    assert abs(ends_at - timezone.now() - 90 * DAY) < datetime.timedelta(minutes=1)
    assert body["is_over_age"] is False
    late = (timezone.now() + 91 * DAY).isoformat()
    refused = api.post(URL, {"name": "ci", "preset": "ci", "expires_at": late})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "over_age")
    exact = (timezone.now() + 90 * DAY).isoformat()
    assert api.post(URL, {"name": "ci", "preset": "ci", "expires_at": exact}).status_code == 201


def test_successors_end_within_the_maximum_age(acme, api):
    allow(acme, "30")
    for fields in ({}, {"expires_at": timezone.now() + 365 * DAY}):
        old = ApiKeyFactory(organization=acme, **fields)
        body = api.post(f"{URL}{old.pk}/rotate", {}).json()
        ends_at = datetime.datetime.fromisoformat(body["expires_at"])
        assert abs(ends_at - timezone.now() - 30 * DAY) < datetime.timedelta(minutes=1)


def test_longer_keys_go_on_and_are_listed(acme, api, alice_client):
    ApiKeyFactory(organization=acme, name="endless")
    ApiKeyFactory(organization=acme, name="a-year", expires_at=timezone.now() + 365 * DAY)
    ApiKeyFactory(organization=acme, name="a-month", expires_at=timezone.now() + 30 * DAY)
    assert flagged(api, "over_age") == []
    allow(acme, "90")
    assert flagged(api, "over_age") == sorted(["a-year", "endless", api.api_key.name])
    assert api.get("/api/v1/organizations/me").status_code == 200
    text = alice_client.get(PAGE).content.decode()
    assert "Over age</span>" in next(row for row in text.split("<tr") if ">endless<" in row)
    assert "Over age</span>" not in next(row for row in text.split("<tr") if ">a-month<" in row)
    assert "3 API keys</a>" in text


def test_rotating_takes_a_key_off_the_list(acme, api):
    endless = ApiKeyFactory(organization=acme, name="endless")
    allow(acme, "90")
    api.post(f"{URL}{endless.pk}/rotate", {"overlap_seconds": 30 * 86400})
    assert "endless" not in flagged(api, "over_age")


def test_the_setting_is_an_admins_and_is_remembered(acme, api):
    changed = api.patch("/api/v1/organizations/me", {"settings": {"max_key_age_days": "180"}})
    assert changed.json()["settings"]["max_key_age_days"] == "180"
    assert api.patch("/api/v1/organizations/me", {"settings": {"max_key_age_days": "7"}}).status_code == 400
    assert api_of(acme, scopes=["catalog:write"]).patch("/api/v1/organizations/me", {}).status_code == 403


def test_the_form_offers_what_is_allowed(acme, alice_client):
    allow(acme, "90")
    text = alice_client.get(f"{PAGE}?new=1").content.decode()
    assert ">90 days</option>" in text
    assert "365 days" not in text
    assert "never</option>" not in text
    for lifetime in ("365", ""):
        posted = alice_client.post(PAGE, {"name": "x", "preset": "ci", "lifetime": lifetime})
        assert posted.status_code == 400


def test_the_first_key_of_the_start_page_obeys_too(acme, alice):
    allow(acme, "30")
    assert browser_of(alice).post("/o/acme/start/").status_code == 200
    with tenant_scope(acme):
        assert not acme.api_keys.over_age(30 * DAY).exists()
    assert ApiClient().get(URL).status_code == 401


def test_removing_a_member_tells_of_the_keys_they_leave(acme, alice_client):
    ada = _member(acme, "ada", "admin")
    made_by(ada, acme)
    membership = Membership.objects.get(user=ada)
    alice_client.post(f"/o/acme/settings/members/{membership.pk}/remove")
    text = alice_client.get("/o/acme/settings/members/").content.decode()
    assert "1 API key they made still works: rotate what they knew." in text
