"""The lineage specs declare: opened, kept, closed, and when the lineage version rises."""

from __future__ import annotations

import pytest

from catalog.models import ColumnLink, Dataset, DatasetAlias, DatasetColumn, LineageLink, LineageVersion, Pipeline
from orgs.tenancy import tenant_scope
from tests.factories import LineageLinkFactory
from tests.factories.specs import connections_of_spec, pipeline_spec, small_spec

URL = "/api/v1/pipelines/"


@pytest.fixture(autouse=True)
def connections(acme):
    connections_of_spec(acme)


def register(api, spec):
    response = api.post(URL, spec)
    assert response.status_code in (200, 201), response.json()
    return response


def open_links(organization):
    with tenant_scope(organization):
        rows = LineageLink.objects.valid().order_by("direction", "dataset__name")
        return list(rows.values_list("step__name", "direction", "dataset__name", "origin"))


def version(organization):
    with tenant_scope(organization):
        return LineageVersion.objects.values_list("version", flat=True).first() or 0


def test_links_follow_from_inputs_and_outputs(api, acme):
    register(api, pipeline_spec())
    assert open_links(acme) == [
        ("orders_clean", "reads", "shop.ecommerce.orders", "declared"),
        ("orders_clean", "writes", "acme.analytics.orders_clean", "declared"),
    ]


def test_the_graph_shows_what_is_declared(api):
    register(api, pipeline_spec())
    graph = api.get("/api/v1/lineage/graph?pipeline=orders_sync").json()
    assert sorted(node["name"] for node in graph["nodes"]) == [
        "acme.analytics.orders_clean",
        "orders_sync",
        "shop.ecommerce.orders",
    ]


def test_two_pipelines_meet_in_one_dataset(api, acme):
    register(api, pipeline_spec())
    reader = pipeline_spec(name="report", transforms=[], targets=[], checks=[])
    reader["sources"] = [
        {"id": "cleaned", "type": "bigquery", "connection_ref": "bq-analytics", "object": "analytics.orders_clean"}
    ]
    register(api, reader)
    with tenant_scope(acme):
        assert Dataset.objects.count() == 2
        assert sorted(DatasetAlias.objects.values_list("alias", flat=True)) == ["clean_orders", "cleaned", "raw_orders"]
    nodes = api.get("/api/v1/lineage/graph?dataset=raw_orders&direction=downstream").json()["nodes"]
    assert "report" in [node["name"] for node in nodes]


def test_a_new_version_closes_what_it_no_longer_says_and_keeps_the_rest(api, acme):
    register(api, pipeline_spec())
    newer = pipeline_spec(version="2")
    newer["targets"][0]["object"] = "analytics.orders_tidy"
    register(api, newer)
    assert [link[2] for link in open_links(acme)] == ["shop.ecommerce.orders", "acme.analytics.orders_tidy"]
    with tenant_scope(acme):
        closed = LineageLink.objects.exclude(valid_to=None).get()
        assert closed.valid_to > closed.valid_from
        assert LineageLink.objects.count() == 3
        assert DatasetAlias.objects.get(alias="clean_orders").dataset.name == "acme.analytics.orders_tidy"


def test_explicit_edges_replace_what_would_follow(api, acme):
    spec = pipeline_spec(lineage={"edges": [{"from": "raw_orders", "to": "clean_orders"}]}, transforms=[])
    register(api, spec)
    assert [link[1:3] for link in open_links(acme)] == [
        ("reads", "shop.ecommerce.orders"),
        ("writes", "acme.analytics.orders_clean"),
    ]


def test_column_links_open_and_close(api, acme):
    register(api, pipeline_spec())
    with tenant_scope(acme):
        link = ColumnLink.objects.valid().get()
        assert (link.from_column, link.to_column, link.is_masked) == ("order_id", "order_id", False)
    newer = pipeline_spec(version="2")
    newer["transforms"][0]["column_lineage"] = [{"to": "order_id", "from": ["raw_orders.order_id"], "masking": True}]
    register(api, newer)
    with tenant_scope(acme):
        assert ColumnLink.objects.valid().get().is_masked is True
        assert ColumnLink.objects.count() == 2
    register(api, pipeline_spec(version="3", transforms=[], targets=[], checks=[]))
    with tenant_scope(acme):
        assert not ColumnLink.objects.valid().exists()


def test_columns_that_only_the_last_version_declared_end(api, acme):
    register(api, pipeline_spec())
    newer = pipeline_spec(version="2")
    newer["sources"][0]["columns"] = [{"name": "email", "type": "varchar"}]
    newer["transforms"][0].pop("column_lineage")
    register(api, newer)
    with tenant_scope(acme):
        columns = {c.name: c for c in DatasetColumn.objects.filter(dataset__name="shop.ecommerce.orders")}
        assert columns["order_id"].ended_at is not None
        assert (columns["email"].type, columns["email"].position, columns["email"].ended_at) == ("varchar", 0, None)
        assert columns["email"].tags == ["pii"]


def test_observed_links_are_left_alone(api, acme):
    register(api, pipeline_spec())
    with tenant_scope(acme):
        pipeline, dataset = Pipeline.objects.get(), Dataset.objects.first()
    LineageLinkFactory(organization=acme, pipeline=pipeline, dataset=dataset, origin="observed")
    register(api, pipeline_spec(version="2", sources=[], transforms=[], targets=[], checks=[]))
    assert [link[3] for link in open_links(acme)] == ["observed"]


def test_the_lineage_version_rises_only_when_a_link_changes(api, acme):
    register(api, small_spec())
    assert version(acme) == 0
    register(api, pipeline_spec())
    first = version(acme)
    assert first > 0
    register(api, pipeline_spec())
    register(api, pipeline_spec(version="2", tags=["new"], owner="other"))
    assert version(acme) == first
    register(api, pipeline_spec(version="3", transforms=[], targets=[], checks=[]))
    assert version(acme) == first + 1


def test_archiving_closes_and_coming_back_opens_declared_links(api, acme):
    register(api, pipeline_spec())
    before = version(acme)
    api.patch(f"{URL}orders_sync", {"archived": True})
    assert open_links(acme) == []
    assert version(acme) == before + 1
    api.patch(f"{URL}orders_sync", {"archived": False})
    assert len(open_links(acme)) == 2
    with tenant_scope(acme):
        assert ColumnLink.objects.valid().count() == 1


def test_registering_an_archived_pipeline_again_opens_its_links(api, acme):
    register(api, pipeline_spec())
    api.patch(f"{URL}orders_sync", {"archived": True})
    assert register(api, pipeline_spec()).status_code == 200
    assert len(open_links(acme)) == 2


def test_deleting_closes_the_links(api, acme):
    register(api, pipeline_spec())
    api.delete(f"{URL}orders_sync")
    assert open_links(acme) == []


def test_two_ids_may_mean_one_dataset(api, acme):
    spec = pipeline_spec()
    spec["sources"].append({**spec["sources"][0], "id": "orders_again", "object": "shop.ecommerce.orders"})
    register(api, spec)
    with tenant_scope(acme):
        assert Dataset.objects.count() == 2
        assert DatasetAlias.objects.count() == 3


def test_a_name_too_long_for_a_dataset_is_refused(api, acme):
    spec = pipeline_spec()
    spec["sources"][0]["object"] = "e." + "x" * 998
    response = api.post(URL, spec)
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/sources/0/object"
