"""Runs of events: states in any order, parents, attempts, and one run for what is one."""

from __future__ import annotations

from itertools import permutations

import pytest

from catalog.models import Pipeline, Run, Step
from orgs.tenancy import tenant_scope
from tests.factories import PipelineFactory
from tests.factories.openlineage import (
    airflow_dag_event,
    airflow_task_event,
    dataset,
    dbt_job_event,
    dbt_model_event,
    facet,
    job_type,
    parent,
    run_event,
    run_id,
    spark_action_event,
    spark_application_event,
)

LINEAGE, BATCH = "/api/v1/lineage", "/api/v1/lineage/batch"


def post_all(api, events):
    for event in events:
        response = api.post(LINEAGE, event)
        assert response.status_code == 201, response.content


def runs_of(organization):
    with tenant_scope(organization):
        fields = ("pipeline__name", "step__name", "parent_run__pipeline__name", "status")
        return sorted(Run.objects.values_list(*fields), key=str)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_outcome_is_the_same_in_every_order(api, acme, order):
    events = [
        run_event("START", at="2026-03-02T06:00:00Z"),
        run_event("COMPLETE", at="2026-03-02T06:10:00Z"),
        run_event("FAIL", at="2026-03-02T06:11:00Z", run_facets={"errorMessage": facet(message="lost a worker")}),
    ]
    post_all(api, [events[index] for index in order])
    with tenant_scope(acme):
        run = Run.objects.get()
        assert (run.status, run.duration_seconds, run.error) == ("failed", 660, "lost a worker")
        assert Pipeline.objects.get().last_run_status == "failed"


def test_what_airflow_tells_of_a_task_is_on_its_run(api, acme):
    post_all(api, [airflow_dag_event(), airflow_task_event("FAIL", try_number=3, map_index=2)])
    with tenant_scope(acme):
        task = Run.objects.get(step__isnull=False)
        assert (task.attempt, task.map_index, task.trigger) == (3, 2, "scheduled")
        assert task.external_url == "http://airflow/log/load"
        assert str(task.parent_run_id) == run_id("orders_sync")
        dag = Run.objects.get(step=None)
        assert dag.nominal_start_at.isoformat() == "2026-03-01T06:00:00+00:00"
        assert dag.orchestrator_run_id == "scheduled__2026-03-01T06:00:00+00:00"


def test_rows_are_those_that_inputs_and_outputs_count(api, acme):
    written = dataset("s3://lake", "a") | {"outputFacets": {"outputStatistics": facet(rowCount=120)}}
    more = dataset("s3://lake", "b") | {"outputFacets": {"outputStatistics": facet(rowCount=30)}}
    read = dataset("s3://lake", "c") | {"inputFacets": {"inputStatistics": facet(rowCount=7)}}
    post_all(api, [run_event("COMPLETE", inputs=[read], outputs=[written, more])])
    with tenant_scope(acme):
        run = Run.objects.get()
        assert (run.rows_read, run.rows_written) == (7, 150)


def test_a_native_run_and_the_events_of_its_dag_run_are_one(api, acme):
    PipelineFactory(organization=acme, name="orders_sync", namespace="airflow-prod")
    native = {
        "pipeline_id": "orders_sync",
        "namespace": "airflow-prod",
        "run_id": "scheduled__2026-03-01T06:00:00+00:00",
        "status": "running",
    }
    assert api.post("/api/v1/runs/", native).status_code == 201
    post_all(api, [airflow_task_event("START"), airflow_dag_event("START"), airflow_dag_event("COMPLETE")])
    with tenant_scope(acme):
        run = Run.objects.get(step=None)
        assert (run.run_id, run.status) == (native["run_id"], "success")
        assert Run.objects.get(step__isnull=False).parent_run_id == run.id


def test_a_run_id_in_words_is_one_run_within_its_job(api, acme):
    post_all(
        api, [run_event(run="manual 1"), run_event("COMPLETE", run="manual 1"), run_event(run="manual 1", job="b")]
    )
    with tenant_scope(acme):
        assert sorted(Run.objects.values_list("pipeline__name", "run_id", "status")) == [
            ("b", "manual 1", "running"),
            ("orders_sync", "manual 1", "success"),
        ]


def test_a_uuid_that_two_jobs_use_is_kept_on_both_with_a_warning(api, acme):
    post_all(api, [run_event(job="a", run=run_id("x")), run_event(job="b", run=run_id("x"))])
    with tenant_scope(acme):
        runs = list(Run.objects.order_by("pipeline__name"))
        assert [str(run.openlineage_id) for run in runs] == [run_id("x")] * 2
        assert all("used by two jobs" in run.warnings[0] for run in runs)


def test_broken_facets_are_warnings_on_the_run(api, acme):
    post_all(api, [run_event(run_facets={"nominalTime": facet(nominalStartTime="soon")})])
    with tenant_scope(acme):
        assert "nominalTime" in Run.objects.get().warnings[0]


def test_dbt_models_are_steps_of_their_job_whichever_comes_first(api, acme, globex_api, globex):
    events = [dbt_job_event("START"), dbt_model_event(), dbt_job_event("COMPLETE", at="2026-03-02T06:09:00Z")]
    post_all(api, events)
    post_all(globex_api, events[::-1])
    assert runs_of(acme) == runs_of(globex)
    assert runs_of(acme) == [
        ("dbt-run-shop", "dbt-run-shop.orders", "dbt-run-shop", "success"),
        ("dbt-run-shop", None, None, "success"),
    ]


