"""Which pipeline a run belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from catalog.openlineage.attribution import (
    MAX_DEPTH,
    Attribution,
    KnownRun,
    attribute,
    attribute_job,
    attribute_run,
)
from catalog.openlineage.envelope import read_event
from catalog.openlineage.events import ParentRef
from catalog.openlineage.names import JobKey
from tests.factories.openlineage import (
    airflow_dag_event,
    airflow_task_event,
    dbt_job_event,
    dbt_model_event,
    facet,
    job_event,
    job_type,
    parent,
    run_event,
    run_id,
    spark_action_event,
    spark_application_event,
)

ORDERS = JobKey("airflow-prod", "orders_sync")


@dataclass
class Known:
    """What a database would know."""

    runs: dict[str, KnownRun] = field(default_factory=dict)
    specs: dict[JobKey, JobKey] = field(default_factory=dict)
    pipelines: dict[JobKey, list[JobKey]] = field(default_factory=dict)

    def store(self, *documents: dict) -> Known:
        for document in documents:
            event = read_event(document)
            run = KnownRun(event.run.id, event.job.key, event.job_type, event.parent, event.root)
            self.runs[run.run_id] = run
        return self

    def find(self, run: ParentRef) -> KnownRun | None:
        found = self.runs.get(run.run_id)
        return found if found and run.job in (None, found.job) else None

    def spec_pipeline(self, job: JobKey) -> JobKey | None:
        return self.specs.get(job)

    def pipelines_of(self, job: JobKey) -> list[JobKey]:
        return self.pipelines.get(job, [])


def attributed(document: dict, known: Known | None = None) -> Attribution:
    return attribute_run(read_event(document), known or Known())


def root(name: str, namespace: str = "airflow-prod") -> dict:
    return {"run": {"runId": run_id(name)}, "job": {"namespace": namespace, "name": name}}


def test_a_dag_is_a_pipeline():
    assert attributed(airflow_dag_event()) == Attribution(ORDERS, None, False, "dag")


def test_a_task_is_a_step_of_its_dag():
    known = Known().store(airflow_dag_event())
    step = JobKey("airflow-prod", "orders_sync.load")
    assert attributed(airflow_task_event(), known) == Attribution(ORDERS, step, False, "dag")


def test_an_airflow_task_names_its_dag_before_the_dag_is_heard_of():
    assert attributed(airflow_task_event()).pipeline == ORDERS
    assert not attributed(airflow_task_event()).is_provisional


def test_a_dag_triggered_by_another_is_still_a_pipeline():
    triggered = airflow_dag_event(
        dag="orders_sync", run_facets={"parent": parent("nightly.trigger", "r", root=root("nightly"))}
    )
    assert attributed(triggered) == Attribution(ORDERS, None, False, "dag")


def test_the_task_of_a_triggered_dag_stays_with_it_though_the_root_lies_higher():
    task = airflow_task_event(root=root("nightly"))
    assert attributed(task).pipeline == ORDERS
    assert attributed(task, Known().store(airflow_dag_event())).pipeline == ORDERS


def test_the_root_wins_over_parents_that_are_no_dag():
    under = {"parent": parent("nightly.run_dbt", "t-1", root=root("nightly"))}
    found = attributed(dbt_job_event(run_facets=under))
    assert found == Attribution(JobKey("airflow-prod", "nightly"), JobKey("dbt", "dbt-run-shop"), False, "root")


def test_the_root_of_a_stored_parent_counts_for_its_children():
    under = {"parent": parent("nightly.run_dbt", "t-1", root=root("nightly"))}
    known = Known().store(dbt_job_event(run_facets=under))
    assert attributed(dbt_model_event(), known).pipeline == JobKey("airflow-prod", "nightly")


def test_the_walk_ends_at_the_first_dag():
    under_task = {"parent": parent("orders_sync.load", run_id("orders_sync.load"))}
    known = Known().store(
        spark_application_event(run_facets=under_task),
        airflow_task_event(),
        airflow_dag_event(run_facets={"parent": parent("nightly", "n-1")}),
    )
    found = attributed(spark_action_event(), known)
    assert found.pipeline == ORDERS
    assert found.step == JobKey("spark-prod", "daily_load.insert_into.orders")


def test_without_a_dag_the_top_of_the_parents_is_the_pipeline():
    known = Known().store(dbt_job_event())
    found = attributed(dbt_model_event(), known)
    assert found == Attribution(JobKey("dbt", "dbt-run-shop"), JobKey("dbt", "dbt-run-shop.orders"), False, "top")


def test_a_parent_not_heard_of_is_a_provisional_pipeline():
    found = attributed(dbt_model_event())
    assert found.pipeline == JobKey("dbt", "dbt-run-shop")
    assert (found.is_provisional, found.reason) == (True, "unseen parent")


def test_a_parent_learnt_later_moves_the_run():
    known = Known()
    application = spark_application_event(run_facets={"parent": parent("orders_sync.load", run_id("orders_sync.load"))})
    assert attributed(application, known).pipeline == JobKey("airflow-prod", "orders_sync.load")
    assert attributed(application, known).is_provisional
    known.store(airflow_task_event())
    assert attributed(application, known).pipeline == ORDERS


@pytest.mark.parametrize("kind", ["JOB", "APPLICATION", None, "STREAM"])
def test_a_job_without_parent_is_a_pipeline(kind):
    facets = {"jobType": job_type("SPARK", kind)}
    found = attributed(run_event(job="load", namespace="spark", job_facets=facets))
    assert found == Attribution(JobKey("spark", "load"), None, False, "own")


def test_a_job_that_says_nothing_of_itself_is_provisionally_a_pipeline():
    found = attributed(run_event(job="load", namespace="cron"))
    assert found == Attribution(JobKey("cron", "load"), None, True, "own")


@pytest.mark.parametrize("kind", ["TASK", "MODEL", "TEST", "SNAPSHOT", "QUERY", "SQL_JOB", "RDD_JOB", "COMMAND"])
def test_what_never_stands_alone_is_a_step_of_its_integration(kind):
    facets = {"jobType": job_type("DBT", kind)}
    found = attributed(run_event(job="orders", namespace="shop", job_facets=facets))
    assert found == Attribution(JobKey("shop", "dbt:shop"), JobKey("shop", "orders"), True, "orphan")


def test_a_child_of_an_orphan_goes_where_the_orphan_went():
    orphan = run_event(job="run_spark", namespace="x", job_facets={"jobType": job_type("LUIGI", "TASK")})
    child = spark_application_event(run_facets={"parent": parent("run_spark", run_id("run_spark"), namespace="x")})
    assert attributed(child, Known().store(orphan)).pipeline == JobKey("x", "luigi:x")


def test_a_spec_names_its_jobs_above_every_other_rule():
    registered = JobKey("default", "orders_sync")
    known = Known(specs={ORDERS: registered}).store(airflow_dag_event())
    assert attributed(airflow_dag_event(), known) == Attribution(registered, None, False, "spec")
    task = attributed(airflow_task_event(), known)
    assert task == Attribution(registered, JobKey("airflow-prod", "orders_sync.load"), False, "spec")


def test_a_spec_may_name_a_single_task():
    registered = JobKey("default", "orders_load")
    known = Known(specs={JobKey("airflow-prod", "orders_sync.load"): registered}).store(airflow_dag_event())
    assert attributed(airflow_task_event(), known) == Attribution(registered, None, False, "spec")


def test_a_spec_may_name_the_root():
    registered = JobKey("default", "nightly")
    known = Known(specs={JobKey("airflow-prod", "nightly"): registered})
    under = {"parent": parent("nightly.run_dbt", "t-1", root=root("nightly"))}
    assert attributed(dbt_job_event(run_facets=under), known).pipeline == registered


def test_a_run_that_is_its_own_root_is_no_step():
    under = {"parent": parent("starter", "s", root=root("dbt-run-shop", "dbt"))}
    assert attributed(dbt_job_event(run_facets=under)).step is None


def test_a_parent_without_a_job_is_found_by_its_run_id():
    unnamed = {"parent": facet(run={"runId": run_id("dbt-run-shop")}, job={})}
    model = dbt_model_event(run_facets=unnamed)
    assert attributed(model, Known().store(dbt_job_event())).pipeline == JobKey("dbt", "dbt-run-shop")
    assert attributed(model).reason == "orphan"


def test_a_run_that_is_its_own_parent_stands_alone():
    event = run_event(job="loop", namespace="x", run_facets={"parent": parent("loop", run_id("loop"), namespace="x")})
    found = attributed(event, Known().store(event))
    assert found == Attribution(JobKey("x", "loop"), None, True, "own")


def test_a_circle_of_parents_ends():
    one = run_event(job="one", namespace="x", run_facets={"parent": parent("two", run_id("two"), namespace="x")})
    two = run_event(job="two", namespace="x", run_facets={"parent": parent("one", run_id("one"), namespace="x")})
    known = Known().store(one, two)
    assert attributed(one, known).pipeline == JobKey("x", "one")
    assert attributed(two, known).pipeline == JobKey("x", "two")


def test_a_chain_longer_than_any_orchestration_ends():
    def link(number: int) -> KnownRun:
        above = ParentRef(f"r{number + 1}", JobKey("x", f"j{number + 1}"))
        return KnownRun(f"r{number}", JobKey("x", f"j{number}"), None, above, None)

    known = Known({f"r{number}": link(number) for number in range(10 * MAX_DEPTH)})
    assert attribute(link(0), known).pipeline == JobKey("x", "j0")


def test_a_job_event_of_an_unknown_job_makes_nothing():
    assert attribute_job(read_event(job_event()), Known()) == ()


def test_a_job_event_describes_a_known_pipeline_or_step():
    step = JobKey("airflow-prod", "orders_sync.load")
    known = Known(pipelines={ORDERS: [ORDERS], step: [ORDERS]})
    assert attribute_job(read_event(job_event("orders_sync")), known) == (Attribution(ORDERS, None, False, "own"),)
    assert attribute_job(read_event(job_event("orders_sync.load")), known) == (Attribution(ORDERS, step, False, "own"),)


def test_a_job_event_of_a_new_airflow_task_finds_its_dag_by_name():
    known = Known(pipelines={JobKey("airflow-prod", "orders"): [JobKey("airflow-prod", "orders")], ORDERS: [ORDERS]})
    event = read_event(job_event("orders_sync.group.load", jobType=job_type("AIRFLOW", "TASK")))
    (found,) = attribute_job(event, known)
    assert (found.pipeline, found.step) == (ORDERS, JobKey("airflow-prod", "orders_sync.group.load"))
    assert attribute_job(read_event(job_event("orders_sync.load")), known) == ()


def test_a_job_event_of_a_job_in_a_spec_describes_that_pipeline():
    known = Known(specs={ORDERS: JobKey("default", "orders")})
    (found,) = attribute_job(read_event(job_event("orders_sync")), known)
    assert found.pipeline == JobKey("default", "orders")
