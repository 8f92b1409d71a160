"""Assertions and tests in events are check results: one per run, dataset, assertion, column and name."""

from __future__ import annotations

import datetime

from catalog.models import Check, CheckResult, Pipeline, Run
from orgs.tenancy import tenant_scope
from tests.factories.openlineage import dataset, facet, parent, run_event, run_id

LINEAGE = "/api/v1/lineage"


def checked(success, *, column="id", at="2026-03-02T06:05:00Z", run=None, **more):
    assertion = {"assertion": "not_null", "success": success, "column": column, **more}
    read = dataset("s3://lake", "orders") | {"inputFacets": {"dataQualityAssertions": facet(assertions=[assertion])}}
    return run_event("COMPLETE", at=at, run=run, inputs=[read])


def test_an_assertion_becomes_a_result_of_the_run(api, acme):
    assert api.post(LINEAGE, checked(True, expected="0", actual="0")).status_code == 201
    with tenant_scope(acme):
        check = Check.objects.select_related("pipeline", "dataset").get()
        assert (check.check_id, check.column, check.origin) == ("not_null", "id", "openlineage")
        assert (check.pipeline.name, check.dataset.name) == ("orders_sync", "orders")
        result = CheckResult.objects.get()
        assert (result.status, result.value, result.threshold) == ("pass", "0", "0")
        assert result.run_id == Run.objects.get().id


def test_a_failed_assertion_fails_its_run(api, acme):
    api.post(LINEAGE, checked(False))
    with tenant_scope(acme):
        run = Run.objects.get()
        assert (run.status, run.cause, run.reported_status) == ("failed", "check", "success")
        assert Pipeline.objects.get().health == "failing"


def test_a_warning_fails_nothing(api, acme):
    api.post(LINEAGE, checked(False, severity="warn"))
    with tenant_scope(acme):
        assert Run.objects.get().status == "success"


def test_saying_it_again_makes_no_second_result(api, acme):
    for _ in range(3):
        api.post(LINEAGE, checked(True))
    with tenant_scope(acme):
        assert CheckResult.objects.count() == 1


def test_columns_and_runs_have_results_of_their_own(api, acme):
    for column in ("id", "total"):
        for run in ("a", "b"):
            api.post(LINEAGE, checked(True, column=column, run=run))
    with tenant_scope(acme):
        assert (Check.objects.count(), CheckResult.objects.count()) == (2, 4)


def test_a_run_that_passes_later_is_restored(api, acme):
    api.post(LINEAGE, checked(False))
    api.post(LINEAGE, checked(True, at="2026-03-02T06:06:00Z"))
    with tenant_scope(acme):
        assert Run.objects.get().status == "success"


def test_the_test_facet_tells_results_without_dataset(api, acme):
    tests = [{"name": "row_count_1", "type": "row_count", "status": "fail", "severity": "error"}]
    api.post(LINEAGE, run_event("COMPLETE", run_facets={"test": facet(tests=tests)}))
    with tenant_scope(acme):
        check = Check.objects.get()
        assert (check.check_id, check.dataset_id) == ("row_count_1", None)
        assert CheckResult.objects.get().status == "fail"


def test_a_failing_dataset_puts_its_readers_at_risk(api, acme):
    bad = checked(False)
    bad["outputs"], bad["inputs"] = bad["inputs"], []
    api.post(LINEAGE, run_event("COMPLETE", job="reader", inputs=[dataset("s3://lake", "orders")]))
    api.post(LINEAGE, bad)
    with tenant_scope(acme):
        assert Pipeline.objects.get(name="reader").is_at_risk


def test_a_reader_that_appears_while_the_dataset_fails_is_at_risk(api, acme):
    api.post(LINEAGE, checked(False))
    api.post(LINEAGE, run_event("COMPLETE", job="reader", inputs=[dataset("s3://lake", "orders")]))
    with tenant_scope(acme):
        assert Pipeline.objects.get(name="reader").is_at_risk


def test_results_move_with_their_runs(api, acme):
    from tests.factories.openlineage import airflow_task_event, parent, run_id

    api.post(LINEAGE, checked(False))
    event = run_event("OTHER", run_facets={"parent": parent("dag.task", run_id("dag.task"))})
    api.post(LINEAGE, event)
    api.post(LINEAGE, airflow_task_event("COMPLETE", "dag", "task"))
    with tenant_scope(acme):
        result = CheckResult.objects.select_related("pipeline", "check_rule__pipeline").get()
        assert (result.pipeline.name, result.check_rule.pipeline.name) == ("dag", "dag")


def test_a_run_that_moves_takes_along_what_its_results_say_of_the_check(api, acme):
    api.post(LINEAGE, checked(True, at="2026-03-02T06:00:00Z", run=run_id("stays")))
    api.post(LINEAGE, checked(False, at="2026-03-02T06:05:00Z", run=run_id("moves")))
    learnt = {"parent": parent("nightly", run_id("nightly"))}
    api.post(LINEAGE, run_event("START", at="2026-03-02T06:04:00Z", run=run_id("moves"), run_facets=learnt))
    with tenant_scope(acme):
        found = Check.objects.order_by("pipeline__name").values_list("pipeline__name", "last_status", "failing_since")
        fails_since = datetime.datetime(2026, 3, 2, 6, 5, tzinfo=datetime.UTC)
        assert list(found) == [("nightly", "fail", fails_since), ("orders_sync", "pass", None)]
        assert list(CheckResult.objects.order_by("executed_at").values_list("check_rule__pipeline__name")) == [
            ("orders_sync",),
            ("nightly",),
        ]