def test_dbt_started_by_airflow_belongs_to_the_dag(api, acme, globex_api, globex):
    task = parent("orders_sync.load", run_id("orders_sync.load"))
    events = [
        airflow_dag_event("START"),
        airflow_task_event("START"),
        dbt_job_event("START", run_facets={"parent": task}),
        dbt_model_event(),
        dbt_job_event("COMPLETE", at="2026-03-02T06:09:00Z"),
        airflow_task_event("COMPLETE", at="2026-03-02T06:10:00Z"),
        airflow_dag_event("COMPLETE", at="2026-03-02T06:11:00Z"),
    ]
    post_all(api, events)
    post_all(globex_api, events[::-1])
    assert runs_of(acme) == runs_of(globex)
    assert {row[0] for row in runs_of(acme)} == {"orders_sync"}
    for organization in (acme, globex):
        with tenant_scope(organization):
            assert Pipeline.objects.active().get().name == "orders_sync"
            assert Step.objects.filter(ended_at=None, pipeline__deleted_at=None).count() == 3


def test_a_parent_learnt_later_moves_the_run_and_those_below_it(api, acme):
    post_all(api, [spark_application_event("START"), spark_action_event()])
    with tenant_scope(acme):
        assert Pipeline.objects.get().name == "daily_load"
    dag = parent("orders_sync.spark", run_id("orders_sync.spark"))
    post_all(
        api,
        [
            spark_application_event("COMPLETE", run_facets={"parent": dag}, at="2026-03-02T06:09:00Z"),
            airflow_task_event("COMPLETE", task="spark"),
        ],
    )
    with tenant_scope(acme):
        assert Pipeline.objects.active().get().name == "orders_sync"
        assert set(Run.objects.values_list("pipeline__name", flat=True)) == {"orders_sync"}
        steps = Step.objects.filter(pipeline__deleted_at=None, ended_at=None).values_list("name", flat=True)
        assert sorted(steps) == ["daily_load", "daily_load.insert_into.orders", "orders_sync.spark"]


def test_a_dag_that_another_triggered_stays_a_pipeline(api, acme):
    trigger = parent("first.trigger", run_id("first.trigger"))
    second = airflow_dag_event("START", "second", run_facets={"parent": trigger})
    post_all(api, [airflow_dag_event("START", "first"), airflow_task_event("START", "first", "trigger"), second])
    with tenant_scope(acme):
        assert set(Pipeline.objects.values_list("name", flat=True)) == {"first", "second"}
        run = Run.objects.get(pipeline__name="second")
        assert str(run.parent_run_id) == run_id("first.trigger")


def test_a_task_without_a_known_parent_stands_in_a_pipeline_of_its_own_kind_until_then(api, acme):
    orphan = run_event("START", job="orders_sync.load", job_facets={"jobType": job_type("AIRFLOW", "TASK")})
    post_all(api, [orphan])
    with tenant_scope(acme):
        assert Pipeline.objects.get().name == "airflow:airflow-prod"
    post_all(api, [airflow_task_event("COMPLETE")])
    with tenant_scope(acme):
        assert Pipeline.objects.active().get().name == "orders_sync"


def test_runs_of_a_job_that_a_spec_names_are_runs_of_its_pipeline(api, acme):
    from catalog.models import PipelineJob, identity_of

    pipeline = PipelineFactory(organization=acme, name="orders")
    with tenant_scope(acme):
        PipelineJob(
            namespace="airflow-prod",
            name="orders_sync",
            identity=identity_of("airflow-prod", "orders_sync"),
            pipeline=pipeline,
        ).save()
    post_all(api, [airflow_task_event("START"), airflow_dag_event("START"), airflow_dag_event("COMPLETE")])
    with tenant_scope(acme):
        assert Pipeline.objects.get() == pipeline
        assert Run.objects.get(step=None).status == "success"
        assert Step.objects.get().name == "orders_sync.load"


def test_a_dag_describes_its_pipeline(api, acme):
    post_all(api, [airflow_dag_event("START")])
    with tenant_scope(acme):
        pipeline = Pipeline.objects.get()
        assert (pipeline.schedule, pipeline.timezone) == ("0 6 * * *", "Europe/Vienna")
        assert (pipeline.owner, pipeline.owners) == ("data-team", [{"name": "data-team", "origin": "facet"}])
        assert (pipeline.tags, pipeline.description) == (["ecommerce", "pii"], "Sync orders")
        assert pipeline.next_expected_at is not None
        assert Pipeline.objects.tagged("pii").owned_by("data-team").get() == pipeline


def test_backfills_touch_no_last_run_facts(api, acme):
    event = airflow_dag_event("START")
    event["run"]["facets"]["airflowDagRun"]["dagRun"]["run_type"] = "backfill"
    post_all(api, [event])
    with tenant_scope(acme):
        pipeline = Pipeline.objects.get()
        assert (pipeline.last_run_id, pipeline.health) == (None, "never_run")


def test_a_circle_of_parents_is_no_parent(api, acme):
    for name, above in (("a", "b"), ("b", "a")):
        post_all(api, [run_event(job=name, run_facets={"parent": parent(above, run_id(above))})])
    with tenant_scope(acme):
        assert Run.objects.count() == 2
