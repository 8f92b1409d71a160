"""Changing a pipeline by hand: archiving, and the facts that no spec describes."""

from __future__ import annotations

import pytest

from catalog.models import PipelineOwner, PipelineTag
from orgs.models import AuditEvent
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories import PipelineFactory
from tests.factories.specs import small_spec

URL = "/api/v1/pipelines/"


@pytest.fixture
def observed(acme):
    """A pipeline that OpenLineage brought."""
    return PipelineFactory(
        organization=acme,
        name="orders",
        origin="openlineage",
        owner="dag-owner",
        owners=[{"name": "dag-owner", "origin": "facet"}],
        schedule=None,
    )


def test_facts_of_an_observed_pipeline_are_set_by_hand(api, acme, observed):
    changes = {
        "description": "Orders of the shop",
        "owners": ["alice", "bob"],
        "tags": ["PII", "ecommerce"],
        "schedule": "@Daily",
        "timezone": "Europe/Vienna",
        "environment": "production",
    }
    response = api.patch(f"{URL}orders", changes)
    assert response.status_code == 200, response.json()
    pipeline = response.json()
    assert pipeline["description"] == "Orders of the shop"
    assert pipeline["owner"] == "alice"
    assert [(o["name"], o["origin"]) for o in pipeline["owners"]] == [
        ("alice", "person"),
        ("bob", "person"),
        ("dag-owner", "facet"),
    ]
    assert pipeline["tags"] == ["ecommerce", "pii"]
    assert pipeline["schedule"] == "@daily"
    assert pipeline["next_expected_at"] is not None
    assert api.get(f"{URL}orders").json() == pipeline
    assert [row["name"] for row in api.get(f"{URL}?tag=pii&owner=bob&q=shop").json()["results"]] == ["orders"]


def test_what_is_left_out_stays(api, observed):
    before = api.get(f"{URL}orders").json()
    after = api.patch(f"{URL}orders", {"description": "new"}).json()
    changed = {key for key in after if before[key] != after[key]}
    assert changed == {"description", "updated_at"}


def test_tags_and_owners_are_replaced(api, acme, observed):
    api.patch(f"{URL}orders", {"tags": ["a", "b"], "owners": ["alice"]})
    api.patch(f"{URL}orders", {"tags": ["b", "c"], "owners": []})
    with tenant_scope(acme):
        assert sorted(PipelineTag.objects.values_list("tag", flat=True)) == ["b", "c"]
        assert list(PipelineOwner.objects.values_list("owner", flat=True)) == ["dag-owner"]


def test_a_schedule_is_removed_with_null(api, observed):
    api.patch(f"{URL}orders", {"schedule": "0 6 * * *"})
    pipeline = api.patch(f"{URL}orders", {"schedule": None}).json()
    assert (pipeline["schedule"], pipeline["next_expected_at"]) == (None, None)


def test_a_change_is_remembered_with_before_and_after(api, acme, observed):
    api.patch(f"{URL}orders", {"tags": ["pii"]})
    with tenant_scope(acme):
        event = AuditEvent.objects.get(action="pipeline.updated")
        assert (event.before, event.after) == ({"tags": []}, {"tags": ["pii"]})


def test_a_change_that_changes_nothing_is_not_remembered(api, acme, observed):
    assert api.patch(f"{URL}orders", {"environment": "production"}).status_code == 200
    with tenant_scope(acme):
        assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("change", [{"description": "x"}, {"owners": ["x"]}, {"tags": []}, {"schedule": None}])
def test_what_a_spec_says_changes_with_the_spec(api, change):
    api.post(URL, small_spec())
    response = api.patch(f"{URL}small", change)
    assert response.status_code == 409
    assert response.json()["type"].endswith("/problems/spec-governs")


def test_archiving_takes_a_pipeline_out_of_the_list_and_back(api, acme):
    api.post(URL, small_spec(schedule="0 6 * * *"))
    archived = api.patch(f"{URL}small", {"archived": True})
    assert archived.status_code == 200
    assert archived.json()["archived_at"] is not None
    assert archived.json()["next_expected_at"] is None
    assert api.get(URL).json()["results"] == []
    assert api.get(f"{URL}small").status_code == 200
    back = api.patch(f"{URL}small", {"archived": False}).json()
    assert back["archived_at"] is None
    assert back["next_expected_at"] is not None
    with tenant_scope(acme):
        actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
        assert actions == ["pipeline.registered", "pipeline.archived", "pipeline.unarchived"]


def test_archiving_twice_is_archiving_once(api, acme):
    api.post(URL, small_spec())
    first = api.patch(f"{URL}small", {"archived": True}).json()
    assert api.patch(f"{URL}small", {"archived": True}).json() == first
    api.patch(f"{URL}small", {"archived": False})
    assert api.patch(f"{URL}small", {"archived": False}).status_code == 200
    with tenant_scope(acme):
        assert AuditEvent.objects.count() == 3


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"archived": "yes"}, "/archived"),
        ({"archived": None}, "/archived"),
        ({"description": 5}, "/description"),
        ({"owners": "alice"}, "/owners"),
        ({"owners": [5]}, "/owners/0"),
        ({"owners": ["x" * 255]}, "/owners/0"),
        ({"tags": ["a b"]}, "/tags/0"),
        ({"tags": [""]}, "/tags/0"),
        ({"tags": [5]}, "/tags/0"),
        ({"schedule": "61 * * * *"}, "/schedule"),
        ({"schedule": 5}, "/schedule"),
        ({"timezone": "Mars/Phobos"}, "/timezone"),
        ({"environment": "Production"}, "/environment"),
        ({"name": "other"}, "/name"),
        ({"namespace": "other"}, "/namespace"),
        ({"health": "healthy"}, "/health"),
    ],
)
def test_what_is_no_change_is_refused(api, acme, observed, change, pointer):
    response = api.patch(f"{URL}orders", change)
    assert response.status_code == 400, response.json()
    assert pointer in [error["pointer"] for error in response.json()["errors"]]
    with tenant_scope(acme):
        assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("body", [b"[]", b"5", b'{"archived": NaN}', b'{"tags": ["\\ud800"]}'])
def test_what_is_no_object_is_refused(api, observed, body):
    assert api.patch(f"{URL}orders", body, content_type="application/json").status_code == 400


def test_a_reader_changes_nothing(acme, observed):
    api = api_of(acme, scopes=["catalog:read"])
    assert api.patch(f"{URL}orders", {"archived": True}).status_code == 403


def test_another_organizations_pipeline_is_as_unknown_as_none(globex_api, observed):
    foreign = globex_api.patch(f"{URL}{observed.pk}", {"archived": True})
    unknown = globex_api.patch(f"{URL}nothing", {"archived": True})
    assert (foreign.status_code, foreign.json()) == (404, unknown.json())
