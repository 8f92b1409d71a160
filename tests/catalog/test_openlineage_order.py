"""A night of Airflow, dbt and Spark comes to the same catalog in whatever order and portions its events arrive."""

from __future__ import annotations

import random

import pytest

from catalog.models import Check, CheckResult, ColumnLink, Dataset, LineageLink, Pipeline, Run, Step
from orgs.tenancy import tenant_scope
from tests.factories.openlineage import (
    airflow_dag_event,
    airflow_task_event,
    dataset,
    dbt_job_event,
    dbt_model_event,
    facet,
    parent,
    run_id,
    schema,
    spark_action_event,
    spark_application_event,
)


def a_night():
    """DAG `morning` runs dbt in one task, triggers DAG `noon` in another, which runs Spark."""
    dbt_parent = {"parent": parent("morning.dbt", run_id("morning.dbt"))}
    spark_parent = {"parent": parent("noon.spark", run_id("noon.spark"))}
    triggered = {"parent": parent("morning.trigger", run_id("morning.trigger"))}
    failed = {"dataQualityAssertions": facet(assertions=[{"assertion": "unique", "success": False, "column": "id"}])}
    checked = dataset("s3://lake", "orders", schema=schema("id:int")) | {"inputFacets": failed}
    return [
        airflow_dag_event("START", "morning", at="2026-03-02T06:00:00Z"),
        airflow_task_event("START", "morning", "dbt", at="2026-03-02T06:00:01Z"),
        dbt_job_event("START", at="2026-03-02T06:00:02Z", run_facets=dbt_parent),
        dbt_model_event("START", at="2026-03-02T06:00:03Z"),
        dbt_model_event("COMPLETE", at="2026-03-02T06:00:04Z"),
        dbt_job_event("COMPLETE", at="2026-03-02T06:00:05Z"),
        airflow_task_event("COMPLETE", "morning", "dbt", at="2026-03-02T06:00:06Z"),
        airflow_task_event("START", "morning", "trigger", at="2026-03-02T06:00:07Z"),
        airflow_dag_event("START", "noon", at="2026-03-02T06:00:08Z", run_facets=triggered),
        airflow_task_event("COMPLETE", "morning", "trigger", at="2026-03-02T06:00:09Z"),
        airflow_dag_event("COMPLETE", "morning", at="2026-03-02T06:00:10Z"),
        airflow_task_event("START", "noon", "spark", at="2026-03-02T06:00:11Z"),
        spark_application_event("START", at="2026-03-02T06:00:12Z", run_facets=spark_parent),
        spark_action_event("COMPLETE", at="2026-03-02T06:00:13Z", inputs=[checked]),
        spark_application_event("COMPLETE", at="2026-03-02T06:00:14Z"),
        airflow_task_event("FAIL", "noon", "spark", at="2026-03-02T06:00:15Z"),
        airflow_dag_event("FAIL", "noon", at="2026-03-02T06:00:16Z"),
    ]


def catalog_of(organization):
    with tenant_scope(organization):
        active = Pipeline.objects.active()
        step = ("pipeline__name", "step__name")
        return {
            "pipelines": sorted(
                active.values_list("name", "health", "last_run_status", "owner", "schedule", "job_type"), key=str
            ),
            "steps": sorted(
                Step.objects.filter(pipeline__in=active, ended_at=None).values_list("pipeline__name", "name", "kind")
            ),
            "runs": sorted(
                Run.objects.values_list("id", *step, "status", "cause", "started_at", "finished_at"), key=str
            ),
            "links": sorted(
                LineageLink.objects.filter(pipeline__in=active, valid_to=None).values_list(
                    *step, "dataset__name", "direction", "valid_from"
                ),
                key=str,
            ),
            "columns": sorted(
                ColumnLink.objects.filter(pipeline__in=active, valid_to=None).values_list(
                    *step, "from_column", "to_column"
                )
            ),
            "checks": sorted(
                Check.objects.filter(pipeline__in=active).values_list("pipeline__name", "check_id", "last_status")
            ),
            "results": sorted(CheckResult.objects.values_list("pipeline__name", "run_id", "status"), key=str),
            "datasets": sorted(Dataset.objects.values_list("namespace", "name", "last_written_at"), key=str),
        }


@pytest.fixture
def expected(globex_api, globex):
    for event in a_night():
        assert globex_api.post("/api/v1/lineage", event).status_code == 201
    return catalog_of(globex)


def test_the_night_is_two_pipelines(expected):
    assert [row[:3] for row in expected["pipelines"]] == [
        ("morning", "healthy", "success"),
        ("noon", "failing", "failed"),
    ]
    assert len(expected["steps"]) == 7
    assert ("noon", "unique", "fail") in expected["checks"]


@pytest.mark.parametrize("seed", range(8))
def test_neither_order_nor_portions_matter(api, acme, expected, seed):
    chance = random.Random(seed)
    events = a_night()
    chance.shuffle(events)
    while events:
        portion = events[: chance.choice([1, 1, 2, 3, 5, 17])]
        events = events[len(portion) :]
        path, body = ("/api/v1/lineage", portion[0]) if len(portion) == 1 else ("/api/v1/lineage/batch", portion)
        response = api.post(path, body)
        assert response.status_code in (201, 204), response.content
    found = catalog_of(acme)
    for name, rows in expected.items():
        assert found[name] == rows, name
