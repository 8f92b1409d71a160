"""Refusals are counted: a row per actor, address, problem and hour."""

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dataxpipe.problems import Forbidden
from orgs.models import Refusal
from orgs.services.api_keys import revoke_api_key
from orgs.services.refusals import count_refusal, flush_refusals
from orgs.tenancy import tenant_scope
from tests.conftest import api_of

pytestmark = pytest.mark.django_db


def refused(organization):
    flush_refusals()
    rows = Refusal.objects.filter(organization=organization).order_by("problem")
    return [(row.problem, row.actor_kind, row.refusal_count) for row in rows]


def test_a_thousand_refusals_are_one_row(acme):
    reader = api_of(acme, scopes=["catalog:read"])
    for _ in range(20):
        assert reader.get("/api/v1/members/").status_code == 403
    assert refused(acme) == [("forbidden", "api_key", 20)]


def test_a_key_that_has_ended_is_named(acme):
    key = api_of(acme, scopes=["catalog:read"])
    with tenant_scope(acme):
        revoke_api_key(api_key=acme.api_keys.get(), actor=key_actor())
    key.get("/api/v1/pipelines/")
    assert refused(acme) == [("not-authenticated", "api_key", 1)]


def key_actor():
    from orgs.actors import Actor

    return Actor.system("test")


def test_a_person_without_the_right_is_counted(acme, vera_client):
    vera_client.get("/o/acme/settings/members/")
    vera_client.get("/o/acme/settings/members/?cursor=secret")
    flush_refusals()
    row = Refusal.objects.get(organization=acme)
    assert (row.actor_label, row.last_path) == ("vera", "/o/acme/settings/members/")


def test_what_is_allowed_or_unknown_is_not_counted(acme, api, anonymous_api):
    api.get("/api/v1/pipelines/")
    api.get("/api/v1/pipelines/unknown")
    anonymous_api.get("/api/v1/pipelines/")
    assert refused(acme) == []


def test_admins_read_them(acme, alice_client, api):
    api_of(acme, scopes=["catalog:read"]).get("/api/v1/members/")
    flush_refusals()
    row = api.get("/api/v1/audit-events/refusals").json()["results"][0]
    assert (row["problem"], row["count"], row["last_path"]) == ("forbidden", 1, "/api/v1/members/")
    assert "forbidden" in alice_client.get("/o/acme/settings/audit/refusals").content.decode()


def test_another_organizations_are_not_shown(acme, globex, globex_api):
    api_of(acme, scopes=["catalog:read"]).get("/api/v1/members/")
    flush_refusals()
    assert globex_api.get("/api/v1/audit-events/refusals").json()["results"] == []


def refuse(organization, count):
    for number in range(count):
        actor = replace(key_actor(), id=f"{number}", label="somebody")
        count_refusal(organization_id=organization.pk, actor=actor, problem=Forbidden, path="/somewhere")
    flush_refusals()


def test_50_refusals_take_as_many_queries_as_1(acme, api, alice_client):
    refuse(acme, 1)
    places = (api.get, "/api/v1/audit-events/refusals"), (alice_client.get, "/o/acme/settings/audit/refusals")
    numbers = []
    for count in (1, 50):
        refuse(acme, count)
        for get, path in places:
            get(path)
            with CaptureQueriesContext(connection) as queries:
                assert get(path).status_code == 200
            numbers.append(len(queries))
    assert numbers[:2] == numbers[2:]
