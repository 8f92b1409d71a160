"""How far back an organization sees, and what the worker deletes of what is older than it is promised."""

from __future__ import annotations

import datetime
from uuid import UUID

import pytest
from django.utils import timezone

from catalog.models import Check, CheckResult, EventInbox, Facet, FacetUse, Pipeline, Run
from catalog.services import retention
from dataxpipe.postgres.fields import first_uuid7, uuid7
from orgs.models import Due, KeptHistory
from orgs.plans import Override
from orgs.services.history import TRIM_HISTORY
from orgs.tenancy import tenant_scope
from tests.factories import CheckFactory, CheckResultFactory, PipelineFactory, RunFactory, StepFactory
from tests.factories.rows import EventInboxFactory, FacetFactory, FacetUseFactory

pytestmark = pytest.mark.usefixtures("real_histories")


def ago(days):
    return timezone.now() - datetime.timedelta(days=days)


def make_run(organization, pipeline, days, **fields):
    status = fields.pop("status", "success")
    return RunFactory(
        organization=organization,
        pipeline=pipeline,
        run_id=f"{days} days ago",
        occurred_at=ago(days),
        status=status,
        reported_status=status,
        **fields,
    )


def trim(organization, *, runs=180, events=30, times=1):
    """Whether more was left each time."""
    found = []
    for _ in range(times):
        with tenant_scope(organization):
            found.append(retention.trim_once(runs_before=ago(runs), events_before=ago(events)))
    return found


def left(organization, model=Run, field="run_id"):
    with tenant_scope(organization):
        return sorted(model.objects.values_list(field, flat=True))


@pytest.fixture
def pipeline(acme):
    return PipelineFactory(organization=acme)


def run_ids(response):
    return [run["run_id"] for run in response.json()["results"]]


# Hidden


def test_runs_beyond_the_history_are_hidden_everywhere(api, alice_client, acme, pipeline):
    old, new = (make_run(acme, pipeline, days) for days in (181, 179))
    assert run_ids(api.get("/api/v1/runs/")) == ["179 days ago"]
    assert run_ids(api.get("/api/v1/runs/?run_id=181 days ago")) == []
    assert run_ids(api.get(f"/api/v1/pipelines/{pipeline.pk}/runs/")) == ["179 days ago"]
    assert api.get(f"/api/v1/runs/{new.pk}").status_code == 200
    assert api.get(f"/api/v1/runs/{old.pk}").status_code == 404
    for page in ("/o/acme/runs/", f"/o/acme/pipelines/{pipeline.pk}/runs/", f"/o/acme/search/?q={old.pk}"):
        text = alice_client.get(page).content.decode()
        assert f"/runs/{old.pk}/" not in text
    assert f"/runs/{new.pk}/" in alice_client.get(f"/o/acme/pipelines/{pipeline.pk}/runs/").content.decode()
    assert alice_client.get(f"/o/acme/runs/{old.pk}/").status_code == 404
    with tenant_scope(acme):
        recent = Run.objects.recent_by_pipeline([pipeline.pk], count=14)[pipeline.pk]
    assert [run.id for run in recent] == [new.pk]


def test_a_larger_plan_brings_them_back_at_the_next_request(api, acme, pipeline):
    make_run(acme, pipeline, 181)
    acme.plan_name = "business"
    acme.save()
    assert run_ids(api.get("/api/v1/runs/")) == ["181 days ago"]


def test_the_last_run_is_shown_however_old(api, alice_client, acme, pipeline):
    last = make_run(acme, pipeline, 400)
    with tenant_scope(acme):
        Pipeline.objects.filter(pk=pipeline.pk).update(last_run_id=last.pk)
    assert api.get(f"/api/v1/runs/{last.pk}").status_code == 200
    assert alice_client.get(f"/o/acme/runs/{last.pk}/").status_code == 200
    assert run_ids(api.get("/api/v1/runs/")) == []


