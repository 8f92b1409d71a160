"""`GET /runs/`, `GET /runs/{id}` and `GET /pipelines/{name}/runs/`."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Run
from orgs.tenancy import tenant_scope
from tests.factories import CheckFactory, CheckResultFactory, PipelineFactory, RunFactory, StepFactory

URL = "/api/v1/runs/"
NOW = timezone.now()


def ago(**values):
    return NOW - datetime.timedelta(**values)


@pytest.fixture
def pipeline(acme):
    return PipelineFactory(organization=acme, name="orders_sync")


def names(response):
    assert response.status_code == 200, response.content
    return [run["run_id"] for run in response.json()["results"]]


def test_runs_come_newest_first_in_pages_that_lead_both_ways(api, acme, pipeline):
    for number in range(5):
        RunFactory(organization=acme, pipeline=pipeline, run_id=f"r{number}", occurred_at=ago(hours=number))
    first = api.get(f"{URL}?limit=2")
    second = api.get(first.json()["next"].removeprefix("http://testserver"))
    assert (names(first), names(second)) == (["r0", "r1"], ["r2", "r3"])
    assert names(api.get(second.json()["previous"].removeprefix("http://testserver"))) == ["r0", "r1"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["late", "failed", "backfill", "elsewhere"]),
        ("pipeline=orders_sync", ["late", "failed", "backfill"]),
        ("pipeline=orders_sync&namespace=airflow", ["elsewhere"]),
        ("namespace=airflow", ["elsewhere"]),
        ("status=failed", ["failed"]),
        ("status=failed&status=running", ["late", "failed"]),
        ("trigger=backfill", ["backfill"]),
        ("run_id=failed", ["failed"]),
        ("step=load", ["of-step"]),
        ("run_id=of-step", ["of-step"]),
    ],
)
def test_a_list_is_filtered(api, acme, pipeline, query, found):
    elsewhere = PipelineFactory(organization=acme, namespace="airflow", name="orders_sync")
    step = StepFactory(organization=acme, pipeline=pipeline, name="load")
    rows = [
        {"pipeline": pipeline, "run_id": "late", "status": "running"},
        {"pipeline": pipeline, "run_id": "failed", "status": "failed"},
        {"pipeline": pipeline, "run_id": "backfill", "trigger": "backfill"},
        {"pipeline": pipeline, "run_id": "of-step", "step": step},
        {"pipeline": elsewhere, "run_id": "elsewhere"},
    ]
    for hours, row in enumerate(rows):
        RunFactory(organization=acme, occurred_at=ago(hours=hours), **row)
    assert names(api.get(f"{URL}?{query}")) == found


def test_since_is_included_and_until_is_not(api, acme, pipeline):
    noon = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
    for hour in range(3):
        RunFactory(
            organization=acme, pipeline=pipeline, run_id=str(hour), occurred_at=noon + datetime.timedelta(hours=hour)
        )
    assert names(api.get(f"{URL}?since=2026-03-01T13:00:00Z")) == ["2", "1"]
    assert names(api.get(f"{URL}?until=2026-03-01T14:00:00%2B01:00")) == ["0"]


def test_a_run_is_listed_by_its_id_and_by_its_openlineage_id(api, acme, pipeline):
    run = RunFactory(organization=acme, pipeline=pipeline, openlineage_id="0195a3f0-0000-7000-8000-000000000001")
    assert names(api.get(f"{URL}?run_id={run.id}")) == [run.run_id]
    assert names(api.get(f"{URL}?run_id={run.openlineage_id}")) == [run.run_id]
    assert api.get(f"{URL}{run.openlineage_id}").json()["id"] == str(run.id)


@pytest.mark.parametrize(
    "query", ["status=done", "since=yesterday", "since=2026-03-01T13:00:00", "limit=0", "colour=red"]
)
def test_a_filter_that_is_not_understood_is_400(api, pipeline, query):
    response = api.get(f"{URL}?{query}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["parameter"] == query.split("=")[0]


def test_runs_of_a_pipeline_that_is_not_there_are_404(api, globex_api, pipeline):
    assert api.get(f"{URL}?pipeline=nobody").status_code == 404
    assert api.get(f"{URL}?pipeline=").status_code == 400
    assert api.get("/api/v1/pipelines/nobody/runs/").status_code == 404
    assert globex_api.get(f"/api/v1/pipelines/{pipeline.id}/runs/").status_code == 404


def test_the_runs_of_one_pipeline(api, acme, pipeline):
    RunFactory(organization=acme, pipeline=pipeline, run_id="mine")
    RunFactory(organization=acme, run_id="other")
    assert names(api.get("/api/v1/pipelines/orders_sync/runs")) == ["mine"]
    assert names(api.get(f"/api/v1/pipelines/{pipeline.id}/runs/?status=success")) == ["mine"]
    assert names(api.get("/api/v1/pipelines/orders_sync/runs/?status=failed")) == []


def test_one_run_comes_with_its_steps_its_checks_and_the_number_of_its_events(api, acme, pipeline):
    step = StepFactory(organization=acme, pipeline=pipeline, name="load")
    run = RunFactory(organization=acme, pipeline=pipeline)
    RunFactory(organization=acme, pipeline=pipeline, step=step, parent_run=run, run_id="task")
    check = CheckFactory(organization=acme, pipeline=pipeline, check_id="not_null")
    CheckResultFactory(organization=acme, check_rule=check, run=run, status="fail", message="3 rows")
    found = api.get(f"{URL}{run.id}/").json()
    assert [(child["run_id"], child["step"]) for child in found["steps"]] == [("task", "load")]
    assert [(one["check"]["check_id"], one["status"], one["message"]) for one in found["checks"]] == [
        ("not_null", "fail", "3 rows")
    ]
    assert (found["event_count"], found["steps_truncated"], found["checks_truncated"]) == (0, False, False)


@pytest.mark.parametrize("reference", ["nobody", "0195a3f0-0000-7000-8000-000000000001", "0"])
def test_a_run_that_is_not_there_is_404(api, acme, reference):
    assert api.get(f"{URL}{reference}").status_code == 404


@pytest.mark.parametrize("path", [URL, "/api/v1/pipelines/orders_sync/runs/"])
def test_a_page_costs_the_same_queries_for_1_and_for_50_runs(api, acme, pipeline, path):
    counts = []
    for missing in (1, 49):
        with tenant_scope(acme):
            Run.objects.bulk_create(
                Run(
                    pipeline=pipeline,
                    run_id=f"{missing}-{n}",
                    status="success",
                    reported_status="success",
                    occurred_at=NOW,
                )
                for n in range(missing)
            )
        with CaptureQueriesContext(connection) as queries:
            assert api.get(path).status_code == 200
        counts.append(len(queries))
    # key, its use, scope, (pipeline,) runs; savepoints and time-outs around them because a test is one transaction
    assert counts[1] <= counts[0] <= 11
