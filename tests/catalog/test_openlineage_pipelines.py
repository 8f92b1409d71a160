"""Three DAGs become three pipelines, their tasks steps, their datasets one graph, in whatever order events come."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.models import LineageLink, Pipeline, Run, Step
from orgs.models import AuditEvent
from orgs.tenancy import tenant_scope
from tests.factories.openlineage import airflow_dag_event, airflow_task_event, dataset, parent, run_event, run_id

DAGS = ("orders_sync", "orders_report", "orders_export")
BETWEEN = [dataset("postgres://db:5432", f"shop.public.{name}") for name in ("raw", "orders", "report", "export")]


def three_dags() -> list[dict[str, Any]]:
    """Each DAG reads what the one before it writes."""
    events = []
    for number, dag in enumerate(DAGS):
        read, written = BETWEEN[number], BETWEEN[number + 1]
        events += [
            airflow_dag_event("START", dag),
            airflow_task_event("START", dag, "extract"),
            airflow_task_event("COMPLETE", dag, "extract", inputs=[read], at="2026-03-02T06:01:00Z"),
            airflow_task_event("START", dag, "load"),
            airflow_task_event("COMPLETE", dag, "load", outputs=[written], at="2026-03-02T06:02:00Z"),
            airflow_dag_event("COMPLETE", dag, at="2026-03-02T06:03:00Z"),
        ]
    return events


def catalog_of(organization: Any) -> dict[str, Any]:
    with tenant_scope(organization):
        return {
            "pipelines": sorted(Pipeline.objects.existing().values_list("namespace", "name")),
            "steps": sorted(Step.objects.filter(ended_at=None).values_list("pipeline__name", "name")),
            "runs": sorted(
                Run.objects.values_list("pipeline__name", "step__name", "status", "parent_run__pipeline__name"), key=str
            ),
            "links": sorted(
                LineageLink.objects.valid().values_list("pipeline__name", "step__name", "dataset__name", "direction")
            ),
        }


@pytest.fixture
def expected() -> dict[str, Any]:
    names = sorted(DAGS)
    return {
        "pipelines": [("airflow-prod", dag) for dag in names],
        "steps": [(dag, f"{dag}.{task}") for dag in names for task in ("extract", "load")],
        "runs": sorted(
            [
                *((dag, None, "success", None) for dag in DAGS),
                *((dag, f"{dag}.{task}", "success", dag) for dag in DAGS for task in ("extract", "load")),
            ],
            key=str,
        ),
        "links": sorted(
            [
                *((dag, f"{dag}.extract", BETWEEN[n]["name"], "reads") for n, dag in enumerate(DAGS)),
                *((dag, f"{dag}.load", BETWEEN[n + 1]["name"], "writes") for n, dag in enumerate(DAGS)),
            ]
        ),
    }


def test_three_dags_become_three_pipelines_with_steps_and_one_graph(api, acme, expected):
    for event in three_dags():
        assert api.post("/api/v1/lineage", event).status_code == 201
    assert catalog_of(acme) == expected


def test_the_order_of_arrival_makes_no_difference(api, acme, expected):
    for event in reversed(three_dags()):
        assert api.post("/api/v1/lineage", event).status_code == 201
    assert catalog_of(acme) == expected


def test_a_batch_makes_the_same_of_them(api, acme, expected):
    assert api.post("/api/v1/lineage/batch", three_dags()[::-1]).status_code == 204
    assert catalog_of(acme) == expected


def test_a_pipeline_that_loses_its_last_run_to_another_disappears_on_record(api, acme):
    api.post("/api/v1/lineage", run_event(job="dag.load"))
    api.post(
        "/api/v1/lineage", run_event("COMPLETE", job="dag.load", run_facets={"parent": parent("dag", run_id("dag"))})
    )
    with tenant_scope(acme):
        assert [pipeline.name for pipeline in Pipeline.objects.existing()] == ["dag"]
        event = AuditEvent.objects.get(action="pipeline.deleted")
        assert (event.target_label, event.before["name"]) == ("dag.load", "dag.load")
        assert event.after == {"reason": "its runs belong to other pipelines"}


def test_a_pipeline_that_a_person_gave_owners_stays_without_runs(api, acme):
    api.post("/api/v1/lineage", run_event(job="dag.load"))
    assert api.patch("/api/v1/pipelines/dag.load?namespace=airflow-prod", {"owners": ["alice"]}).status_code == 200
    api.post(
        "/api/v1/lineage", run_event("COMPLETE", job="dag.load", run_facets={"parent": parent("dag", run_id("dag"))})
    )
    with tenant_scope(acme):
        assert sorted(pipeline.name for pipeline in Pipeline.objects.existing()) == ["dag", "dag.load"]
        assert not AuditEvent.objects.filter(action="pipeline.deleted").exists()
