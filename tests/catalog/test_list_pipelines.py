"""Browsing pipelines: every filter, every ordering, pages, and how many queries a page takes."""

from __future__ import annotations

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Pipeline, PipelineOwner, PipelineTag
from orgs.tenancy import tenant_scope
from tests.factories import PipelineFactory
from tests.factories.specs import small_spec

URL = "/api/v1/pipelines/"
NOW = timezone.now()


@pytest.fixture
def catalog(api, acme):
    """Three pipelines that differ in everything a filter can ask for."""
    for name, tags, owner, environment in (
        ("orders_sync", ["ecommerce", "pii"], "commerce", "production"),
        ("finance_close", ["finance", "pii"], "finance", "production"),
        ("sandbox", [], "commerce", "staging"),
    ):
        spec = small_spec(name, tags=tags, owner=owner, environment=environment, description=f"About {name}")
        assert api.post(URL, spec).status_code == 201


def names(response):
    assert response.status_code == 200, response.json()
    return [row["name"] for row in response.json()["results"]]


def test_pipelines_are_listed_by_name(api, catalog):
    assert names(api.get(URL)) == ["finance_close", "orders_sync", "sandbox"]


def test_a_row_is_what_the_pipeline_itself_answers(api, catalog):
    row = api.get(URL).json()["results"][0]
    assert row == api.get(f"{URL}{row['name']}").json()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tag=pii", ["finance_close", "orders_sync"]),
        ("tag=PII", ["finance_close", "orders_sync"]),
        ("tag=pii&tag=finance", ["finance_close"]),
        ("tag=finance&tag=ecommerce", []),
        ("owner=commerce", ["orders_sync", "sandbox"]),
        ("owner=nobody", []),
        ("environment=staging", ["sandbox"]),
        ("namespace=default", ["finance_close", "orders_sync", "sandbox"]),
        ("namespace=staging", []),
        ("q=ORDERS", ["orders_sync"]),
        ("q=about%20fin", ["finance_close"]),
        ("q=%25", []),
        ("health=never_run", ["finance_close", "orders_sync", "sandbox"]),
        ("health=failing", []),
        ("tag=pii&owner=commerce&environment=production", ["orders_sync"]),
        ("ordering=-name", ["sandbox", "orders_sync", "finance_close"]),
        ("ordering=updated_at", ["orders_sync", "finance_close", "sandbox"]),
        ("ordering=-updated_at", ["sandbox", "finance_close", "orders_sync"]),
    ],
)
def test_filters(api, catalog, query, expected):
    assert names(api.get(f"{URL}?{query}")) == expected


@pytest.fixture
def runs(acme):
    for name, fields in {
        "failed": {"last_run_status": "failed", "health": "failing", "last_run_started_at": NOW},
        "fine": {
            "last_run_status": "success",
            "health": "healthy",
            "last_run_started_at": NOW - datetime.timedelta(days=1),
        },
        "late": {"last_run_status": "success", "health": "healthy", "late_after": NOW - datetime.timedelta(hours=1)},
    }.items():
        PipelineFactory(organization=acme, name=name, **fields)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=failed", ["failed"]),
        ("status=success", ["fine", "late"]),
        ("health=failing", ["failed"]),
        ("health=late", ["late"]),
        ("health=healthy", ["fine"]),
        ("ordering=health", ["failed", "late", "fine"]),
        ("ordering=-health", ["fine", "late", "failed"]),
        ("ordering=-last_run", ["failed", "fine", "late"]),
        ("ordering=last_run", ["late", "fine", "failed"]),
    ],
)
def test_state_filters_and_orderings(api, runs, query, expected):
    assert names(api.get(f"{URL}?{query}")) == expected


def test_late_is_decided_on_reading(api, runs):
    row = api.get(f"{URL}late").json()
    assert row["health"] == "late"
    assert row["health_since"] is not None
    assert row["health_reason"]


def test_archived_pipelines_are_listed_when_asked_for(api, catalog):
    api.patch(f"{URL}sandbox", {"archived": True})
    assert names(api.get(URL)) == ["finance_close", "orders_sync"]
    assert names(api.get(f"{URL}?archived=true")) == ["sandbox"]
    assert names(api.get(f"{URL}?archived=all")) == ["finance_close", "orders_sync", "sandbox"]


@pytest.mark.parametrize("ordering", ["name", "-name", "updated_at", "-updated_at", "health", "-last_run"])
def test_pages_hold_every_pipeline_once(api, acme, ordering):
    PipelineFactory.create_batch(7, organization=acme)
    url, seen = f"{URL}?limit=3&ordering={ordering}", []
    while url:
        page = api.get(url).json()
        seen += [row["name"] for row in page["results"]]
        url = page["next"] and page["next"].replace("http://testserver", "")
    assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("tags=pii", "tags"),
        ("status=green", "status"),
        ("health=bad", "health"),
        ("archived=yes", "archived"),
        ("ordering=color", "ordering"),
        ("limit=501", "limit"),
        ("q=%00", "q"),
        ("q=", "q"),
    ],
)
def test_what_a_list_does_not_know_is_refused(api, query, parameter):
    response = api.get(f"{URL}?{query}")
    assert response.status_code == 400
    assert [error["parameter"] for error in response.json()["errors"]] == [parameter]


def test_a_cursor_belongs_to_its_filters(api, acme):
    PipelineFactory.create_batch(3, organization=acme)
    following = api.get(f"{URL}?limit=1").json()["next"].replace("http://testserver", "")
    response = api.get(f"{following}&environment=production")
    assert response.json()["type"].endswith("/problems/cursor-invalid")


def test_another_organizations_pipelines_are_not_there(api, globex_api, catalog):
    identifier = api.get(f"{URL}orders_sync").json()["id"]
    assert names(globex_api.get(URL)) == []
    foreign = globex_api.get(f"{URL}{identifier}")
    unknown = globex_api.get(f"{URL}{'0' * 8}-0000-7000-8000-{'0' * 12}")
    assert (foreign.status_code, foreign.json()) == (unknown.status_code, unknown.json())
    assert foreign.status_code == 404


@pytest.mark.parametrize("count", [1, 50])
def test_a_page_takes_one_query_however_long(api, acme, count):
    # 1 the key with its organization  2-4 the scope (savepoint, outer settings, binding)
    # 5 the page: pipelines with their current version  6-7 the end of the scope
    PipelineFactory.create_batch(count, organization=acme)
    with tenant_scope(acme):
        for pipeline_id in Pipeline.objects.values_list("id", flat=True):
            PipelineTag(tag="pii", pipeline_id=pipeline_id).save()
            PipelineOwner(owner="commerce-data", pipeline_id=pipeline_id).save()
    api.get(URL)
    with CaptureQueriesContext(connection) as queries:
        response = api.get(f"{URL}?tag=pii&owner=commerce-data&health=never_run&ordering=health&limit=500")
    assert len(response.json()["results"]) == count
    assert len(queries) == 7, [query["sql"][:90] for query in queries]
