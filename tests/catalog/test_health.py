"""How a pipeline is, decided from its last regular runs, and the facts that are kept on its row."""

import datetime
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Health, Pipeline, Run
from catalog.services.health import Facts, LastRun, decide_health, expected_after, refresh_health
from orgs.tenancy import tenant_scope
from tests.factories import PipelineFactory, RunFactory

NOW = timezone.now()


def ago(**values):
    return NOW - datetime.timedelta(**values)


def last_run(status, hours=1, cause=""):
    at = ago(hours=hours)
    return LastRun(uuid4(), "daily", status, cause, at, at if status != "running" else None, at)


def refreshed(pipeline):
    with tenant_scope(pipeline.organization):
        refresh_health([pipeline.id])
        return Pipeline.objects.get(id=pipeline.id)


@pytest.fixture
def pipeline(acme):
    return PipelineFactory(organization=acme, name="orders_sync", schedule=None)


def run(pipeline, status, hours, **values):
    started_at = ago(hours=hours)
    finished_at = None if status in ("running", "queued") else started_at + datetime.timedelta(minutes=10)
    facts = {
        "occurred_at": started_at, "started_at": started_at, "finished_at": finished_at, "last_event_at": started_at,
        "duration_seconds": 600.0 if finished_at else None,
    }  # fmt: skip
    return RunFactory(organization=pipeline.organization, pipeline=pipeline, status=status, **(facts | values))


@pytest.mark.parametrize(
    ("facts", "health", "reason"),
    [
        ({}, Health.NEVER_RUN, "No run was reported yet."),
        ({"last": "success", "ended": "success", "decisive": "success"}, Health.HEALTHY, "Run daily succeeded."),
        ({"last": "failed", "ended": "failed", "decisive": "failed"}, Health.FAILING, "Run daily failed."),
        ({"last": "running", "ended": "success", "decisive": "success"}, Health.RUNNING, "Run daily is running."),
        ({"last": "running", "ended": "failed", "decisive": "failed"}, Health.FAILING, "Run daily failed."),
        ({"last": "running"}, Health.RUNNING, "Run daily is running."),
        ({"last": "queued"}, Health.UNKNOWN, "No run has succeeded or failed yet."),
        ({"last": "aborted", "ended": "aborted"}, Health.UNKNOWN, "Run daily was aborted."),
        ({"last": "aborted", "ended": "aborted", "decisive": "success"}, Health.UNKNOWN, "Run daily was aborted."),
        ({"last": "aborted", "ended": "aborted", "decisive": "failed"}, Health.FAILING, "Run daily failed."),
        (
            {"last": "lost", "ended": "lost", "decisive": "success"},
            Health.UNKNOWN,
            "Run daily was lost: its end was never reported.",
        ),
    ],
)
def test_health_is_the_worst_that_is_true(facts, health, reason):
    runs = {status: last_run(status) for status in set(facts.values())}
    verdict = decide_health(Facts(**{name: runs[status] for name, status in facts.items()}))
    assert (verdict.health, verdict.reason) == (health, reason)


def test_at_risk_goes_before_running_and_behind_failing():
    failed, running = last_run("failed"), last_run("running")
    risk = {"is_at_risk": True, "at_risk_reason": "A check fails on orders, upstream."}
    assert decide_health(Facts(failed, failed, failed, **risk)).health == Health.FAILING
    verdict = decide_health(Facts(running, **risk))
    assert (verdict.health, verdict.reason) == (Health.AT_RISK, "A check fails on orders, upstream.")


def test_a_failing_check_is_told_apart_from_a_failed_run():
    failed = last_run("failed", cause="check")
    assert decide_health(Facts(failed, failed, failed)).reason == "An error check of run daily fails."


def test_the_row_keeps_the_facts_of_the_last_run(pipeline):
    run(pipeline, "failed", 3)
    newest = run(pipeline, "success", 1, run_id="newest")
    found = refreshed(pipeline)
    assert (found.last_run_id, found.last_run_name, found.last_run_status) == (newest.id, "newest", "success")
    assert (found.last_run_started_at, found.last_run_finished_at) == (newest.started_at, newest.finished_at)
    assert (found.health, found.health_since) == ("healthy", newest.finished_at)


def test_a_backfill_touches_nothing(pipeline):
    run(pipeline, "success", 2)
    before = refreshed(pipeline)
    run(pipeline, "failed", 1, trigger="backfill", duration_seconds=1.0)
    after = refreshed(pipeline)
    names = ("last_run_id", "health", "health_since", "median_duration_seconds", "late_after")
    assert [getattr(after, name) for name in names] == [getattr(before, name) for name in names]


def test_a_run_that_turns_out_to_be_a_backfill_ceases_to_count(api, pipeline):
    api.post("/api/v1/runs/", {"pipeline_id": "orders_sync", "run_id": "a", "status": "failed"})
    assert api.get("/api/v1/pipelines/orders_sync").json()["health"] == "failing"
    api.post("/api/v1/runs/", {"pipeline_id": "orders_sync", "run_id": "a", "status": "failed", "trigger": "backfill"})
    assert api.get("/api/v1/pipelines/orders_sync").json()["health"] == "never_run"


def test_runs_of_steps_and_mentions_that_nobody_reported_do_not_count(api, pipeline):
    api.post("/api/v1/runs/", {"pipeline_id": "orders_sync", "run_id": "a", "status": "failed", "step": "load"})
    api.post("/api/v1/checks/results", {"pipeline_id": "orders_sync", "check_id": "c", "status": "pass", "run_id": "b"})
    found = api.get("/api/v1/pipelines/orders_sync").json()
    assert (found["health"], found["last_run"]) == ("never_run", None)


