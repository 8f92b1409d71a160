"""Facets are stored once by content; each run, job and dataset carries the latest of each name."""

from __future__ import annotations

import pytest

from catalog.models import Dataset, Facet, FacetUse, Pipeline, Step
from orgs.tenancy import tenant_scope
from tests.factories import PipelineFactory
from tests.factories.openlineage import airflow_task_event, dataset, facet, run_event, run_id

LINEAGE = "/api/v1/lineage"


def facet_of(organization, name, kind="run"):
    with tenant_scope(organization):
        return FacetUse.objects.select_related("facet").get(subject_kind=kind, name=name).facet.content


def test_facets_of_the_start_survive_the_end(api, acme):
    api.post(LINEAGE, run_event("START", run_facets={"processing_engine": facet(version="3.0.2")}))
    api.post(LINEAGE, run_event("COMPLETE", run_facets={"custom": facet(answer=42)}))
    assert facet_of(acme, "processing_engine")["version"] == "3.0.2"
    assert facet_of(acme, "custom")["answer"] == 42


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_latest_by_event_time_counts(api, acme, order):
    events = [
        run_event("RUNNING", at=f"2026-03-02T06:0{minute}:00Z", run_facets={"progress": facet(share=minute)})
        for minute in (1, 2)
    ]
    for index in order:
        api.post(LINEAGE, events[index])
    assert facet_of(acme, "progress")["share"] == 2


def test_a_deleted_facet_stays_deleted_when_an_older_one_comes_late(api, acme):
    api.post(LINEAGE, run_event(at="2026-03-02T06:05:00Z", run_facets={"custom": facet(_deleted=True)}))
    api.post(LINEAGE, run_event(at="2026-03-02T06:00:00Z", run_facets={"custom": facet(answer=42)}))
    assert facet_of(acme, "custom")["_deleted"] is True


def test_equal_content_is_one_row(api, acme):
    for run in ("a", "b", "c"):
        api.post(LINEAGE, run_event(run=run_id(run), run_facets={"environment": facet(image="etl:7")}))
    with tenant_scope(acme):
        assert Facet.objects.count() == 1
        assert FacetUse.objects.count() == 3


def test_a_facet_over_the_limit_is_cut_and_marked(api, acme):
    api.post(LINEAGE, run_event(run_facets={"plan": facet(text="x" * 300_000, size=7)}))
    with tenant_scope(acme):
        row = Facet.objects.get()
        assert (row.is_cut, row.content["size"]) == (True, 7)
        assert len(row.content["text"]) < 256_000 < row.byte_count


def test_owners_texts_and_tags_of_a_job_stand_on_its_pipeline(api, acme):
    facets = {
        "ownership": facet(owners=[{"name": "airflow"}, {"name": "team:data", "type": "MAINTAINER"}]),
        "documentation": facet(description="Loads the orders."),
        "tags": facet(tags=[{"key": "Tier", "value": "1"}, {"key": "critical", "value": "true"}]),
    }
    api.post(LINEAGE, run_event(job_facets=facets))
    with tenant_scope(acme):
        pipeline = Pipeline.objects.owned_by("team:data").tagged("tier:1", "critical").get()
        assert (pipeline.owner, pipeline.description) == ("team:data", "Loads the orders.")
        assert pipeline.owners == [{"name": "team:data", "origin": "facet"}]


def test_what_a_person_said_of_owners_goes_first(api, acme):
    pipeline = PipelineFactory(
        organization=acme,
        name="orders_sync",
        namespace="airflow-prod",
        owner="alice",
        owners=[{"name": "alice", "origin": "person"}],
    )
    api.post(LINEAGE, run_event(job_facets={"ownership": facet(owners=[{"name": "team:data"}])}))
    with tenant_scope(acme):
        pipeline.refresh_from_db()
        assert (pipeline.owner, [entry["origin"] for entry in pipeline.owners]) == ("alice", ["person", "facet"])


def test_a_step_is_described_by_its_job(api, acme):
    facets = {
        "documentation": facet(description="Loads."),
        "sourceCodeLocation": facet(type="git", url="https://git.example/dags/load.py"),
    }
    api.post(LINEAGE, airflow_task_event(job_facets=facets))
    with tenant_scope(acme):
        step = Step.objects.get()
        assert (step.kind, step.description, step.code_ref) == ("TASK", "Loads.", "https://git.example/dags/load.py")


def test_a_dataset_is_described_by_its_facets(api, acme):
    symlink = {"namespace": "hive://metastore", "name": "shop.orders", "type": "TABLE"}
    output = dataset(
        "s3://lake",
        "orders",
        documentation=facet(description="All orders."),
        ownership=facet(owners=[{"name": "team:data"}]),
        symlinks=facet(identifiers=[symlink]),
        lifecycleStateChange=facet(lifecycleStateChange="TRUNCATE"),
    )
    api.post(LINEAGE, run_event("COMPLETE", outputs=[output]))
    with tenant_scope(acme):
        found = Dataset.objects.get()
        assert (found.description, found.lifecycle_state) == ("All orders.", "TRUNCATE")
        assert (found.owners, found.symlinks) == ([{"name": "team:data", "origin": "facet"}], [symlink])


@pytest.mark.parametrize(("setting", "kept"), [("all", True), ("editors", True), ("no", False)])
def test_sql_is_stored_as_the_organization_wants(api, acme, setting, kept):
    acme.settings = {"store_sql": setting}
    acme.save()
    api.post(LINEAGE, run_event(job_facets={"sql": facet(query="select 1")}))
    with tenant_scope(acme):
        assert FacetUse.objects.filter(name="sql").exists() is kept
