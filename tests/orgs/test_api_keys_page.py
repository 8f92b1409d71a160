import datetime
import re

import pytest
from django.utils import timezone

from orgs.models import ApiKey
from orgs.services import key_callers
from orgs.services.key_callers import NextStart
from orgs.services.key_uses import Caller, record_use
from tests.conftest import ApiClient, api_of
from tests.factories import ApiKeyFactory

URL = "/o/acme/settings/api-keys/"


def key_in(response):
    found = re.search(r"dxp_[0-9A-Za-z]{49}", response.content.decode())
    return found[0] if found else None


def text_of(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_a_key_is_made_and_shown_once(alice_client):
    response = alice_client.post(URL, {"name": "airflow-prod", "preset": "orchestrator", "lifetime": "90"})
    assert "no-store" in response["Cache-Control"]
    text = key_in(response)
    assert ApiClient(text).get("/api/v1/organizations/me").status_code == 403  # ingest alone
    assert key_in(alice_client.get(URL)) is None
    api_key = ApiKey.objects.get()
    assert (api_key.name, api_key.scopes, api_key.created_by_label) == ("airflow-prod", ["ingest:write"], "alice")
    assert abs(api_key.expires_at - timezone.now() - datetime.timedelta(days=90)) < datetime.timedelta(minutes=1)


def test_scopes_can_be_chosen_one_by_one(alice_client):
    alice_client.post(URL, {"name": "x", "preset": "custom", "scopes": ["catalog:read", "plan:read"], "lifetime": ""})
    assert ApiKey.objects.get().scopes == ["catalog:read", "plan:read"]
    assert ApiKey.objects.get().expires_at is None


def test_a_key_is_narrowed_to_addresses_and_namespaces_and_the_list_says_so(alice_client):
    limits = {"allowed_cidrs": "10.4.0.0/16, 192.0.2.7/32,", "allowed_namespaces": "airflow-prod"}
    alice_client.post(URL, {"name": "x", "preset": "ci", **limits})
    api_key = ApiKey.objects.get()
    assert api_key.allowed_cidrs == ["10.4.0.0/16", "192.0.2.7/32"]
    assert api_key.allowed_namespaces == ["airflow-prod"]
    text = text_of(alice_client.get(URL))
    assert "from 10.4.0.0/16, 192.0.2.7/32" in text
    assert "in airflow-prod" in text


def test_an_odd_address_range_is_told_at_its_field(alice_client):
    response = alice_client.post(URL, {"name": "x", "preset": "ci", "allowed_cidrs": "10.4.0.0/16, here"})
    assert response.status_code == 400
    assert "An address range reads 10.4.0.0/16." in text_of(response)
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    "form",
    [
        {"name": "", "preset": "ci"},
        {"name": "x" * 101, "preset": "ci"},
        {"name": "x"},
        {"name": "x", "preset": "everything"},
        {"name": "x", "preset": "custom"},
        {"name": "x", "preset": "custom", "scopes": ["owner"]},
        {"name": "x", "preset": "ci", "lifetime": "99999"},
    ],
)
def test_a_form_that_makes_no_sense_makes_no_key(alice_client, form):
    response = alice_client.post(URL, form)
    assert response.status_code == 400
    assert "New key" in text_of(response)
    assert not ApiKey.objects.exists()


def test_the_list_tells_the_state_of_every_key(alice_client, acme):
    now = timezone.now()
    for name, fields in {
        "is-new": {},
        "is-used": {"last_used_at": now},
        "ends-soon": {"expires_at": now + datetime.timedelta(days=9), "last_used_at": now},
        "has-ended": {"expires_at": now - datetime.timedelta(days=3)},
        "was-revoked": {"revoked_at": now},
    }.items():
        ApiKeyFactory(organization=acme, name=name, **fields)
    rows = alice_client.get(URL).content.decode().split("<tr")
    for name, state in [
        ("is-new", "New"),
        ("is-used", "Active"),
        ("ends-soon", "Expires soon"),
        ("has-ended", "Expired"),
        ("was-revoked", "Revoked"),
    ]:
        assert f"{state}</span>" in next(row for row in rows if name in row)


