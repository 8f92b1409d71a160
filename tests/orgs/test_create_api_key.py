import datetime

import pytest
from django.utils import timezone

from orgs import keys
from orgs.models import ApiKey, AuditEvent
from orgs.permissions import PRESETS, SCOPES
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories import ApiKeyFactory

URL = "/api/v1/api-keys/"


def test_a_key_is_shown_once_and_works(api, acme):
    response = api.post(URL, {"name": "ci", "preset": "ci"})
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    body = response.json()
    assert body["scopes"] == ["catalog:read", "plan:read", "catalog:write"]
    assert keys.is_well_formed(body["key"])
    assert body["key"].startswith(body["hint"][:8])
    shown_later = api.get(f"{URL}{body['id']}").json()
    assert "key" not in shown_later
    assert shown_later == {name: value for name, value in body.items() if name != "key"}
    api.headers = {"X-API-KEY": body["key"]}
    assert api.get("/api/v1/organizations/me").json()["slug"] == "acme"


def test_only_the_digest_is_stored(api):
    text = api.post(URL, {"name": "ci", "scopes": ["catalog:read"]}).json()["key"]
    api_key = ApiKey.objects.get(name="ci")
    assert bytes(api_key.digest) == keys.digest(text)
    assert text not in str(ApiKey.objects.filter(name="ci").values().get())


def test_making_a_key_is_remembered_without_its_text(api, acme):
    body = api.post(URL, {"name": "ci", "scopes": ["catalog:read"]}).json()
    with tenant_scope(acme):
        event = AuditEvent.objects.get(action="api_key.created")
    assert (event.actor_kind, event.actor_id) == ("api_key", str(api.api_key.pk))
    assert event.target_id == body["id"]
    assert event.after["scopes"] == ["catalog:read"]
    assert body["key"] not in str(event.after)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"name": 5}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["owner"]}, "/scopes/0"),
        ({"scopes": ["catalog:read", "everything"]}, "/scopes/1"),
        ({"scopes": "catalog:read"}, "/scopes"),
        ({"preset": "ci"}, "/scopes"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2040-01-01T00:00:00"}, "/expires_at"),
        ({"allowed_cidrs": ["10.0.0.0/33"]}, "/allowed_cidrs/0"),
        ({"organization": "globex"}, "/organization"),
        ({"namespace_map": {"default": 5}}, "/namespace_map/default"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(api, change, pointer):
    response = api.post(URL, {"name": "ci", "scopes": ["catalog:read"]} | change)
    assert response.status_code == 400
    assert pointer in [error["pointer"] for error in response.json()["errors"]]
    assert ApiKey.objects.count() == 1


def test_a_key_never_makes_a_wider_key(acme):
    narrow = api_of(acme, scopes=["organization:admin", "catalog:read"])
    response = narrow.post(URL, {"name": "wide", "scopes": ["catalog:read", "catalog:write"]})
    assert response.status_code == 403
    assert response.json()["type"] == "/problems/key-too-wide"
    assert response.json()["required"] == ["catalog:write"]
    assert narrow.post(URL, {"name": "same", "scopes": ["catalog:read"]}).status_code == 201


def test_a_key_that_ends_makes_none_that_outlives_it(acme):
    ends = timezone.now() + datetime.timedelta(days=10)
    api = api_of(acme, expires_at=ends)
    later, sooner = ends + datetime.timedelta(days=1), ends - datetime.timedelta(days=1)
    for expires_at in (None, later.isoformat()):
        response = api.post(URL, {"name": "x", "scopes": ["catalog:read"], "expires_at": expires_at})
        assert response.json()["type"] == "/problems/key-too-wide"
    assert api.post(URL, {"name": "x", "scopes": ["catalog:read"], "expires_at": sooner.isoformat()}).status_code == 201


@pytest.mark.parametrize(
    ("own", "asked", "status"),
    [
        ({"allowed_cidrs": ["127.0.0.0/8"]}, {}, 403),
        ({"allowed_cidrs": ["127.0.0.0/8"]}, {"allowed_cidrs": ["127.0.0.0/7"]}, 403),
        ({"allowed_cidrs": ["127.0.0.0/8"]}, {"allowed_cidrs": ["::1/128"]}, 403),
        ({"allowed_cidrs": ["127.0.0.0/8"]}, {"allowed_cidrs": ["127.0.0.0/24"]}, 201),
        ({"allowed_namespaces": ["prod"]}, {}, 403),
        ({"allowed_namespaces": ["prod"]}, {"allowed_namespaces": ["prod", "test"]}, 403),
        ({"allowed_namespaces": ["prod", "test"]}, {"allowed_namespaces": ["prod"]}, 201),
    ],
)
def test_addresses_and_namespaces_are_handed_on(acme, own, asked, status):
    response = api_of(acme, **own).post(URL, {"name": "x", "scopes": ["catalog:read"]} | asked)
    assert response.status_code == status


def test_keys_are_listed_in_pages_and_never_those_of_others(api, acme, globex):
    ApiKeyFactory.create_batch(3, organization=acme)
    ApiKeyFactory(organization=globex, name="theirs")
    first = api.get(URL + "?limit=3").json()
    second = api.get(first["next"].removeprefix("http://testserver")).json()
    names = [row["name"] for row in first["results"] + second["results"]]
    assert len(names) == 4
    assert "theirs" not in names


def test_a_list_of_50_keys_takes_as_many_queries_as_one_of_1(api, acme, django_assert_num_queries):
    api.get(URL)  # last use and caller are written once in a while
    # The key with its organization, the scope (savepoint, what was set, set, release, set back), the rows.
    with django_assert_num_queries(7):
        api.get(URL)
    ApiKeyFactory.create_batch(49, organization=acme)
    with django_assert_num_queries(7):
        assert len(api.get(URL).json()["results"]) == 50


def test_presets_are_made_of_scopes():
    assert set().union(*PRESETS.values()) <= set(SCOPES)
