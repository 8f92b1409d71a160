"""Links of observed runs: the union over a run's events, valid by event time, closed by no run."""

from __future__ import annotations

import datetime

import pytest

from catalog.models import Dataset, LineageLink, LineageVersion, Pipeline
from orgs.tenancy import tenant_scope
from tests.factories import ConnectionFactory, LineageLinkFactory, PipelineFactory
from tests.factories.openlineage import (
    airflow_dag_event,
    airflow_task_event,
    dataset,
    facet,
    job_event,
    run_event,
    schema,
)

LINEAGE = "/api/v1/lineage"
RAW, CLEAN = dataset("s3://lake", "raw"), dataset("s3://lake", "clean")


def links_of(organization):
    with tenant_scope(organization):
        fields = ("pipeline__name", "step__name", "dataset__name", "direction")
        return sorted(LineageLink.objects.valid().values_list(*fields), key=str)


def version_of(organization):
    with tenant_scope(organization):
        return LineageVersion.objects.values_list("version", flat=True).first()


def test_a_runs_links_are_the_union_over_its_events(api, acme):
    api.post(LINEAGE, run_event("START", inputs=[RAW]))
    api.post(LINEAGE, run_event("COMPLETE", outputs=[CLEAN]))
    assert links_of(acme) == [("orders_sync", None, "clean", "writes"), ("orders_sync", None, "raw", "reads")]


def test_a_later_run_without_a_dataset_closes_nothing(api, acme):
    api.post(LINEAGE, run_event("COMPLETE", inputs=[RAW]))
    api.post(LINEAGE, run_event("COMPLETE", run="another", at="2026-03-03T06:00:00Z"))
    assert links_of(acme) == [("orders_sync", None, "raw", "reads")]


def test_the_version_rises_only_when_a_link_changes(api, acme):
    api.post(LINEAGE, run_event("START", inputs=[RAW]))
    first = version_of(acme)
    api.post(LINEAGE, run_event("COMPLETE", inputs=[RAW], at="2026-03-02T06:00:10Z"))
    assert version_of(acme) == first
    api.post(LINEAGE, run_event("COMPLETE", inputs=[RAW], outputs=[CLEAN], at="2026-03-02T06:00:10Z"))
    assert version_of(acme) == first + 1


@pytest.mark.parametrize(("at", "written_again"), [("06:59:59", False), ("07:00:00", True)])
def test_a_link_that_is_seen_again_is_written_again_once_an_hour(api, acme, at, written_again):
    api.post(LINEAGE, run_event("COMPLETE", inputs=[RAW], at="2026-03-02T06:00:00Z"))
    api.post(LINEAGE, run_event("COMPLETE", inputs=[RAW], run="another", at=f"2026-03-02T{at}Z"))
    with tenant_scope(acme):
        seen = LineageLink.objects.get().last_seen_at
    assert seen == datetime.datetime(2026, 3, 2, 7 if written_again else 6, tzinfo=datetime.UTC)


def test_a_late_event_lets_a_link_begin_earlier(api, acme):
    api.post(LINEAGE, run_event("COMPLETE", inputs=[RAW], at="2026-03-02T06:00:00Z"))
    api.post(LINEAGE, run_event("COMPLETE", inputs=[RAW], run="another", at="2026-03-01T06:00:00Z"))
    with tenant_scope(acme):
        assert LineageLink.objects.get().valid_from == datetime.datetime(2026, 3, 1, 6, tzinfo=datetime.UTC)


def test_a_closed_link_is_opened_again_by_a_later_event_and_not_by_an_earlier_one(api, acme):
    api.post(LINEAGE, run_event("COMPLETE", inputs=[RAW], at="2026-03-02T06:00:00Z"))
    with tenant_scope(acme):
        LineageLink.objects.update(valid_to=datetime.datetime(2026, 3, 3, tzinfo=datetime.UTC))
    api.post(LINEAGE, run_event("COMPLETE", inputs=[RAW], run="late", at="2026-03-02T07:00:00Z"))
    assert links_of(acme) == []
    api.post(LINEAGE, run_event("COMPLETE", inputs=[RAW], run="new", at="2026-03-04T06:00:00Z"))
    assert links_of(acme) == [("orders_sync", None, "raw", "reads")]


