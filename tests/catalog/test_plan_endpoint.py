"""`POST /plan`: what CI would do, told before it is done."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Pipeline
from orgs.models import AuditEvent
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories.specs import connections_of_spec, pipeline_spec, small_spec

URL = "/api/v1/plan"
PIPELINES = "/api/v1/pipelines/"


def actions(response):
    assert response.status_code == 200, response.json()
    return [row["action"] for row in response.json()["results"]]


def test_a_plan_says_of_each_spec_what_would_become_of_it(api, acme):
    connections_of_spec(acme)
    api.post(PIPELINES, {**small_spec("same"), "version": "1"})
    api.post(PIPELINES, {**small_spec("same", description="older"), "version": "2"})
    api.post(PIPELINES, small_spec("known"))
    api.post(PIPELINES, small_spec("other"))
    response = api.post(
        URL,
        [
            pipeline_spec(),
            small_spec("known"),
            small_spec("other", description="newer"),
            {**small_spec("same"), "version": "1"},
            small_spec("No Name"),
        ],
    )
    assert actions(response) == ["create", "unchanged", "update", "roll_back", "invalid"]
    body = response.json()
    assert body["ok"] is False
    assert [row["pointer"] for row in body["results"]] == ["/0", "/1", "/2", "/3", "/4"]
    assert body["results"][4]["errors"][0]["pointer"] == "/4/pipeline/name"
    assert body["headroom"] == {"limit": 25, "used": 3, "adding": 1, "fits": True}


def test_a_conflict_is_told_with_its_place(api):
    api.post(PIPELINES, {**small_spec(), "version": "1"})
    response = api.post(URL, [{**small_spec(description="other"), "version": "1"}])
    assert actions(response) == ["conflict"]
    assert response.json()["results"][0]["errors"][0]["pointer"] == "/0/version"
    assert response.json()["ok"] is False


def test_one_spec_alone_is_planned_too(api):
    response = api.post(URL, small_spec())
    assert actions(response) == ["create"]
    assert response.json()["ok"] is True
    assert response.json()["results"][0]["pointer"] == ""


def test_a_plan_is_made_of_yaml(api):
    text = b"pipeline: {name: one, description: d, owner: o, environment: production, schedule: null}\n"
    assert actions(api.post(URL, text, content_type="application/yaml")) == ["create"]


def test_a_plan_writes_nothing(api, acme):
    api.post(URL, [small_spec("one"), small_spec("two")])
    with tenant_scope(acme):
        assert not Pipeline.objects.exists()
        assert not AuditEvent.objects.exists()


def test_changes_and_links_are_told(api, acme):
    connections_of_spec(acme)
    api.post(PIPELINES, pipeline_spec())
    newer = pipeline_spec(version="2")
    newer["targets"][0]["object"] = "analytics.orders_tidy"
    row = api.post(URL, [newer]).json()["results"][0]
    assert (row["current_version"], row["version"]) == ("1.0.0", "2")
    assert "/targets/clean_orders/object" in [change["path"] for change in row["changes"]]
    assert row["links"]["added"] == [
        {"direction": "writes", "namespace": "bigquery", "name": "acme.analytics.orders_tidy"}
    ]
    assert [link["name"] for link in row["links"]["removed"]] == ["acme.analytics.orders_clean"]


def test_a_plan_over_the_limit_does_not_fit(free_api):
    response = free_api.post(URL, [small_spec(f"p{n}") for n in range(4)])
    assert response.json()["headroom"] == {"limit": 3, "used": 0, "adding": 4, "fits": False}
    assert response.json()["ok"] is False


def test_markdown_for_a_comment(api):
    api.post(PIPELINES, small_spec("known"))
    specs = [small_spec("known", description="newer"), small_spec("Bad | `name` <b>")]
    response = api.post(URL, specs, headers={"Accept": "text/markdown"})
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/markdown")
    text = response.content.decode()
    assert "| `known` | update | 1 → 2 |" in text
    assert "/1/pipeline/name" in text
    assert "0 new, 1 of 25 in use." in text
    assert "<b>" not in text


def test_a_problem_stays_json_where_markdown_was_asked_for(api):
    response = api.post(URL, b"[]", content_type="application/json", headers={"Accept": "text/markdown"})
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["errors"]


@pytest.mark.parametrize("body", [b"[]", b"5", b'"x"', b"null"])
def test_what_is_no_spec_is_refused(api, body):
    assert api.post(URL, body, content_type="application/json").status_code == 400


def test_planning_needs_no_right_to_register(acme):
    api = api_of(acme, scopes=["plan:read"])
    assert actions(api.post(URL, small_spec())) == ["create"]
    assert api.post(PIPELINES, small_spec()).status_code == 403
    assert api.post(f"{PIPELINES}?dry_run=true", small_spec()).status_code == 200


def test_another_organizations_pipelines_change_no_plan(api, globex_api):
    api.post(PIPELINES, {**small_spec(), "version": "1"})
    response = globex_api.post(URL, {**small_spec(description="other"), "version": "1"})
    assert actions(response) == ["create"]


@pytest.mark.parametrize("count", [1, 50])
def test_a_plan_takes_few_queries_however_long(api, count):
    # 1 the key  2-4 the scope  5 pipelines with current versions  6 the room  7-8 the scope's end
    specs = [small_spec(f"p{n}") for n in range(count)]
    api.get(PIPELINES)
    with CaptureQueriesContext(connection) as queries:
        api.post(URL, specs)
    assert len(queries) == 8, [query["sql"][:90] for query in queries]
