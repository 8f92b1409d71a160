"""`POST /runs/` and `PATCH /runs/{id}`: orchestrators report runs, and correct them."""

import datetime
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Pipeline, PipelineVersion, Run, Step
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories import PipelineFactory, RunFactory, StepFactory

SHAPE = {
    "id", "run_id", "pipeline", "step", "parent_run_id", "attempt", "map_index", "version", "trigger", "status",
    "reported_status", "cause", "nominal_start_at", "nominal_end_at", "started_at", "finished_at",
    "duration_seconds", "rows_read", "rows_written", "error", "external_url", "labels",
}  # fmt: skip


@pytest.fixture
def pipeline(acme):
    return PipelineFactory(organization=acme, name="orders_sync")


def report(**values):
    return {"pipeline_id": "orders_sync", "run_id": "scheduled__2026-03-01", "status": "success"} | values


def count(organization, model=Run):
    with tenant_scope(organization):
        return model.objects.count()


def test_a_new_run_is_201_with_the_whole_shape(api, pipeline):
    response = api.post(
        "/api/v1/runs/",
        report(
            started_at="2026-03-01T06:00:00Z",
            finished_at="2026-03-01T07:05:00.5+01:00",
            nominal_start_at="2026-02-28T06:00:00Z",
            nominal_end_at="2026-03-01T06:00:00Z",
            trigger="Scheduled",
            rows_read=10_000,
            rows_written=9_990,
            external_url="https://airflow.example.com/dags/orders_sync",
            labels={"team": "commerce", "retries": 0, "manual": False},
        ),
    )
    assert response.status_code == 201
    run = response.json()
    assert set(run) == SHAPE
    assert run["pipeline"] == {"id": str(pipeline.id), "namespace": "default", "name": "orders_sync"}
    assert (run["status"], run["reported_status"], run["cause"]) == ("success", "success", None)
    assert (run["started_at"], run["finished_at"]) == ("2026-03-01T06:00:00Z", "2026-03-01T06:05:00.500000Z")
    assert (run["duration_seconds"], run["trigger"], run["rows_written"]) == (300.5, "scheduled", 9990)
    assert run["labels"] == {"manual": False, "retries": 0, "team": "commerce"}


def test_the_same_run_id_again_is_200_and_the_same_run(api, pipeline, acme):
    first = api.post("/api/v1/runs/", report(status="running"))
    second = api.post("/api/v1/runs/", report(status="success"))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert (second.json()["status"], count(acme)) == ("success", 1)


def test_a_repeat_without_times_moves_nothing(api, pipeline):
    first = api.post("/api/v1/runs/", report()).json()
    assert api.post("/api/v1/runs/", report()).json() == first
    assert api.post("/api/v1/runs/", report(status="running")).json() == first