def test_a_mention_whose_error_check_fails_counts(api, pipeline):
    api.post("/api/v1/checks/results", {"pipeline_id": "orders_sync", "check_id": "c", "status": "fail", "run_id": "b"})
    found = api.get("/api/v1/pipelines/orders_sync").json()
    assert (found["health"], found["health_reason"]) == ("failing", "An error check of run b fails.")


def test_since_stays_while_health_does(pipeline):
    first = run(pipeline, "failed", 3)
    assert refreshed(pipeline).health_since == first.finished_at
    run(pipeline, "failed", 2, run_id="second")
    found = refreshed(pipeline)
    assert (found.health_since, found.health_reason) == (first.finished_at, "Run second failed.")


def test_the_median_is_of_the_last_twenty_successes(pipeline):
    for hours in range(25):
        run(pipeline, "success", hours, duration_seconds=float(hours))
    run(pipeline, "failed", 0, duration_seconds=9_999.0)
    assert refreshed(pipeline).median_duration_seconds == 9.5


def test_the_last_decisive_run_is_found_behind_many_that_are_not(pipeline):
    run(pipeline, "failed", 100)
    for hours in range(30):
        run(pipeline, "skipped", hours)
    assert refreshed(pipeline).health == "failing"


def test_many_pipelines_take_two_statements(acme):
    pipelines = [PipelineFactory(organization=acme, schedule="0 6 * * *") for _ in range(20)]
    for pipeline in pipelines:
        run(pipeline, "success", 1)
    with tenant_scope(acme), CaptureQueriesContext(connection) as queries:
        refresh_health(pipeline.id for pipeline in pipelines)
    assert len(queries) == 2
    with tenant_scope(acme):
        assert Pipeline.objects.filter(health="healthy").count() == 20
        assert Run.objects.count() == 20


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "expected", "late"),
    [
        ("0 6 * * *", "UTC", "2026-03-01T06:00:05Z", "2026-03-02T06:00:00Z", "2026-03-02T07:00:00Z"),
        ("0 6 * * *", "UTC", "2026-03-01T05:59:30Z", "2026-03-02T06:00:00Z", "2026-03-02T07:00:00Z"),
        ("0 6 * * *", "UTC", "2026-03-01T05:30:00Z", "2026-03-01T06:00:00Z", "2026-03-01T07:00:00Z"),
        ("0 6 * * *", "Europe/Vienna", "2026-03-28T06:00:00Z", "2026-03-29T04:00:00Z", "2026-03-29T05:00:00Z"),
        ("0 * * * *", "UTC", "2026-03-01T06:00:05Z", "2026-03-01T07:00:00Z", "2026-03-01T07:06:00Z"),
        ("*/5 * * * *", "UTC", "2026-03-01T06:00:05Z", "2026-03-01T06:05:00Z", "2026-03-01T06:10:00Z"),
        ("@weekly", "UTC", "2026-03-01T00:00:05Z", "2026-03-08T00:00:00Z", "2026-03-08T01:00:00Z"),
    ],
)
def test_the_next_start_and_its_grace(schedule, zone, after, expected, late):
    moments = [datetime.datetime.fromisoformat(text) for text in (after, expected, late)]
    assert expected_after(schedule, zone, moments[0]) == (moments[1], moments[2])


@pytest.mark.parametrize(("schedule", "zone"), [(None, "UTC"), ("whenever", "UTC"), ("0 6 * * *", "Mars/Olympus")])
def test_what_is_no_schedule_expects_nothing(schedule, zone):
    assert expected_after(schedule, zone, NOW) == (None, None)


def test_a_pipeline_is_late_until_a_regular_run_starts(api, acme):
    pipeline = PipelineFactory(organization=acme, name="orders_sync", schedule="0 * * * *")
    run(pipeline, "success", 5)
    found = refreshed(pipeline)
    assert found.late_after < NOW
    assert api.get("/api/v1/pipelines/orders_sync").json()["health"] == "late"
    assert [one["name"] for one in api.get("/api/v1/pipelines/?health=late").json()["results"]] == ["orders_sync"]
    report = {"pipeline_id": "orders_sync", "run_id": "b", "status": "running"}
    api.post("/api/v1/runs/", report | {"run_id": "a", "trigger": "backfill"})
    assert api.get("/api/v1/pipelines/orders_sync").json()["health"] == "late"
    api.post("/api/v1/runs/", report)
    assert api.get("/api/v1/pipelines/orders_sync").json()["health"] == "running"


def test_a_pipeline_that_never_ran_is_expected_and_not_late(acme):
    pipeline = PipelineFactory(organization=acme, schedule="* * * * *")
    found = refreshed(pipeline)
    assert found.next_expected_at is not None
    assert (found.late_after, found.health) == (None, "never_run")


def test_an_archived_pipeline_is_not_expected(acme):
    pipeline = PipelineFactory(organization=acme, schedule="0 * * * *", archived_at=NOW)
    run(pipeline, "success", 5)
    found = refreshed(pipeline)
    assert (found.next_expected_at, found.late_after) == (None, None)


def test_a_new_schedule_holds_from_now_on(api, acme):
    pipeline = PipelineFactory(organization=acme, name="orders_sync", schedule=None)
    run(pipeline, "success", 30)
    with tenant_scope(acme):
        Pipeline.objects.update(schedule="0 * * * *")
        refresh_health([pipeline.id], is_rescheduled=True)
    expected = refreshed(pipeline).next_expected_at
    assert NOW < expected < NOW + datetime.timedelta(hours=1)
    assert refreshed(pipeline).next_expected_at == expected
    assert api.get("/api/v1/pipelines/orders_sync").json()["health"] == "healthy"
