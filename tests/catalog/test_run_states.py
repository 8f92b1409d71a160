"""What a run's status is, from everything that was reported of it, in whatever order."""

import datetime
import itertools
from dataclasses import replace
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Run
from catalog.openlineage.states import RunState, fold
from catalog.services.run_book import AppliedRun, apply_runs
from catalog.services.run_reports import RunKey, RunReport
from orgs.tenancy import tenant_scope
from tests.factories import PipelineFactory, StepFactory

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


def at(minutes):
    return NOON + datetime.timedelta(minutes=minutes)


def event(pipeline, event_type, minutes, run_id="manual__1", **values):
    key = RunKey(pipeline.id, (pipeline.namespace, pipeline.name), run_id, values.pop("step_id", None))
    state = fold(RunState(), event_type, at(minutes))
    return RunReport(key, at(minutes), state, **{"openlineage_id": key.uuid, **values})


def apply(organization, *reports):
    with tenant_scope(organization):
        return apply_runs(reports)


def stored(organization, applied: AppliedRun) -> Run:
    with tenant_scope(organization):
        return Run.objects.get(id=applied.run.id)


def runs_of_every_order(organization, reports):
    """What becomes of the run when its reports arrive one by one, in each order they can."""
    for number, order in enumerate(itertools.permutations(reports)):
        keyed = [replace(report, key=replace(report.key, run_id=f"manual__{number}")) for report in order]
        applied = [apply(organization, report)[0] for report in keyed]
        yield stored(organization, applied[0])


@pytest.fixture
def pipeline(acme):
    return PipelineFactory(organization=acme, name="orders_sync", schedule=None)


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([("START", 0)], "running"),
        ([("RUNNING", 0)], "running"),
        ([("OTHER", 0)], "queued"),
        ([("START", 0), ("COMPLETE", 5)], "success"),
        ([("START", 0), ("FAIL", 5)], "failed"),
        ([("START", 0), ("ABORT", 5)], "aborted"),
        ([("COMPLETE", 5), ("START", 6)], "success"),
        ([("FAIL", 5), ("COMPLETE", 6)], "success"),
        ([("COMPLETE", 5), ("FAIL", 5)], "failed"),
        ([("ABORT", 5), ("COMPLETE", 5)], "aborted"),
    ],
)
def test_the_status_follows_the_last_end_in_any_order(acme, pipeline, events, status):
    for run in runs_of_every_order(acme, [event(pipeline, kind, minutes) for kind, minutes in events]):
        assert (run.status, run.reported_status) == (status, status)


def test_one_batch_says_the_same_as_single_reports(acme, pipeline):
    events = [("COMPLETE", 9), ("START", 0), ("OTHER", 4)]
    together = apply(acme, *[event(pipeline, kind, minutes) for kind, minutes in events])
    run = stored(acme, together[0])
    assert [one.is_created for one in together] == [True, False, False]
    assert (run.status, run.started_at, run.finished_at, run.duration_seconds) == ("success", at(0), at(9), 540.0)


def test_the_same_report_again_changes_nothing(acme, pipeline):
    before = stored(acme, apply(acme, event(pipeline, "START", 0))[0])
    after = stored(acme, apply(acme, event(pipeline, "START", 0))[0])
    assert after.updated_at == before.updated_at


def test_the_last_attempt_of_a_run_counts(acme, pipeline):
    reports = [event(pipeline, "FAIL", 5), event(pipeline, "START", 6, attempt=2), event(pipeline, "COMPLETE", 4)]
    for run in runs_of_every_order(acme, reports):
        assert (run.status, run.attempt, run.finished_at, run.started_at) == ("running", 2, None, at(6))


def test_the_error_is_that_of_the_end_that_counts(acme, pipeline):
    reports = [
        event(pipeline, "FAIL", 5, error="the disk is full"),
        event(pipeline, "COMPLETE", 3),
        event(pipeline, "START", 0),
    ]
    for run in runs_of_every_order(acme, reports):
        assert (run.status, run.error) == ("failed", "the disk is full")


def test_running_steps_are_aborted_when_their_run_ends(acme, pipeline):
    step = StepFactory(organization=acme, pipeline=pipeline)
    parent = event(pipeline, "START", 0, run_id=str(uuid4()))
    child = event(pipeline, "START", 1, run_id=str(uuid4()), step_id=step.id, parent=parent.key)
    end = event(pipeline, "COMPLETE", 9, run_id=parent.key.run_id)
    for order in itertools.permutations([parent, child, end]):
        applied = {report.key: apply(acme, report)[0] for report in order}
        run = stored(acme, applied[child.key])
        assert (run.status, run.cause, run.reported_status) == ("aborted", "parent ended", "running")
        assert run.finished_at == at(9)
        with tenant_scope(acme):
            Run.objects.filter(parent_run__isnull=False).delete()
            Run.objects.all().delete()


def test_a_step_of_an_ended_run_has_its_own_end_once_it_comes(acme, pipeline):
    step = StepFactory(organization=acme, pipeline=pipeline)
    parent = event(pipeline, "COMPLETE", 9, run_id=str(uuid4()))
    child = event(pipeline, "START", 1, run_id=str(uuid4()), step_id=step.id, parent=parent.key)
    apply(acme, parent, child)
    run = stored(acme, apply(acme, event(pipeline, "FAIL", 8, run_id=child.key.run_id, step_id=step.id))[0])
    assert (run.status, run.cause, run.finished_at) == ("failed", "", at(8))


def test_the_end_of_a_run_reaches_steps_of_steps(acme, pipeline):
    outer, inner = (StepFactory(organization=acme, pipeline=pipeline) for _ in range(2))
    root = event(pipeline, "START", 0, run_id=str(uuid4()))
    task = event(pipeline, "START", 1, run_id=str(uuid4()), step_id=outer.id, parent=root.key)
    action = event(pipeline, "START", 2, run_id=str(uuid4()), step_id=inner.id, parent=task.key)
    applied = apply(acme, action, task, root)
    apply(acme, event(pipeline, "ABORT", 9, run_id=root.key.run_id))
    assert [stored(acme, one).status for one in applied] == ["aborted", "aborted", "aborted"]


def test_a_pipeline_that_another_one_triggered_lives_on(acme, pipeline):
    triggered = PipelineFactory(organization=acme, schedule=None)
    parent = event(pipeline, "COMPLETE", 9, run_id=str(uuid4()))
    child = event(triggered, "START", 1, run_id=str(uuid4()), parent=parent.key)
    assert stored(acme, apply(acme, parent, child)[1]).status == "running"


def test_a_failed_step_never_fails_its_pipeline(acme, pipeline):
    step = StepFactory(organization=acme, pipeline=pipeline)
    parent = event(pipeline, "COMPLETE", 9, run_id=str(uuid4()))
    child = event(pipeline, "FAIL", 8, run_id=str(uuid4()), step_id=step.id, parent=parent.key)
    assert stored(acme, apply(acme, child, parent)[1]).status == "success"
    with tenant_scope(acme):
        pipeline.refresh_from_db()
    assert pipeline.health == "healthy"


def test_a_batch_of_hundreds_takes_as_many_statements_as_a_small_one(acme, pipeline):
    others = [PipelineFactory(organization=acme, schedule=None) for _ in range(10)]
    counts = []
    for size in (10, 300):
        reports = [event(others[n % 10], "START", n, run_id=f"{size}-{n}") for n in range(size)]
        with tenant_scope(acme), CaptureQueriesContext(connection) as queries:
            apply_runs(reports)
        counts.append(len(queries))
    # the pipelines' locks, runs, insert, facts, health
    assert counts[0] == counts[1] == 5