def test_a_declared_link_stays_beside_the_observed_one(api, acme):
    pipeline = PipelineFactory(organization=acme, name="orders_sync", namespace="airflow-prod")
    link = LineageLinkFactory(organization=acme, pipeline=pipeline, direction="reads")
    with tenant_scope(acme):
        found = Dataset.objects.get(id=link.dataset_id)
    api.post(LINEAGE, run_event("COMPLETE", inputs=[dataset(found.namespace, found.name)]))
    with tenant_scope(acme):
        assert set(LineageLink.objects.values_list("dataset__name", "origin")) == {
            (found.name, "declared"),
            (found.name, "observed"),
        }


def test_spellings_of_one_dataset_are_one(api, acme):
    spelled = [
        dataset("s3a://lake/", "/orders/dt=2026-03-01/part-00000.parquet"),
        dataset("s3://lake", "orders/2026/03/02"),
        dataset("S3N://LAKE", "orders"),
    ]
    api.post(LINEAGE, run_event("COMPLETE", inputs=spelled))
    with tenant_scope(acme):
        assert list(Dataset.objects.values_list("namespace", "name")) == [("s3://lake", "orders")]


def test_namespaces_of_a_connection_are_one(api, acme):
    ConnectionFactory(
        organization=acme, namespaces=["postgres://warehouse:5432", "postgres://10.0.0.7:5432", "jdbc-warehouse"]
    )
    for namespace in ("postgres://warehouse", "postgres://10.0.0.7:5432", "jdbc-warehouse"):
        api.post(LINEAGE, run_event("COMPLETE", inputs=[dataset(namespace, "shop.public.orders")]))
    with tenant_scope(acme):
        assert [row.namespace for row in Dataset.objects.all()] == ["postgres://warehouse:5432"]


def test_a_dataset_knows_when_it_was_written_and_read(api, acme):
    api.post(LINEAGE, run_event("START", inputs=[RAW], outputs=[CLEAN]))
    with tenant_scope(acme):
        assert not Dataset.objects.exclude(last_written_at=None, last_read_at=None).exists()
    api.post(LINEAGE, run_event("COMPLETE", inputs=[RAW], outputs=[CLEAN]))
    api.post(LINEAGE, run_event("FAIL", run="b", outputs=[CLEAN], at="2026-03-02T09:00:00Z"))
    at = datetime.datetime(2026, 3, 2, 6, tzinfo=datetime.UTC)
    with tenant_scope(acme):
        assert Dataset.objects.get(name="clean").last_written_at == at
        assert Dataset.objects.get(name="raw").last_read_at == at


def test_a_job_event_describes_known_pipelines_and_makes_none(api, acme):
    event = job_event("orders_sync.load") | {"outputs": [CLEAN]}
    event["job"]["facets"]["jobType"] = facet(integration="AIRFLOW", jobType="TASK", processingType="BATCH")
    assert api.post(LINEAGE, event).status_code == 201
    with tenant_scope(acme):
        assert not Pipeline.objects.exists()
    api.post(LINEAGE, airflow_dag_event("START"))
    assert api.post(LINEAGE, event).status_code == 201
    assert links_of(acme) == [("orders_sync", "orders_sync.load", "clean", "writes")]


def test_the_graph_shows_what_events_told(api):
    first = airflow_task_event("COMPLETE", "first", outputs=[CLEAN])
    second = airflow_task_event("COMPLETE", "second", inputs=[dataset("s3://lake", "clean", schema=schema("a:INT"))])
    for event in (first, second):
        api.post(LINEAGE, event)
    graph = api.get("/api/v1/lineage/graph?dataset=clean&direction=both").json()
    assert {node["name"] for node in graph["nodes"]} == {"first", "clean", "second"}


def test_a_link_does_not_reach_back_over_the_time_when_it_was_closed(api, acme):
    api.post(LINEAGE, run_event("COMPLETE", inputs=[RAW], at="2026-03-01T06:00:00Z"))
    closed_at = datetime.datetime(2026, 3, 3, tzinfo=datetime.UTC)
    with tenant_scope(acme):
        LineageLink.objects.update(valid_to=closed_at)
    api.post(LINEAGE, run_event("COMPLETE", inputs=[RAW], run="new", at="2026-03-04T06:00:00Z"))
    api.post(LINEAGE, run_event("COMPLETE", inputs=[RAW], run="late", at="2026-03-02T06:00:00Z"))
    with tenant_scope(acme):
        link = LineageLink.objects.valid().get()
        assert link.valid_from == datetime.datetime(2026, 3, 4, 6, tzinfo=datetime.UTC)