def test_what_is_hidden_may_still_be_reported_and_corrected(api, acme, pipeline):
    body = {"pipeline_id": str(pipeline.pk), "run_id": "late", "status": "success"}
    times = {"started_at": ago(300).isoformat(), "finished_at": ago(299).isoformat()}
    reported = api.post("/api/v1/runs/", body | times)
    assert reported.status_code == 201
    with tenant_scope(acme):
        Pipeline.objects.update(last_run_id=None)
    assert api.patch(f"/api/v1/runs/{reported.json()['id']}", {"rows_read": 5}).status_code == 200
    assert run_ids(api.get("/api/v1/runs/")) == []


def test_results_beyond_the_history_are_hidden(api, acme, pipeline):
    check = CheckFactory(organization=acme, pipeline=pipeline)
    for days in (181, 179):
        CheckResultFactory(organization=acme, check_rule=check, pipeline=pipeline, executed_at=ago(days))
    assert len(api.get("/api/v1/checks/results").json()["results"]) == 1
    with tenant_scope(acme):
        assert len(CheckResult.objects.recent_by_check([check.pk], count=36)[check.pk]) == 1


def make_event(organization, days, **fields):
    """There are partitions for last week and this one."""
    random = uuid7().int & (1 << 76) - 1
    return EventInboxFactory(organization=organization, id=UUID(int=first_uuid7(ago(days)).int | random), **fields)


def test_raw_events_beyond_their_days_are_hidden(api, acme, pipeline):
    acme.limit_overrides = {"raw_event_days": Override("raw_event_days", 3, "agreed").as_json()}
    acme.save()
    run = make_run(acme, pipeline, 40)
    for days in (4, 2):
        make_event(acme, days, run=run.pk)
    assert api.get(f"/api/v1/runs/{run.pk}").json()["event_count"] == 1


# Deleted


def test_what_is_older_than_promised_is_deleted(acme, pipeline):
    for days in (300, 181, 179, 1):
        make_run(acme, pipeline, days)
    assert trim(acme) == [True]
    assert left(acme) == ["1 days ago", "179 days ago"]
    assert trim(acme) == [False]


def test_another_organization_keeps_its_own(acme, globex, pipeline):
    make_run(globex, PipelineFactory(organization=globex), 300)
    make_run(acme, pipeline, 300)
    trim(acme)
    assert left(globex) == ["300 days ago"]
    assert left(acme) == []


def test_steps_go_before_the_runs_they_are_of_and_those_that_are_of_none(acme, pipeline):
    step = StepFactory(organization=acme, pipeline=pipeline)
    top = make_run(acme, pipeline, 300)
    task = make_run(acme, pipeline, 299, step=step, parent_run=top)
    make_run(acme, pipeline, 298, step=step, parent_run=task)
    make_run(acme, pipeline, 297, step=step)
    young = make_run(acme, pipeline, 100)
    make_run(acme, pipeline, 99, step=step, parent_run=young)
    assert trim(acme, times=4) == [True, True, True, False]
    assert left(acme) == ["100 days ago", "99 days ago"]


def test_a_run_that_an_old_one_triggered_stays(acme, pipeline):
    triggered = make_run(acme, pipeline, 10, parent_run=make_run(acme, pipeline, 300))
    trim(acme)
    with tenant_scope(acme):
        assert Run.objects.get() == triggered
        assert Run.objects.get().parent_run_id is None


def test_the_last_run_and_runs_that_have_not_ended_stay(acme, pipeline):
    last = make_run(acme, pipeline, 300)
    make_run(acme, pipeline, 301)
    make_run(acme, pipeline, 302, status="running")
    with tenant_scope(acme):
        Pipeline.objects.filter(pk=pipeline.pk).update(last_run_id=last.pk, last_run_name=last.run_id)
    assert trim(acme, times=2) == [True, False]
    assert left(acme) == ["300 days ago", "302 days ago"]


