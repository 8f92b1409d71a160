"""What is done is counted by organization, key and hour: exactly, and whatever the number of processes."""

import datetime
import threading
from uuid import UUID

import pytest
from django.db import OperationalError, connections

from catalog.services.run_book import RunBook
from dataxpipe import gunicorn
from orgs import tasks
from orgs.models import NO_KEY, Due, UsageCount
from orgs.plans import Override
from orgs.services.flushing import start_flushing
from orgs.services.usage import counts
from orgs.services.usage.counts import count, counted_for, flush_counts
from orgs.services.usage.series import GONE, NOBODY, Sender, senders
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories import OrganizationFactory, PipelineFactory, TrustedPublisherFactory
from tests.factories.openlineage import airflow_task_event, run_event, run_id

ME, RUNS, RESULTS, BATCH = (
    "/api/v1/organizations/me",
    "/api/v1/runs/",
    "/api/v1/checks/results",
    "/api/v1/lineage/batch",
)

pytestmark = pytest.mark.django_db(transaction=True)


def counted(organization, **filters):
    """The sums over all rows of the organization."""
    flush_counts()
    rows = UsageCount.objects.filter(organization=organization, **filters)
    return {
        name: sum(getattr(row, name) for row in rows)
        for name in counts.COUNTED
        if any(getattr(row, name) for row in rows)
    }


def test_requests_are_counted_by_key_and_hour(acme, api):
    other = api_of(acme)
    for client in (api, api, other):
        client.get(ME)
    flush_counts()
    rows = UsageCount.objects.filter(organization=acme).order_by("-api_requests")
    assert [(row.api_key_id, row.api_requests) for row in rows] == [(api.api_key.pk, 2), (other.api_key.pk, 1)]
    assert {(row.period, row.starts_at.minute, row.starts_at.second) for row in rows} == {("hour", 0, 0)}


def test_refused_requests_are_counted_as_they_were_answered(acme, api):
    assert api.get("/api/v1/pipelines/nothing").status_code == 404
    assert api.get("/api/v1/pipelines/", headers={"X-API-KEY": "dxp_wrong"}).status_code == 401
    assert counted(acme) == {"api_requests": 1}


@pytest.mark.usefixtures("limits")
def test_a_request_over_the_rate_is_not_counted(acme, api):
    acme.limit_overrides = {"requests_per_minute": Override("requests_per_minute", 2, "agreed").as_json()}
    acme.save()
    assert [api.get(ME).status_code for _ in range(4)] == [200, 200, 429, 429]
    assert counted(acme) == {"api_requests": 2}


def test_the_keys_of_ci_runs_are_counted_as_their_publisher(acme, api):
    publisher = TrustedPublisherFactory(organization=acme, name="github")
    for _ in range(3):
        api_of(acme, publisher=publisher).get(ME)
    flush_counts()
    count = UsageCount.objects.get(organization=acme)
    assert (count.api_key_id, count.api_requests) == (publisher.pk, 3)
    with tenant_scope(acme):
        assert senders([publisher.pk, api.api_key.pk, NO_KEY, UUID(int=5)]) == {
            publisher.pk: Sender("trusted_publisher", "github"),
            api.api_key.pk: Sender("api_key", api.api_key.name, api.api_key.hint),
            NO_KEY: NOBODY,
            UUID(int=5): GONE,
        }


def test_a_report_is_told_from_what_draws_on_the_limit_of_requests(acme, api):
    PipelineFactory(organization=acme, name="orders")
    api.post(RUNS, {"pipeline_id": "orders", "status": "success"})
    api.get(ME)
    flush_counts()
    count = UsageCount.objects.get(organization=acme)
    assert (count.api_requests, count.report_requests) == (2, 1)


def test_a_run_is_counted_once_however_often_it_is_reported(acme, api):
    PipelineFactory(organization=acme, name="orders")
    for status in ("running", "success", "success"):
        api.post(RUNS, {"pipeline_id": "orders", "run_id": "one", "status": status})
    assert counted(acme, api_key_id=api.api_key.pk) == {"api_requests": 3, "runs_recorded": 1}


def test_a_run_of_a_step_is_no_run_of_its_own(acme, api):
    PipelineFactory(organization=acme, name="orders")
    api.post(
        RUNS, {"pipeline_id": "orders", "run_id": "t", "step": "load", "parent_run_id": "dag", "status": "success"}
    )
    assert counted(acme)["runs_recorded"] == 1


def test_a_new_result_is_counted_and_a_repeat_is_not(acme, api):
    PipelineFactory(organization=acme, name="orders")
    result = {"pipeline_id": "orders", "check_id": "not_null", "status": "pass", "executed_at": "2026-01-01T00:00:00Z"}
    for _ in range(2):
        api.post(RESULTS, [result, result | {"check_id": "unique"}])
    assert counted(acme)["check_results"] == 2


