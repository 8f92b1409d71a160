"""One event a request: what is accepted, what is refused, and that a refusal leaves nothing behind."""

from __future__ import annotations

import gzip
import random

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Dataset, EventInbox, Facet, LineageLink, LineageVersion, Pipeline, Run, Step
from orgs.models import AuditEvent, Due
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories.openlineage import (
    airflow_dag_event,
    airflow_task_event,
    dataset,
    dataset_event,
    job_event,
    job_type,
    run_event,
    run_id,
)

LINEAGE = "/api/v1/lineage"
TENANT_MODELS = (Pipeline, Step, Run, Dataset, LineageLink, Facet, EventInbox, LineageVersion, AuditEvent)


def row_counts(organization):
    with tenant_scope(organization):
        return [model.objects.count() for model in TENANT_MODELS]


def test_an_event_makes_a_pipeline_a_run_and_datasets(api, acme):
    event = run_event("COMPLETE", inputs=[dataset("s3://lake", "raw")], outputs=[dataset("s3://lake", "clean")])
    response = api.post(LINEAGE, event)
    assert (response.status_code, response.content) == (201, b"")
    with tenant_scope(acme):
        run = Run.objects.select_related("pipeline").get()
        assert (str(run.id), run.status, run.pipeline.name) == (run_id("orders_sync"), "success", "orders_sync")
        assert run.pipeline.origin == "openlineage"
        assert sorted(LineageLink.objects.values_list("dataset__name", "direction", "origin")) == [
            ("clean", "writes", "observed"),
            ("raw", "reads", "observed"),
        ]


@pytest.mark.parametrize("path", [LINEAGE, LINEAGE + "/"])
def test_the_path_works_with_and_without_its_slash(api, path):
    assert api.post(path, run_event()).status_code == 201


@pytest.mark.parametrize("event", [job_event(), dataset_event(), run_event()], ids=["job", "dataset", "run"])
def test_every_kind_of_event_is_taken(api, event):
    assert api.post(LINEAGE, event).status_code == 201


def test_a_body_may_be_gzipped(api, acme):
    body = gzip.compress(orjson.dumps(run_event()))
    response = api.post(LINEAGE, body, content_type="application/json", headers={"Content-Encoding": "gzip"})
    assert response.status_code == 201
    assert row_counts(acme)[2] == 1


def test_a_bearer_token_is_read_as_clients_send_it(acme, anonymous_api):
    key = api_of(acme).api_key.text
    headers = {"Authorization": f"Bearer {key}"}
    assert anonymous_api.post(LINEAGE, run_event(), headers=headers).status_code == 201


def test_a_key_without_the_right_to_ingest_is_refused(acme):
    response = api_of(acme, scopes=["catalog:read"]).post(LINEAGE, run_event())
    assert response.status_code == 403
    assert response.json()["required"] == "ingest:write"


