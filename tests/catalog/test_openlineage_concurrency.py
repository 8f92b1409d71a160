"""Many clients at once: batches that share pipelines and datasets neither deadlock nor double."""

from __future__ import annotations

import threading

import pytest
from django.db import connections

from catalog.models import Dataset, EventInbox, LineageLink, Pipeline, Run, Step
from catalog.services import pipelines
from catalog.services.lineage_events import descriptions
from orgs.models import Organization
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories import OrganizationFactory, PipelineFactory
from tests.factories.openlineage import airflow_task_event, dataset, facet, job_event, run_event, run_id
from tests.factories.specs import small_spec

LINEAGE, BATCH = "/api/v1/lineage", "/api/v1/lineage/batch"
THREADS = 6


@pytest.fixture
def organization(transactional_db) -> Organization:
    return OrganizationFactory(slug="acme", plan_name="business")


def in_parallel(work):
    """Calls `work(number)` in threads that start together; answers what each returned."""
    barrier, answers = threading.Barrier(THREADS), {}

    def run(number):
        barrier.wait()
        try:
            answers[number] = work(number)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[number]) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[number] for number in sorted(answers)]


def shared_batch(number):
    """Ten tasks of two DAGs that share twenty datasets, in an order of its own."""
    events = []
    for index in range(20):
        event = airflow_task_event(
            dag=f"dag_{index % 2}",
            task=f"t{index % 10}",
            inputs=[dataset("s3://lake", f"d{index}")],
            outputs=[dataset("s3://lake", f"d{(index * 7) % 20}")],
        )
        event["run"]["runId"] = run_id(f"{number}-{index}")
        events.append(event)
    return events[number:] + events[:number] if number % 2 else events[::-1]


def test_batches_that_share_datasets_in_different_orders_all_succeed(organization):
    clients = [api_of(organization) for _ in range(THREADS)]
    for _ in range(3):
        statuses = in_parallel(lambda number: clients[number].post(BATCH, shared_batch(number)).status_code)
        assert statuses == [204] * THREADS
    with tenant_scope(organization):
        assert Pipeline.objects.count() == 2
        assert Dataset.objects.count() == 20
        assert Step.objects.count() == 10
        assert Run.objects.filter(step__isnull=False).count() == 20 * THREADS
        assert not EventInbox.objects.exclude(state="applied").exists()
        keys = list(LineageLink.objects.values_list("pipeline", "step", "dataset", "direction"))
        assert len(keys) == len(set(keys))


def test_the_same_new_run_from_everybody_is_one_run(organization):
    clients = [api_of(organization) for _ in range(THREADS)]
    event = run_event("COMPLETE", outputs=[dataset("s3://lake", "orders")])
    assert in_parallel(lambda number: clients[number].post(LINEAGE, event).status_code) == [201] * THREADS
    with tenant_scope(organization):
        assert [Run.objects.count(), Pipeline.objects.count(), LineageLink.objects.count()] == [1, 1, 1]


def test_new_pipelines_never_exceed_the_plan(organization):
    Organization.objects.update(plan_name="free")
    PipelineFactory(organization=organization)
    clients = [api_of(organization) for _ in range(THREADS)]
    statuses = in_parallel(lambda number: clients[number].post(LINEAGE, run_event(job=f"dag_{number}")).status_code)
    assert sorted(statuses) == [201] * 2 + [403] * (THREADS - 2)
    with tenant_scope(organization):
        assert Pipeline.objects.counted().count() == 3


def test_a_job_event_does_not_overwrite_what_a_person_says_meanwhile(organization, monkeypatch):
    client, other = api_of(organization), api_of(organization)
    client.post(LINEAGE, run_event("COMPLETE"))
    with tenant_scope(organization):
        url = f"/api/v1/pipelines/{Pipeline.objects.get().pk}"
    people = []

    def patch():
        try:
            people.append(other.patch(url, {"owners": ["ada@acme.example"]}).status_code)
        finally:
            connections.close_all()

    person = threading.Thread(target=patch)
    describe = descriptions._describe_pipeline

    def describe_slowly(*args):
        person.start()
        person.join(0.5)
        describe(*args)

    monkeypatch.setattr(descriptions, "_describe_pipeline", describe_slowly)
    event = job_event(ownership=facet(owners=[{"name": "team-data", "type": "OWNER"}]))
    assert client.post(LINEAGE, event).status_code == 201
    person.join()
    assert people == [200]
    owners = [owner["name"] for owner in client.get(url).json()["owners"]]
    assert owners == ["ada@acme.example", "team-data"]


@pytest.mark.parametrize("is_batch", [False, True])
def test_a_pipeline_that_an_event_makes_while_it_is_registered_is_registered(organization, monkeypatch, is_batch):
    client, other = api_of(organization), api_of(organization)
    spec, statuses = small_spec("orders_sync"), []
    write = pipelines.write_current

    def send_event():
        try:
            event = run_event(job="orders_sync")
            event["job"]["namespace"] = "default"
            statuses.append(other.post(LINEAGE, event).status_code)
        finally:
            connections.close_all()

    def write_late(*args):
        if not statuses:
            sender = threading.Thread(target=send_event)
            sender.start()
            sender.join()
        write(*args)

    monkeypatch.setattr(pipelines, "write_current", write_late)
    path, body = ("/api/v1/pipelines/batch", [spec]) if is_batch else ("/api/v1/pipelines/", spec)
    response = client.post(path, body)
    assert (statuses, response.status_code) == ([201], 201), response.content
    with tenant_scope(organization):
        assert Pipeline.objects.get().current_version is not None