def test_every_event_that_is_taken_is_counted_and_none_that_is_refused(acme, api):
    events = [run_event(run=run_id("one")), airflow_task_event(), {"not": "an event"}]
    assert api.post(BATCH, events).status_code == 200
    used = counted(acme, api_key_id=api.api_key.pk)
    assert (used["events_ingested"], used["api_requests"]) == (2, 1)


def test_what_is_rolled_back_is_not_counted(acme, api, monkeypatch):
    PipelineFactory(organization=acme, name="orders")
    close = RunBook.close

    def fail_afterwards(book):
        close(book)
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(RunBook, "close", fail_afterwards)
    assert api.post(RUNS, {"pipeline_id": "orders", "status": "success"}).status_code >= 500
    assert counted(acme) == {}


def test_what_the_worker_does_is_counted_without_a_key(acme):
    with tenant_scope(acme):
        count("runs_recorded", 3)
    tasks.work_off_marks(timestamp=0)
    assert counted(acme, api_key_id=NO_KEY) == {"runs_recorded": 3}


def test_organizations_are_counted_apart(acme, globex, api, globex_api):
    api.get(ME)
    globex_api.get(ME)
    globex_api.get(ME)
    assert (counted(acme), counted(globex)) == ({"api_requests": 1}, {"api_requests": 2})


def test_a_flush_is_one_statement_for_all_organizations(acme, globex, api, globex_api, django_assert_num_queries):
    api.get(ME)
    globex_api.get(ME)
    with django_assert_num_queries(1):
        flush_counts()
    with django_assert_num_queries(0):
        flush_counts()


def test_whoever_uses_something_is_measured_within_the_hour(acme, api):
    api.get(ME)
    flush_counts()
    assert [(due.organization_id, due.kind) for due in Due.objects.filter(kind="measure_usage")] == [
        (acme.pk, "measure_usage")
    ]


def test_what_the_database_does_not_take_is_written_later(acme, api, monkeypatch):
    api.get(ME)
    write = counts._write

    def fail(*args):
        raise OperationalError("the database is away")

    monkeypatch.setattr(counts, "_write", fail)
    flush_counts()
    monkeypatch.setattr(counts, "_write", write)
    assert counted(acme) == {"api_requests": 1}


def test_an_organization_that_is_gone_does_not_hold_up_the_others(acme, api):
    api.get(ME)
    with counts._lock:
        counts._counts[999_999_999, datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), UUID(int=1)] = [1, 0, 0, 0, 0]
    assert counted(acme) == {"api_requests": 1}
    assert not counts._counts


def test_a_stopping_process_writes_what_it_counted(acme, api):
    api.get(ME)
    gunicorn.worker_exit(None, None)
    assert UsageCount.objects.get(organization=acme).api_requests == 1


def test_an_idle_process_writes_by_itself(acme, api, monkeypatch):
    written, write = threading.Event(), counts._write

    def note(found):
        write(found)
        written.set()

    monkeypatch.setattr(counts, "_write", note)
    stop = start_flushing(every_seconds=0.02)
    api.get(ME)
    assert written.wait(10)
    stop()
    assert UsageCount.objects.get(organization=acme).api_requests == 1


def test_nothing_is_lost_or_doubled_under_concurrency():
    """Eight threads that send, while two others flush all the time."""
    organization = OrganizationFactory(plan_name="business")
    clients = [api_of(organization) for _ in range(8)]
    stop = threading.Event()

    def send(client):
        try:
            for _ in range(25):
                assert client.get(ME).status_code == 200
        finally:
            connections.close_all()

    def flush():
        try:
            while not stop.is_set():
                flush_counts()
        finally:
            connections.close_all()

    senders = [threading.Thread(target=send, args=[client]) for client in clients]
    flushers = [threading.Thread(target=flush) for _ in range(2)]
    for thread in (*senders, *flushers):
        thread.start()
    for thread in senders:
        thread.join()
    stop.set()
    for thread in flushers:
        thread.join()
    flush_counts()
    rows = UsageCount.objects.filter(organization=organization).values_list("api_key_id", "api_requests")
    by_key = {}
    for key, requests in rows:
        by_key[key] = by_key.get(key, 0) + requests
    assert by_key == {client.api_key.pk: 25 for client in clients}


def test_two_processes_add_up(acme, api):
    with counted_for(api.api_key), tenant_scope(acme):
        count("events_ingested", 5)
    flush_counts()
    with counted_for(api.api_key), tenant_scope(acme):
        count("events_ingested", 7)
    assert counted(acme, api_key_id=api.api_key.pk) == {"events_ingested": 12}