def test_the_last_result_of_a_check_stays_without_its_run(acme, pipeline):
    check = CheckFactory(organization=acme, pipeline=pipeline)
    for days in (301, 300):
        run = make_run(acme, pipeline, days)
        CheckResultFactory(
            organization=acme, check_rule=check, pipeline=pipeline, run=run, executed_at=run.occurred_at, status="fail"
        )
    with tenant_scope(acme):
        Check.objects.update(last_executed_at=run.occurred_at, last_status="fail")
    trim(acme)
    with tenant_scope(acme):
        result = CheckResult.objects.get()
        assert (result.executed_at, result.run_id) == (run.occurred_at, None)
        assert not Run.objects.exists()
    assert trim(acme) == [False]


def test_results_without_a_run_are_deleted_by_their_time(acme, pipeline):
    check = CheckFactory(organization=acme, pipeline=pipeline, last_executed_at=timezone.now())
    for days in (300, 1):
        CheckResultFactory(organization=acme, check_rule=check, pipeline=pipeline, executed_at=ago(days))
    trim(acme)
    with tenant_scope(acme):
        assert CheckResult.objects.get().executed_at > ago(2)


def test_facets_go_with_the_last_run_that_carries_them(acme, pipeline):
    old, new = make_run(acme, pipeline, 300), make_run(acme, pipeline, 1)
    own, shared = FacetFactory.create_batch(2, organization=acme)
    for run, facet, name in ((old, own, "own"), (old, shared, "shared"), (new, shared, "shared")):
        FacetUseFactory(organization=acme, subject_id=run.pk, facet=facet, name=name)
    trim(acme)
    assert left(acme, Facet, "id") == [shared.pk]
    assert left(acme, FacetUse, "subject_id") == [new.pk]


def test_raw_events_are_deleted_by_their_own_days_and_those_that_wait_are_not(acme):
    for days, state in ((4, "applied"), (4, "failed"), (5, "pending"), (2, "applied")):
        make_event(acme, days, state=state)
    trim(acme, events=3)
    assert left(acme, EventInbox, "state") == ["applied", "pending"]


def test_a_batch_is_bounded_and_the_next_goes_on(acme, pipeline, monkeypatch):
    monkeypatch.setattr(retention, "RUNS_AT_ONCE", 2)
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)
    for days in range(300, 305):
        make_run(acme, pipeline, days)
    sizes = []
    while trim(acme) == [True]:
        sizes.append(len(left(acme)))
    assert sizes == [3, 1, 0]


# The worker's mark


def test_the_worker_comes_back_at_once_while_there_is_more_and_else_in_a_day(acme, pipeline):
    with tenant_scope(acme):
        KeptHistory(resource="run_history_days", days=180).save()
    make_run(acme, pipeline, 300)
    marks = []
    for _ in range(2):
        with tenant_scope(acme):
            retention.trim_history()
        mark = Due.objects.get(organization=acme, kind=TRIM_HISTORY)
        marks.append(mark.due_at > timezone.now() + datetime.timedelta(hours=23))
        mark.delete()
    assert marks == [False, True]
    assert left(acme) == []


def test_after_a_downgrade_what_is_hidden_is_not_deleted_yet(acme, pipeline, api):
    make_run(acme, pipeline, 100)
    with tenant_scope(acme):
        KeptHistory(resource="run_history_days", days=180).save()
    acme.plan_name = "free"
    acme.save()
    with tenant_scope(acme):
        retention.trim_history()
    assert run_ids(api.get("/api/v1/runs/")) == []
    assert left(acme) == ["100 days ago"]


def test_while_an_organization_is_moved_nothing_is_deleted(acme, pipeline):
    make_run(acme, pipeline, 300)
    acme.status = "moving"
    acme.save()
    with tenant_scope(acme):
        retention.trim_history()
    assert left(acme) == ["300 days ago"]
    assert Due.objects.filter(organization=acme, kind=TRIM_HISTORY).exists()
