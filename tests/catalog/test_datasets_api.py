"""Browsing datasets: filters, columns, who writes and who reads them."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import DatasetFactory, LineageLinkFactory, PipelineFactory
from tests.factories.specs import connections_of_spec, pipeline_spec

URL = "/api/v1/datasets/"


@pytest.fixture
def registered(api, acme):
    connections_of_spec(acme)
    assert api.post("/api/v1/pipelines/", pipeline_spec()).status_code == 201


def names(response):
    assert response.status_code == 200, response.json()
    return [row["name"] for row in response.json()["results"]]


def test_a_registered_spec_has_its_datasets_listed(api, registered):
    assert names(api.get(URL)) == ["acme.analytics.orders_clean", "shop.ecommerce.orders"]


def test_a_dataset_shows_columns_producers_consumers_and_checks(api, registered):
    detail = api.get(f"{URL}clean_orders").json()
    assert detail["name"] == "acme.analytics.orders_clean"
    assert detail["aliases"] == ["clean_orders"]
    assert [(column["name"], column["type"]) for column in detail["columns"]] == [("order_id", "INT64")]
    (producer,) = detail["producers"]
    assert producer["pipeline"]["name"] == "orders_sync"
    assert (producer["step"], producer["origin"]) == ("orders_clean", "declared")
    assert detail["consumers"] == []
    assert [check["check_id"] for check in detail["checks"]] == ["order_id_not_null"]
    assert detail["inherited_tags"] == ["ecommerce", "pii"]
    assert [owner["name"] for owner in detail["inherited_owners"]] == ["commerce-data@example.com"]


def test_the_aliases_of_deleted_pipelines_mean_nothing(api, registered):
    name = api.get("/api/v1/pipelines/").json()["results"][0]["name"]
    assert api.get(f"{URL}raw_orders").status_code == 200
    assert api.delete(f"/api/v1/pipelines/{name}").status_code == 202
    assert api.get(f"{URL}raw_orders").status_code == 404
    assert api.get("/api/v1/lineage/graph?dataset=raw_orders").status_code == 404
    assert api.get(f"{URL}?alias=raw_orders").json()["results"] == []


def test_a_dataset_is_found_by_id_name_and_alias(api, registered):
    by_alias = api.get(f"{URL}raw_orders").json()
    assert api.get(f"{URL}{by_alias['id']}/").json() == by_alias
    assert api.get(f"{URL}shop.ecommerce.orders").json() == by_alias
    named = f"{URL}?namespace=postgres://pg.example.com:5432&name=shop.ecommerce.orders"
    assert [row["id"] for row in api.get(named).json()["results"]] == [by_alias["id"]]


def test_an_ambiguous_name_is_answered_with_the_candidates(api, acme):
    for namespace in ("postgres://a:5432", "postgres://b:5432"):
        DatasetFactory(organization=acme, namespace=namespace, name="orders")
    response = api.get(f"{URL}orders")
    assert response.status_code == 409
    assert len(response.json()["candidates"]) == 2
    assert api.get(f"{URL}orders?namespace=postgres://b:5432").status_code == 200


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=ORDERS", ["shop.orders"]),
        ("namespace=s3://lake", ["events"]),
        ("name=events", ["events"]),
        ("type=TABLE", ["shop.orders"]),
        ("tag=pii", ["shop.orders"]),
        ("tag=pii&tag=gold", []),
        ("alias=nothing", []),
        ("ordering=-name", ["shop.orders", "events"]),
        ("ordering=updated_at", ["events", "shop.orders"]),
    ],
)
def test_filters(api, acme, query, expected):
    DatasetFactory(organization=acme, namespace="s3://lake", name="events")
    DatasetFactory(organization=acme, name="shop.orders", type="TABLE", tags=["pii"])
    assert names(api.get(f"{URL}?{query}")) == expected


@pytest.mark.parametrize("query", ["ordering=colour", "colour=red", "q=%00", "limit=0"])
def test_what_a_list_does_not_know_is_refused(api, query):
    assert api.get(f"{URL}?{query}").status_code == 400


def test_closed_links_and_deleted_pipelines_are_no_producers(api, acme):
    dataset = DatasetFactory(organization=acme, name="orders")
    pipeline = PipelineFactory(organization=acme, name="writer")
    LineageLinkFactory(organization=acme, dataset=dataset, pipeline=pipeline, direction="writes")
    assert len(api.get(f"{URL}{dataset.pk}").json()["producers"]) == 1
    api.patch("/api/v1/pipelines/writer", {"archived": True})
    assert api.get(f"{URL}{dataset.pk}").json()["producers"] == []


def test_another_organizations_dataset_is_as_unknown_as_none(api, globex_api, globex):
    foreign = DatasetFactory(organization=globex, name="secret")
    unknown = api.get(f"{URL}0190f3b0-0000-7000-8000-000000000000")
    for reference in (foreign.pk, "secret"):
        response = api.get(f"{URL}{reference}")
        assert (response.status_code, response.json()) == (404, unknown.json())
    assert names(api.get(URL)) == []


@pytest.mark.parametrize("count", [1, 50])
def test_a_page_takes_one_query_however_long(api, acme, count):
    # 1 the key  2-4 the scope  5 the page  6-7 the scope's end
    DatasetFactory.create_batch(count, organization=acme)
    api.get(URL)
    with CaptureQueriesContext(connection) as queries:
        assert len(names(api.get(f"{URL}?limit=500&q=table"))) == count
    assert len(queries) == 7, [query["sql"][:90] for query in queries]


@pytest.mark.parametrize("count", [1, 50])
def test_a_dataset_takes_five_queries_however_many_use_it(api, acme, count):
    # 1 the key  2-4 the scope  5 the dataset  6 links  7 aliases  8 columns  9 checks  10-11 the scope's end
    dataset = DatasetFactory(organization=acme)
    for pipeline in PipelineFactory.create_batch(count, organization=acme):
        LineageLinkFactory(organization=acme, dataset=dataset, pipeline=pipeline)
    api.get(URL)
    with CaptureQueriesContext(connection) as queries:
        assert len(api.get(f"{URL}{dataset.pk}").json()["consumers"]) == count
    assert len(queries) == 11, [query["sql"][:90] for query in queries]