def test_rotating_names_the_callers_and_the_late_starters(alice_client, acme, monkeypatch):
    api_key = ApiKeyFactory(organization=acme, name="airflow-prod")
    for pipeline in ("orders", "customers"):
        record_use(
            api_key=api_key,
            caller=Caller(namespace="prod", root_name=pipeline, producer="airflow/2.10", ip_address="10.0.0.7"),
        )
    asked = []

    def find(pipelines, after):
        asked.extend(pipelines)
        return [NextStart("finance_close", "/o/acme/pipelines/finance_close/", after + datetime.timedelta(hours=3))]

    monkeypatch.setattr(key_callers, "_next_starts", [find])
    text = text_of(alice_client.get(f"{URL}?rotate={api_key.pk}"))
    assert "prod 2 pipelines · airflow/2.10 · 10.0.0.7" in text
    assert "finance_close" in text
    assert sorted(asked) == [("prod", "customers"), ("prod", "orders")]


def test_rotating_makes_a_successor_and_keeps_the_old_key_for_the_overlap(alice_client, acme):
    old = api_of(acme, name="airflow-prod")
    response = alice_client.post(f"{URL}{old.api_key.pk}/rotate", {"overlap_seconds": str(7 * 86400)})
    assert ApiClient(key_in(response)).get("/api/v1/organizations/me").status_code == 200
    assert old.get("/api/v1/organizations/me").status_code == 200
    assert "Rotating" in text_of(response)
    alice_client.post(f"{URL}{old.api_key.pk}/end-overlap")
    assert old.get("/api/v1/organizations/me").status_code == 401


@pytest.mark.parametrize("seconds", ["", "-1", "5", "9999999", "x"])
def test_only_the_offered_overlaps_are_taken(alice_client, acme, seconds):
    api_key = ApiKeyFactory(organization=acme)
    assert alice_client.post(f"{URL}{api_key.pk}/rotate", {"overlap_seconds": seconds}).status_code == 400
    assert ApiKey.objects.count() == 1


def test_a_key_that_was_rotated_meanwhile_is_told(alice_client, acme):
    api_key = ApiKeyFactory(organization=acme)
    for _ in range(2):
        response = alice_client.post(f"{URL}{api_key.pk}/rotate", {"overlap_seconds": "0"})
    assert response["Location"] == URL
    assert "no longer works" in text_of(alice_client.get(URL))


def test_revoking_asks_for_the_name(alice_client, acme):
    victim = api_of(acme, name="airflow-prod")
    revoke = f"{URL}{victim.api_key.pk}/revoke"
    assert alice_client.post(revoke, {"confirmation": "airflow"}).status_code == 400
    assert victim.get("/api/v1/organizations/me").status_code == 200
    assert alice_client.post(revoke, {"confirmation": "airflow-prod"})["Location"] == URL
    assert victim.get("/api/v1/organizations/me").status_code == 401


def test_key_events_are_told_here_too(alice_client, acme):
    ended = api_of(acme, name="old-one", revoked_at=timezone.now())
    ended.get("/api/v1/organizations/me")
    text = text_of(alice_client.get(URL))
    assert "api_key.reuse_detected old-one" in text
    assert "used after its end from 127.0.0.1" in text


@pytest.mark.parametrize("path", ["?rotate={}", "?revoke={}"])
def test_panels_open_for_own_keys_alone(alice_client, globex, path):
    theirs = ApiKeyFactory(organization=globex)
    for pk in (theirs.pk, "nonsense"):
        assert alice_client.get(URL + path.format(pk)).status_code == 404


def test_a_page_of_50_keys_takes_as_many_queries_as_one_of_1(alice_client, acme, django_assert_num_queries):
    ApiKeyFactory(organization=acme)
    alice_client.get(URL)
    # Session, person, memberships, the scope (5: savepoint, what was set, set, release, set back), keys, uses, events,
    # what the side counts (2), keys whose creator left.
    with django_assert_num_queries(14):
        alice_client.get(URL)
    ApiKeyFactory.create_batch(49, organization=acme)
    with django_assert_num_queries(14):
        alice_client.get(URL)


def test_a_keys_name_is_text(alice_client, acme):
    api_key = ApiKeyFactory(organization=acme, name="<img src=x onerror=alert(1)>")
    for path in ("", f"?rotate={api_key.pk}", f"?revoke={api_key.pk}"):
        assert "<img src=x" not in alice_client.get(URL + path).content.decode()