def test_every_defect_is_told_with_its_pointer_and_nothing_is_left(api, acme):
    before = row_counts(acme)
    event = run_event() | {"eventType": "DONE", "eventTime": "yesterday", "inputs": [{"name": ""}]}
    response = api.post(LINEAGE, event)
    assert response.status_code == 400
    problem = response.json()
    assert problem["type"] == "/problems/event-invalid"
    assert {error["pointer"] for error in problem["errors"]} == {
        "/eventType",
        "/eventTime",
        "/inputs/0/name",
        "/inputs/0/namespace",
    }
    assert row_counts(acme) == before


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'"event"',
        b"{}",
        b"{",
        b'{"eventTime": "2026-01-01T00:00:00Z", "eventTime": 1}',
        b'{"job": "\\u0000"}',
        b'{"job": "\\ud800"}',
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b'{"run": 12345678901234567890123}',
    ],
)
def test_bad_bodies_are_400_and_leave_nothing(api, acme, body):
    before = row_counts(acme)
    response = api.post(LINEAGE, body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["errors"]
    assert row_counts(acme) == before


def test_a_body_over_ten_mebibytes_is_413(api):
    body = b'{"a": "' + b"x" * (10 * 1024 * 1024) + b'"}'
    assert api.post(LINEAGE, body, content_type="application/json").status_code == 413


def test_names_of_a_thousand_characters_fit(api, acme):
    long = "ü" * 1_000
    event = run_event("COMPLETE", job=long, namespace=long, outputs=[dataset(long, long)])
    assert api.post(LINEAGE, event).status_code == 201
    with tenant_scope(acme):
        assert Pipeline.objects.get().name == long


def incompressible(count):
    letters = random.Random(1)
    return "".join(chr(letters.randrange(0x4E00, 0x9F00)) for _ in range(count))


@pytest.mark.parametrize(
    "event",
    [run_event(job=incompressible(1_000)), run_event(outputs=[dataset("s3://lake", incompressible(1_000))])],
)
def test_a_name_that_no_index_can_hold_is_refused_and_holds_up_no_batch(api, event):
    response = api.post(LINEAGE, event)
    assert response.status_code == 400
    assert "2,500 bytes" in response.json()["errors"][0]["detail"]
    answer = api.post(f"{LINEAGE}/batch", [event, run_event(job="other")]).json()
    assert answer["summary"] == {"received": 2, "successful": 1, "failed": 1, "retriable": 0, "non_retriable": 1}


def test_the_longest_names_in_any_script_fit(api):
    longest = incompressible(833)
    event = run_event("COMPLETE", job=longest, namespace=longest, outputs=[dataset(longest, longest)])
    assert api.post(LINEAGE, event).status_code == 201
    orphan = run_event(job="t", namespace=longest, job_facets={"jobType": job_type("SPARK", "TASK")})
    assert api.post(LINEAGE, orphan).status_code == 201


def test_a_key_renames_namespaces(acme):
    api = api_of(acme, namespace_map={"default": "airflow-prod"})
    event = run_event(namespace="default", job="dag.task")
    event["run"]["facets"]["parent"] = {
        "run": {"runId": run_id("dag")},
        "job": {"namespace": "default", "name": "dag"},
    }
    event["job"]["facets"]["jobType"] = {"integration": "AIRFLOW", "jobType": "TASK"}
    assert api.post(LINEAGE, event).status_code == 201
    with tenant_scope(acme):
        assert list(Pipeline.objects.values_list("namespace", "name")) == [("airflow-prod", "dag")]
        assert list(Step.objects.values_list("namespace", "name")) == [("airflow-prod", "dag.task")]


def test_a_key_for_some_namespaces_speaks_for_no_other(acme):
    api = api_of(acme, allowed_namespaces=["airflow-prod"])
    assert api.post(LINEAGE, run_event(namespace="airflow-prod")).status_code == 201
    before = row_counts(acme)
    response = api.post(LINEAGE, run_event(namespace="airflow-test"))
    assert response.status_code == 403
    assert response.json()["type"] == "/problems/namespace-not-allowed"
    assert row_counts(acme) == before


def test_a_new_pipeline_and_a_new_dataset_are_audited_once(api, acme):
    for _ in range(2):
        api.post(LINEAGE, run_event("COMPLETE", outputs=[dataset("s3://lake", "orders")]))
    with tenant_scope(acme):
        events = AuditEvent.objects.filter(action__endswith=".observed").order_by("action")
        assert [(event.action, event.target_label, event.actor_kind) for event in events] == [
            ("dataset.observed", "orders", "api_key"),
            ("pipeline.observed", "orders_sync", "api_key"),
        ]


def test_the_inbox_keeps_the_event_and_what_became_of_it(api, acme):
    from catalog.services.lineage_events.inbox import document_of

    event = run_event("COMPLETE")
    api.post(LINEAGE, event)
    with tenant_scope(acme):
        row = EventInbox.objects.get()
    assert document_of(row.body) == event
    assert (row.kind, row.event_type, row.state) == ("run", "COMPLETE", "applied")
    assert (row.job_namespace, row.job_name, str(row.run)) == ("airflow-prod", "orders_sync", run_id("orders_sync"))
    assert row.api_key == api.api_key.pk


def test_an_organization_that_is_being_moved_only_stores(api, acme):
    acme.status = "moving"
    acme.save()
    assert api.post(LINEAGE, run_event()).status_code == 201
    with tenant_scope(acme):
        assert EventInbox.objects.get().state == "pending"
        assert not Pipeline.objects.exists()
    assert Due.objects.filter(organization=acme, kind="apply_events").exists()


def test_another_organizations_run_and_parent_ids_reach_nothing(api, acme, globex_api, globex):
    for event in (airflow_dag_event("START"), airflow_task_event("START")):
        globex_api.post(LINEAGE, event)
    before = row_counts(globex)
    for event in (airflow_dag_event("COMPLETE"), airflow_task_event("COMPLETE")):
        assert api.post(LINEAGE, event).status_code == 201
    assert row_counts(globex) == before
    with tenant_scope(globex):
        assert set(Run.objects.values_list("status", flat=True)) == {"running"}
    with tenant_scope(acme):
        assert set(Run.objects.values_list("status", flat=True)) == {"success"}


def test_an_event_of_what_is_known_takes_few_queries(api):
    read, written = dataset("s3://lake", "raw"), dataset("s3://lake", "orders")
    for number in range(2):
        for event in (
            airflow_dag_event("START", at=f"2026-03-02T0{number}:00:00Z"),
            airflow_task_event("START", at=f"2026-03-02T0{number}:00:10Z"),
            airflow_task_event("COMPLETE", inputs=[read], outputs=[written], at=f"2026-03-02T0{number}:00:20Z"),
        ):
            event["run"]["runId"] = run_id(f"{event['job']['name']}{number}")
            with CaptureQueriesContext(connection) as queries:
                assert api.post(LINEAGE, event).status_code == 201
    # the key; the savepoint, before and after, what was bound, binding it and restoring: 5 of which 4 are the test's;
    # runs with those above; pipelines and steps; lock; runs; children; update; datasets; their times; facet uses;
    # facets; uses; links; when they were seen; inbox; due
    assert len(queries) <= 22