def test_without_a_run_id_every_report_is_a_new_run(api, pipeline, acme):
    answers = [api.post("/api/v1/runs/", {"pipeline_id": "orders_sync", "status": "success"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["run_id"] == answers[0].json()["id"] != answers[1].json()["id"]


def test_an_idempotency_key_makes_one_run_of_two_reports_without_a_run_id(api, pipeline, acme):
    body = {"pipeline_id": "orders_sync", "status": "success"}
    answers = [api.post("/api/v1/runs/", body, headers={"Idempotency-Key": "a-1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert count(acme) == 1
    other = api.post("/api/v1/runs/", body | {"status": "failed"}, headers={"Idempotency-Key": "a-1"})
    assert other.status_code == 422


def test_a_pipeline_is_named_by_id_or_by_name_in_its_namespace(api, acme):
    pipeline = PipelineFactory(organization=acme, namespace="airflow", name="orders_sync")
    assert api.post("/api/v1/runs/", report(pipeline_id=str(pipeline.id))).status_code == 201
    assert api.post("/api/v1/runs/", report(namespace="airflow")).status_code == 200
    assert api.post("/api/v1/runs/", report()).status_code == 404


def test_an_unknown_pipeline_is_404_with_the_line_that_registers_it(api, acme):
    response = api.post("/api/v1/runs/", report(pipeline_id="nobody"))
    problem = response.json()
    assert response.status_code == 404
    assert problem["type"] == "/problems/pipeline-not-registered"
    assert "curl -X POST http" in problem["detail"]
    assert "/api/v1/pipelines/" in problem["detail"]
    assert problem["errors"][0]["pointer"] == "/pipeline_id"


def test_the_pipeline_of_another_organization_is_as_unknown_as_none(globex_api, pipeline, globex):
    foreign = globex_api.post("/api/v1/runs/", report(pipeline_id=str(pipeline.id)))
    unknown = globex_api.post("/api/v1/runs/", report(pipeline_id=str(globex_api.api_key.id)))
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content.replace(str(pipeline.id).encode(), b"") == unknown.content.replace(
        str(globex_api.api_key.id).encode(), b""
    )


def test_a_step_that_is_not_known_appears(api, pipeline, acme):
    first = api.post("/api/v1/runs/", report(step="load"))
    second = api.post("/api/v1/runs/", report(step="load", run_id="r2"))
    assert (first.json()["step"], first.status_code, second.status_code) == ("load", 201, 201)
    assert count(acme, Step) == 1


def test_a_step_is_found_by_its_name_behind_the_pipelines_own(api, pipeline, acme):
    StepFactory(organization=acme, pipeline=pipeline, name="orders_sync.load", namespace="airflow")
    assert api.post("/api/v1/runs/", report(step="load")).json()["step"] == "orders_sync.load"


def test_a_step_run_and_its_pipelines_run_may_share_a_run_id(api, pipeline, acme):
    parent = api.post("/api/v1/runs/", report(status="running")).json()
    child = api.post("/api/v1/runs/", report(step="load", parent_run_id="scheduled__2026-03-01")).json()
    mapped = api.post("/api/v1/runs/", report(step="load", map_index=0)).json()
    assert child["parent_run_id"] == parent["id"]
    assert len({parent["id"], child["id"], mapped["id"]}) == 3


def test_a_parent_that_is_not_known_yet_appears_and_is_created_by_its_own_report(api, pipeline):
    child = api.post("/api/v1/runs/", report(step="load", parent_run_id="daily-1")).json()
    parent = api.post("/api/v1/runs/", report(run_id="daily-1", status="running"))
    assert parent.status_code == 201
    assert child["parent_run_id"] == parent.json()["id"]


def test_a_run_keeps_the_version_it_began_with(api, pipeline, acme):
    with tenant_scope(acme):
        old, new = (
            PipelineVersion.objects.create(pipeline=pipeline, version=name, number=n, digest=bytes([n]) * 32, spec={})
            for n, name in enumerate(("1.0.0", "2.0.0"))
        )
        pipeline.current_version = old
        pipeline.save()
    assert api.post("/api/v1/runs/", report(status="running")).json()["version"] == "1.0.0"
    with tenant_scope(acme):
        pipeline.current_version = new
        pipeline.save()
    assert api.post("/api/v1/runs/", report()).json()["version"] == "1.0.0"
    assert api.post("/api/v1/runs/", report(run_id="r2", version="1.0.0")).json()["version"] == "1.0.0"
    assert api.post("/api/v1/runs/", report(run_id="r3")).json()["version"] == "2.0.0"


def test_reporting_needs_the_ingest_scope_and_its_namespace(acme, pipeline):
    assert api_of(acme, scopes=["catalog:read"]).post("/api/v1/runs/", report()).status_code == 403
    bound = api_of(acme, scopes=["ingest:write"], allowed_namespaces=["airflow"])
    refusal = bound.post("/api/v1/runs/", report())
    assert (refusal.status_code, refusal.json()["type"]) == (403, "/problems/namespace-not-allowed")
    assert count(acme) == 0


def test_a_new_run_costs_at_most_twelve_queries(api, pipeline):
    api.post("/api/v1/runs/", report(run_id="warm"))
    with CaptureQueriesContext(connection) as queries:
        assert api.post("/api/v1/runs/", report(status="running")).status_code == 201
    statements = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    # key, scope, pipeline, its lock, runs, insert, facts, health, answer, mark, time-outs restored, last use
    assert len(statements) <= 12, "\n".join(statements)


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"status": "done"}, "/status", "invalid_choice"),
        ({"status": "lost"}, "/status", "invalid_choice"),
        ({"status": None}, "/status", "null"),
        ({"pipeline_id": 7}, "/pipeline_id", "invalid"),
        ({"run_id": ""}, "/run_id", "blank"),
        ({"run_id": "x" * 251}, "/run_id", "max_length"),
        ({"started_at": "2026-03-01T06:00:00"}, "/started_at", "no_offset"),
        ({"started_at": 1772344800}, "/started_at", "invalid"),
        ({"finished_at": "9999-12-31T23:59:59Z"}, "/finished_at", "range"),
        ({"finished_at": "2100-01-01T00:00:00Z"}, "/finished_at", "ahead"),
        ({"started_at": "0001-01-01T00:00:00+23:00"}, "/started_at", "invalid"),
        ({"started_at": "2026-03-01T06:00:00Z", "finished_at": "2026-03-01T05:00:00Z"}, "/finished_at", "invalid"),
        ({"status": "running", "finished_at": "2026-03-01T05:00:00Z"}, "/finished_at", "invalid"),
        ({"status": "queued", "started_at": "2026-03-01T05:00:00Z"}, "/started_at", "invalid"),
        ({"version": "9.9.9"}, "/version", "invalid"),
        ({"attempt": 0}, "/attempt", "min_value"),
        ({"attempt": "1"}, "/attempt", "invalid"),
        ({"attempt": True}, "/attempt", "invalid"),
        ({"map_index": -2}, "/map_index", "min_value"),
        ({"rows_read": -1}, "/rows_read", "min_value"),
        ({"rows_read": 2**63}, "/rows_read", "integer_range"),
        ({"rows_read": 1.5}, "/rows_read", "invalid"),
        ({"external_url": "javascript:alert(1)"}, "/external_url", "scheme"),
        ({"external_url": "https://"}, "/external_url", "scheme"),
        ({"external_url": "https://[::1"}, "/external_url", "scheme"),
        ({"trigger": "a b"}, "/trigger", "invalid"),
        ({"labels": ["a"]}, "/labels", "invalid"),
        ({"labels": {str(n): n for n in range(65)}}, "/labels", "many"),
        ({"labels": {"a/b": {"deep": 1}}}, "/labels/a~1b", "value"),
        ({"labels": {"a": "x" * 256}}, "/labels/a", "value"),
        ({"lables": {}}, "/lables", "unknown"),
    ],
)
def test_bad_input_is_400_with_a_pointer_and_leaves_nothing(api, pipeline, acme, values, pointer, code):
    response = api.post("/api/v1/runs/", report(step="load", **values))
    assert response.status_code == 400
    assert (pointer, code) in {(error["pointer"], error["code"]) for error in response.json()["errors"]}
    assert (count(acme), count(acme, Step)) == (0, 0)


@pytest.mark.parametrize("body", [[], [report()], "x", 5, None])
def test_a_body_that_is_no_object_is_400(api, pipeline, body):
    response = api.post("/api/v1/runs/", orjson.dumps(body))
    assert response.status_code == 400


def test_an_endless_error_is_cut(api, pipeline):
    error = api.post("/api/v1/runs/", report(status="failed", error="x" * 50_000)).json()["error"]
    assert len(error) < 10_100
    assert error.endswith("… (40,000 characters more)")


def test_a_correction_counts_over_what_was_reported_and_keeps_the_finish(api, pipeline):
    times = {"started_at": "2026-03-01T06:00:00Z", "finished_at": "2026-03-01T06:05:00Z"}
    run = api.post("/api/v1/runs/", report(status="failed", error="disk full", **times)).json()
    changed = api.patch(f"/api/v1/runs/{run['id']}", {"status": "success", "labels": {"checked": True}})
    assert changed.status_code == 200
    assert changed.json() == run | {
        "status": "success", "reported_status": "success", "error": None, "labels": {"checked": True}
    }  # fmt: skip


def test_null_empties_a_field(api, pipeline):
    run = api.post("/api/v1/runs/", report(rows_read=5, external_url="https://example.com/x")).json()
    changed = api.patch(f"/api/v1/runs/{run['id']}", {"rows_read": None, "external_url": None}).json()
    assert (changed["rows_read"], changed["external_url"]) == (None, None)


def test_a_finish_is_corrected_and_cannot_be_emptied(api, pipeline):
    run = api.post("/api/v1/runs/", report(started_at="2026-03-01T06:00:00Z")).json()
    changed = api.patch(f"/api/v1/runs/{run['id']}", {"finished_at": "2026-03-01T06:01:00Z"}).json()
    assert (changed["finished_at"], changed["duration_seconds"]) == ("2026-03-01T06:01:00Z", 60.0)
    response = api.patch(f"/api/v1/runs/{run['id']}", {"finished_at": None})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, "/finished_at")


def test_a_run_that_is_said_to_have_ended_ends(api, pipeline):
    run = api.post("/api/v1/runs/", report(status="running")).json()
    assert api.patch(f"/api/v1/runs/{run['id']}", {"finished_at": "2026-03-01T06:01:00Z"}).status_code == 400
    changed = api.patch(f"/api/v1/runs/{run['id']}", {"status": "aborted", "error": "by hand"}).json()
    assert (changed["status"], changed["error"]) == ("aborted", "by hand")
    assert changed["finished_at"] is not None


def test_an_archived_pipeline_still_takes_runs_and_a_deleted_one_is_not_there(api, acme, pipeline):
    with tenant_scope(acme):
        Pipeline.objects.update(archived_at=timezone.now())
    assert api.post("/api/v1/runs/", report()).status_code == 201
    with tenant_scope(acme):
        Pipeline.objects.update(deleted_at=timezone.now())
    assert api.post("/api/v1/runs/", report()).status_code == 404


def test_an_ended_run_is_not_reopened(api, pipeline):
    run = api.post("/api/v1/runs/", report()).json()
    response = api.patch(f"/api/v1/runs/{run['id']}", {"status": "running"})
    assert (response.status_code, response.json()["type"]) == (409, "/problems/run-ended")


def test_who_ran_it_and_of_what_it_was_cannot_be_changed(api, pipeline):
    run = api.post("/api/v1/runs/", report()).json()
    for name in ("pipeline_id", "run_id", "step", "attempt", "parent_run_id"):
        assert api.patch(f"/api/v1/runs/{run['id']}", {name: "x"}).status_code == 400


def test_the_run_of_another_organization_is_not_there(globex_api, acme, pipeline):
    run = RunFactory(organization=acme, pipeline=pipeline)
    for answer in (globex_api.get(f"/api/v1/runs/{run.id}"), globex_api.patch(f"/api/v1/runs/{run.id}", {})):
        assert answer.status_code == 404


@pytest.mark.django_db(transaction=True)
def test_the_same_run_posted_at_once_is_one_run(acme):
    PipelineFactory(organization=acme, name="orders_sync")
    clients = [api_of(acme) for _ in range(6)]

    def post(client):
        try:
            return client.post("/api/v1/runs/", report()).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(post, clients))
    assert sorted(statuses) == [200] * 5 + [201]
    assert count(acme) == 1


def test_a_run_without_times_ends_now(api, pipeline):
    run = api.post("/api/v1/runs/", report()).json()
    finished = datetime.datetime.fromisoformat(run["finished_at"])
    assert abs(timezone.now() - finished) < datetime.timedelta(minutes=1)
