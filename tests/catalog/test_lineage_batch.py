"""Many events a request: those that can be applied are, the others are told by their place."""

from __future__ import annotations

import pytest
from django.db import DataError, connection
from django.test.utils import CaptureQueriesContext

from catalog.models import EventInbox, Pipeline, Run
from orgs.models import ApiKeyUse
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories.openlineage import airflow_task_event, dataset, run_event, run_id

BATCH = "/api/v1/lineage/batch"


@pytest.mark.parametrize("path", [BATCH, BATCH + "/"])
def test_a_batch_that_succeeds_whole_is_204(api, acme, path):
    response = api.post(path, [run_event("START"), run_event("COMPLETE", at="2026-03-02T06:05:00Z")])
    assert (response.status_code, response.content) == (204, b"")
    with tenant_scope(acme):
        assert Run.objects.get().duration_seconds == 300


def test_an_empty_batch_is_204(api):
    assert api.post(BATCH, []).status_code == 204


def test_what_failed_is_told_by_its_place_and_the_rest_is_applied(api, acme):
    response = api.post(BATCH, [run_event(), {"job": {}}, "event", run_event(job="other")])
    assert response.status_code == 200
    answer = response.json()
    assert answer["status"] == "partial_success"
    assert answer["summary"] == {"received": 4, "successful": 2, "failed": 2, "retriable": 0, "non_retriable": 2}
    assert [failed["index"] for failed in answer["failed_events"]] == [1, 2]
    assert not any(failed["retriable"] for failed in answer["failed_events"])
    with tenant_scope(acme):
        assert set(Pipeline.objects.values_list("name", flat=True)) == {"orders_sync", "other"}
        assert EventInbox.objects.count() == 2


def test_a_batch_of_which_nothing_can_be_applied_is_a_failure(api, acme):
    answer = api.post(BATCH, [{}, {}]).json()
    assert (answer["status"], answer["summary"]["failed"]) == ("failure", 2)
    with tenant_scope(acme):
        assert not EventInbox.objects.exists()


def test_more_than_a_thousand_events_are_413(api, acme):
    response = api.post(BATCH, [{}] * 1_001)
    assert response.status_code == 413
    assert response.json()["limit"] == 1_000


@pytest.mark.parametrize("body", [b"{}", b'"x"', b"1", b"null"])
def test_a_batch_is_an_array(api, body):
    response = api.post(BATCH, body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == ""


def test_events_of_foreign_namespaces_are_not_retriable(acme):
    api = api_of(acme, allowed_namespaces=["airflow-prod"])
    answer = api.post(BATCH, [run_event(), run_event(namespace="other")]).json()
    assert answer["failed_events"] == [
        {"index": 1, "reason": "The API key may not send events of this namespace.", "retriable": False}
    ]


def test_two_events_of_one_run_in_one_batch_are_one_run(api, acme):
    events = [run_event("COMPLETE", at="2026-03-02T07:00:00Z"), run_event("START"), run_event("RUNNING")]
    assert api.post(BATCH, events).status_code == 204
    with tenant_scope(acme):
        run = Run.objects.get()
        assert (run.status, run.duration_seconds) == ("success", 3_600)


def test_an_event_that_the_database_will_not_have_holds_up_no_other(api, acme, monkeypatch):
    from catalog.services.lineage_events import reception

    apply_events = reception.apply_events

    def refuse_huge(received, *, actor):
        if any(one.event.job.name == "huge" for one in received):
            raise DataError("integer out of range")
        return apply_events(received, actor=actor)

    monkeypatch.setattr(reception, "apply_events", refuse_huge)
    answer = api.post(BATCH, [run_event(job="a"), run_event(job="huge"), run_event(job="b")]).json()
    assert [(failed["index"], failed["retriable"]) for failed in answer["failed_events"]] == [(1, False)]
    with tenant_scope(acme):
        assert set(Pipeline.objects.values_list("name", flat=True)) == {"a", "b"}


def test_numbers_that_fit_no_column_are_none(api, acme):
    huge = 2**62
    read = [dataset("s3://lake", name) | {"inputFacets": {"inputStatistics": {"rowCount": huge}}} for name in "abc"]
    event = airflow_task_event(try_number=huge, map_index=huge, inputs=read)
    assert api.post(BATCH, [event]).status_code == 204
    with tenant_scope(acme):
        run = Run.objects.get(step__isnull=False)
        assert (run.map_index, run.rows_read) == (None, 2**63 - 1)


def test_the_keys_uses_name_the_pipelines(api):
    api.post(BATCH, [airflow_task_event(task="a"), airflow_task_event(task="b"), run_event(job="other")])
    uses = ApiKeyUse.objects.filter(api_key=api.api_key).exclude(namespace="")
    assert sorted(uses.values_list("namespace", "root_name")) == [
        ("airflow-prod", "orders_sync"),
        ("airflow-prod", "other"),
    ]


def busy_batch(number):
    """500 events of 50 tasks that share datasets, all known but for the runs."""
    events = []
    for index in range(250):
        event = airflow_task_event(task=f"t{index % 50}", inputs=[dataset("s3://lake", f"d{index % 20}")])
        event["run"]["runId"] = run_id(f"busy{number}-{index}")
        events += [event, {**event, "eventType": "START"}]
    return events


def test_a_large_batch_takes_as_many_queries_as_a_small_one(api):
    api.post(BATCH, busy_batch(0))
    with CaptureQueriesContext(connection) as queries:
        assert api.post(BATCH, busy_batch(1)).status_code == 204
    assert len(queries) <= 25


def test_the_reason_says_what_is_wrong(api):
    answer = api.post(BATCH, [{"bad": 1}, "event"]).json()
    assert [failed["reason"] for failed in answer["failed_events"]] == [
        "The event has neither a run, a job nor a dataset.",
        "An event is a JSON object.",
    ]
