"""New pipelines need room in the plan; those that find none are refused, and remembered as discovered."""

from __future__ import annotations

import pytest

from catalog.models import Dataset, DiscoveredPipeline, EventInbox, Pipeline, Run
from orgs.models import AuditEvent
from orgs.tenancy import tenant_scope
from tests.factories import PipelineFactory
from tests.factories.openlineage import airflow_task_event, dataset, job_type, parent, run_event, run_id

LINEAGE, BATCH = "/api/v1/lineage", "/api/v1/lineage/batch"


@pytest.fixture
def full_org(free_org):
    PipelineFactory.create_batch(3, organization=free_org)
    return free_org


def test_an_event_of_a_fourth_pipeline_is_refused_and_the_pipeline_discovered(free_api, full_org):
    for _ in range(2):
        response = free_api.post(LINEAGE, run_event("COMPLETE", outputs=[dataset("s3://lake", "orders")]))
        assert response.status_code == 403
    problem = response.json()
    assert (problem["type"], problem["limit"], problem["used"]) == ("/problems/plan-limit-reached", 3, 3)
    with tenant_scope(full_org):
        assert [Run.objects.count(), Dataset.objects.count(), EventInbox.objects.count()] == [0, 0, 0]
        assert not AuditEvent.objects.filter(action="pipeline.observed").exists()
        found = DiscoveredPipeline.objects.get()
        assert (found.namespace, found.name, found.event_count) == ("airflow-prod", "orders_sync", 2)


def test_of_a_batch_as_many_new_pipelines_come_in_as_there_is_room(free_api, free_org):
    PipelineFactory.create_batch(2, organization=free_org)
    answer = free_api.post(BATCH, [run_event(job=f"dag_{n}") for n in range(3)]).json()
    assert [failed["index"] for failed in answer["failed_events"]] == [1, 2]
    assert answer["summary"]["non_retriable"] == 2
    assert "plan allows 3 pipelines" in answer["failed_events"][0]["reason"]
    with tenant_scope(free_org):
        assert Pipeline.objects.filter(origin="openlineage").get().name == "dag_0"
        assert set(DiscoveredPipeline.objects.values_list("name", flat=True)) == {"dag_1", "dag_2"}


def test_events_of_known_pipelines_and_their_new_steps_need_no_room(free_api, free_org):
    free_api.post(LINEAGE, run_event(job="orders_sync", job_facets={"jobType": job_type("AIRFLOW", "DAG")}))
    PipelineFactory.create_batch(2, organization=free_org)
    assert free_api.post(LINEAGE, airflow_task_event()).status_code == 201


def test_a_provisional_pipeline_gives_its_place_to_the_one_it_belongs_to(free_api, full_org):
    with tenant_scope(full_org):
        Pipeline.objects.first().delete()
    assert free_api.post(LINEAGE, run_event(job="dag.load")).status_code == 201
    event = run_event("COMPLETE", job="dag.load", run_facets={"parent": parent("dag", run_id("dag"))})
    assert free_api.post(LINEAGE, event).status_code == 201
    with tenant_scope(full_org):
        observed = Pipeline.objects.active().filter(origin="openlineage")
        assert [pipeline.name for pipeline in observed] == ["dag"]
        assert Pipeline.objects.counted().count() == 3


def test_an_organization_may_admit_registered_pipelines_only(api, acme):
    acme.settings = {"ingest_admission": "registered"}
    acme.save()
    PipelineFactory(organization=acme, name="orders_sync", namespace="airflow-prod")
    assert api.post(LINEAGE, run_event(job="orders_sync")).status_code == 201
    response = api.post(LINEAGE, run_event(job="other"))
    assert response.status_code == 403
    assert response.json()["type"] == "/problems/pipeline-not-admitted"
    with tenant_scope(acme):
        assert DiscoveredPipeline.objects.get().name == "other"


def test_an_ignored_pipeline_stays_out_also_when_there_is_room(free_api, full_org):
    free_api.post(LINEAGE, run_event())
    with tenant_scope(full_org):
        found = DiscoveredPipeline.objects.get()
        found.ignored_at = found.last_seen_at
        found.save()
        Pipeline.objects.first().delete()
    assert free_api.post(LINEAGE, run_event()).status_code == 403


def test_a_discovered_pipeline_that_comes_in_is_discovered_no_more(free_api, full_org):
    free_api.post(LINEAGE, run_event())
    with tenant_scope(full_org):
        Pipeline.objects.first().delete()
    assert free_api.post(LINEAGE, run_event()).status_code == 201
    with tenant_scope(full_org):
        assert not DiscoveredPipeline.objects.exists()


def test_after_a_downgrade_known_pipelines_are_still_served(free_api, free_org):
    PipelineFactory.create_batch(5, organization=free_org)
    PipelineFactory(organization=free_org, name="orders_sync", namespace="airflow-prod")
    assert free_api.post(LINEAGE, run_event()).status_code == 201
    assert free_api.post(LINEAGE, run_event(job="new")).status_code == 403
