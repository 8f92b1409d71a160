"""Columns of observed datasets and where they come from."""

from __future__ import annotations

import datetime

from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import ColumnLink, Dataset, DatasetColumn
from orgs.tenancy import tenant_scope
from tests.factories.openlineage import dataset, dataset_event, dbt_model_event, facet, run_event, schema

LINEAGE = "/api/v1/lineage"


def columns_of(organization, name):
    with tenant_scope(organization):
        rows = DatasetColumn.objects.filter(dataset__name=name, ended_at=None).order_by("position")
        return list(rows.values_list("name", "type"))


def written(*columns, at, run="r"):
    output = dataset("s3://lake", "orders", schema=schema(*columns))
    return run_event("COMPLETE", outputs=[output], at=at, run=run)


def test_a_schema_makes_columns_nested_ones_by_their_path(api, acme):
    fields = [
        {"name": "id", "type": "bigint"},
        {"name": "address", "type": "struct", "fields": [{"name": "city", "type": "string"}]},
    ]
    event = run_event("COMPLETE", outputs=[dataset("s3://lake", "orders", schema=facet(fields=fields))])
    api.post(LINEAGE, event)
    assert columns_of(acme, "orders") == [("id", "bigint"), ("address", "struct"), ("address.city", "string")]


def test_a_changed_schema_ends_columns_and_brings_them_back(api, acme):
    api.post(LINEAGE, written("id:int", "total:int", at="2026-03-01T06:00:00Z"))
    api.post(LINEAGE, written("id:bigint", at="2026-03-02T06:00:00Z"))
    assert columns_of(acme, "orders") == [("id", "bigint")]
    with tenant_scope(acme):
        ended = DatasetColumn.objects.get(name="total").ended_at
        assert ended == datetime.datetime(2026, 3, 2, 6, tzinfo=datetime.UTC)
    api.post(LINEAGE, written("id:bigint", "total:int", at="2026-03-03T06:00:00Z"))
    assert columns_of(acme, "orders") == [("id", "bigint"), ("total", "int")]


def test_an_older_schema_that_comes_late_changes_nothing(api, acme):
    api.post(LINEAGE, written("id:bigint", at="2026-03-02T06:00:00Z"))
    api.post(LINEAGE, written("id:int", "total:int", at="2026-03-01T06:00:00Z"))
    assert columns_of(acme, "orders") == [("id", "bigint")]


def test_an_unchanged_schema_writes_nothing(api, acme):
    api.post(LINEAGE, written("id:int", at="2026-03-02T06:00:00Z"))
    with CaptureQueriesContext(connection) as queries:
        api.post(LINEAGE, written("id:int", at="2026-03-02T06:00:10Z", run="another"))
    assert not [query for query in queries if "datasetcolumn" in query["sql"]]


def test_who_reads_a_few_columns_ends_none_of_the_writers(api, acme):
    api.post(LINEAGE, written("id:int", "total:int", at="2026-03-02T06:00:00Z"))
    pruned = dataset("s3://lake", "orders", schema=schema("id:int"))
    api.post(LINEAGE, run_event("COMPLETE", job="reader", inputs=[pruned], at="2026-03-02T07:00:00Z"))
    assert columns_of(acme, "orders") == [("id", "int"), ("total", "int")]


def test_a_dataset_event_tells_columns(api, acme):
    api.post(LINEAGE, dataset_event())
    assert columns_of(acme, "shop.public.orders") == [("id", "INT"), ("total", "NUMERIC")]


def test_column_lineage_becomes_links(api, acme):
    api.post(LINEAGE, dbt_model_event())
    with tenant_scope(acme):
        link = ColumnLink.objects.select_related("from_dataset", "to_dataset", "step").get()
        assert (link.from_dataset.name, link.from_column) == ("RAW.SHOP.ORDERS", "ID")
        assert (link.to_dataset.name, link.to_column) == ("ANALYTICS.PUBLIC.ORDERS", "ID")
        assert (link.step.name, link.origin, link.valid_to) == ("dbt-run-shop.orders", "observed", None)


def test_how_a_column_came_about_and_whether_it_is_masked_is_kept(api, acme):
    def source(*transformations):
        field = {"namespace": "s3://lake", "name": "raw", "field": "email"}
        return {"inputFields": [field | {"transformations": list(transformations)}]}

    masked = {"type": "DIRECT", "subtype": "TRANSFORMATION", "masking": True}
    joined = {"type": "INDIRECT", "subtype": "JOIN"}
    output = dataset("s3://lake", "clean", columnLineage=facet(fields={"hash": source(masked), "id": source(joined)}))
    api.post(LINEAGE, run_event("COMPLETE", outputs=[output]))
    with tenant_scope(acme):
        found = ColumnLink.objects.order_by("to_column").values_list("to_column", "transformation", "is_masked")
        assert list(found) == [("hash", "DIRECT/TRANSFORMATION", True), ("id", "INDIRECT/JOIN", False)]
        assert Dataset.objects.filter(name="raw").exists()


def test_the_same_column_lineage_again_makes_no_second_link(api, acme):
    api.post(LINEAGE, dbt_model_event())
    api.post(LINEAGE, dbt_model_event(at="2026-03-02T09:00:00Z", run="another"))
    with tenant_scope(acme):
        link = ColumnLink.objects.get()
        assert link.last_seen_at == datetime.datetime(2026, 3, 2, 9, tzinfo=datetime.UTC)


def test_column_links_move_with_the_runs(api, acme):
    from tests.factories.openlineage import airflow_task_event, parent, run_id

    output = dataset(
        "s3://lake",
        "clean",
        columnLineage=facet(fields={"id": {"inputFields": [{"namespace": "a", "name": "b", "field": "c"}]}}),
    )
    api.post(LINEAGE, run_event("COMPLETE", job="job", outputs=[output]))
    task = parent("dag.task", run_id("dag.task"))
    api.post(LINEAGE, run_event("COMPLETE", job="job", run_facets={"parent": task}))
    api.post(LINEAGE, airflow_task_event("COMPLETE", "dag", "task"))
    with tenant_scope(acme):
        link = ColumnLink.objects.select_related("pipeline", "step").get()
        assert (link.pipeline.name, link.step.name) == ("dag", "job")


def test_tags_of_columns_stand_on_the_columns(api, acme):
    tags = facet(tags=[{"key": "PII", "value": "true", "field": "id"}, {"key": "tier", "value": "1"}])
    output = dataset("s3://lake", "orders", schema=schema("id:int"), tags=tags)
    api.post(LINEAGE, run_event("COMPLETE", outputs=[output]))
    with tenant_scope(acme):
        assert DatasetColumn.objects.get().tags == ["pii"]
        assert Dataset.objects.get().tags == ["tier:1"]
