"""Runs whose end was never reported are lost after a while, and found again by any real report."""

import datetime

import pytest
from django.utils import timezone

from catalog.models import Pipeline, Run
from catalog.services import runs
from catalog.services.run_book import MARK_LOST_RUNS
from catalog.services.runs import mark_lost_runs
from orgs.due import handler_of
from orgs.models import Due
from orgs.tenancy import tenant_scope
from tests.factories import PipelineFactory, RunFactory, StepFactory

NOW = timezone.now()


def ago(**values):
    return NOW - datetime.timedelta(**values)


@pytest.fixture
def pipeline(acme):
    return PipelineFactory(organization=acme, name="orders_sync", schedule=None)


def silent(pipeline, **values):
    at = values.pop("at", ago(hours=25))
    facts = {"status": "running", "started_at": at, "occurred_at": at, "last_event_at": at, "run_id": "daily"}
    return RunFactory(organization=pipeline.organization, pipeline=pipeline, **(facts | values))


def marked(run):
    with tenant_scope(run.organization):
        mark_lost_runs()
        return Run.objects.get(id=run.id)


@pytest.mark.parametrize("status", ["running", "queued"])
def test_a_run_is_lost_after_a_day_of_silence(pipeline, status):
    run = marked(silent(pipeline, status=status))
    assert (run.status, run.reported_status, run.finished_at) == ("lost", status, None)
    assert run.lost_at is not None


def test_a_run_of_less_than_a_day_is_not_lost(pipeline):
    assert marked(silent(pipeline, at=ago(hours=23))).status == "running"


def test_a_slow_pipeline_has_five_medians(acme, pipeline):
    with tenant_scope(acme):
        Pipeline.objects.update(median_duration_seconds=10 * 3600)
    assert marked(silent(pipeline, at=ago(hours=49))).status == "running"
    with tenant_scope(acme):
        Run.objects.update(last_event_at=ago(hours=51))
        mark_lost_runs()
        assert Run.objects.get().status == "lost"


def test_a_run_that_only_a_check_or_a_child_named_is_never_lost(pipeline):
    assert marked(silent(pipeline, status="queued", last_event_at=None)).status == "queued"


def test_runs_of_steps_are_lost_too(acme, pipeline):
    step = StepFactory(organization=acme, pipeline=pipeline)
    assert marked(silent(pipeline, step=step)).status == "lost"


def test_a_lost_run_makes_health_unknown(api, pipeline):
    marked(silent(pipeline))
    found = api.get("/api/v1/pipelines/orders_sync").json()
    assert (found["health"], found["last_run"]["status"]) == ("unknown", "lost")


def test_runs_that_wait_for_slow_pipelines_hold_up_no_others(acme, pipeline, monkeypatch):
    monkeypatch.setattr(runs, "MARKED_AT_ONCE", 2)
    slow = PipelineFactory(organization=acme, median_duration_seconds=100 * 3600)
    for number in range(3):
        silent(slow, run_id=f"slow-{number}", at=ago(hours=40))
    assert marked(silent(pipeline)).status == "lost"


def test_more_than_are_marked_at_once_are_marked_by_and_by(acme, pipeline, monkeypatch):
    monkeypatch.setattr(runs, "MARKED_AT_ONCE", 2)
    for number in range(3):
        silent(pipeline, run_id=str(number))
    with tenant_scope(acme):
        mark_lost_runs()
        assert Run.objects.live().count() == 1
        mark_lost_runs()
        assert Run.objects.live().count() == 0


def test_a_correction_that_tells_nothing_of_its_course_leaves_a_lost_run_lost(api, pipeline):
    run = marked(silent(pipeline))
    assert api.patch(f"/api/v1/runs/{run.pk}", {"labels": {"team": "finance"}}).json()["status"] == "lost"
    assert api.patch(f"/api/v1/runs/{run.pk}", {"status": "running"}).json()["status"] == "running"


@pytest.mark.parametrize("status", ["running", "success", "failed"])
def test_any_real_report_replaces_it(api, pipeline, status):
    marked(silent(pipeline))
    with tenant_scope(pipeline.organization):
        Run.objects.update(orchestrator_run_id="daily")
    run = api.post("/api/v1/runs/", {"pipeline_id": "orders_sync", "run_id": "daily", "status": status}).json()
    assert run["status"] == status
    with tenant_scope(pipeline.organization):
        mark_lost_runs()
        assert Run.objects.get().status == status


def test_a_live_run_leaves_a_mark_for_the_worker_and_an_ended_one_none(api, acme, pipeline):
    def marks():
        return list(Due.objects.filter(organization=acme, kind=MARK_LOST_RUNS).values_list("due_at", flat=True))

    api.post("/api/v1/runs/", {"pipeline_id": "orders_sync", "status": "success"})
    assert marks() == []
    api.post("/api/v1/runs/", {"pipeline_id": "orders_sync", "status": "running"})
    (due_at,) = marks()
    assert due_at - NOW > datetime.timedelta(hours=23)


def test_the_worker_knows_what_to_do_and_looks_again_while_runs_are_live(acme, pipeline):
    assert handler_of(MARK_LOST_RUNS) is mark_lost_runs
    silent(pipeline, at=ago(hours=1))
    with tenant_scope(acme):
        mark_lost_runs()
    assert Due.objects.filter(organization=acme, kind=MARK_LOST_RUNS).exists()


def test_nothing_live_is_left_to_look_at(acme, pipeline):
    silent(pipeline)
    with tenant_scope(acme):
        mark_lost_runs()
    assert not Due.objects.filter(kind=MARK_LOST_RUNS).exists()
