"""Reports and results that arrive at the same moment: nothing is lost, nothing is counted twice."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import connections

from catalog.models import Check, CheckResult, Dataset, Pipeline, Run
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories import DatasetFactory, LineageLinkFactory, PipelineFactory

pytestmark = pytest.mark.django_db(transaction=True)
RUNS, RESULTS = "/api/v1/runs/", "/api/v1/checks/results"


def at_once(organization, posts):
    """Sends each (path, body) from a thread and a client of its own; a 503 is repeated, as clients do."""
    clients = [api_of(organization) for _ in posts]

    def send(client, post):
        try:
            while (response := client.post(*post)).status_code == 503:
                pass
            return response.status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(posts)) as pool:
        return list(pool.map(send, clients, posts))


def test_failures_on_one_dataset_from_many_pipelines_are_all_counted(acme):
    dataset = DatasetFactory(organization=acme)
    names = [PipelineFactory(organization=acme).name for _ in range(6)]
    body = {"check_id": "rows", "status": "fail", "dataset": str(dataset.id)}
    assert set(at_once(acme, [(RESULTS, {"pipeline_id": name} | body) for name in names])) == {201}
    with tenant_scope(acme):
        assert Dataset.objects.get().failing_check_count == 6


def test_one_check_that_recovers_while_another_fails_leaves_those_downstream_of_both_at_risk(acme):
    reader = PipelineFactory(organization=acme)
    writers = [PipelineFactory(organization=acme) for _ in range(2)]
    datasets = [DatasetFactory(organization=acme) for _ in range(2)]
    for dataset in datasets:
        LineageLinkFactory(organization=acme, pipeline=reader, dataset=dataset)

    def result(number, status, minute):
        executed_at = f"2026-03-01T06:{minute:02}:00Z"
        names = {"pipeline_id": writers[number].name, "dataset": str(datasets[number].id), "check_id": "rows"}
        return RESULTS, names | {"status": status, "executed_at": executed_at}

    for minute in range(0, 8, 2):
        at_once(acme, [result(0, "fail", minute), result(1, "pass", minute)])
        at_once(acme, [result(0, "pass", minute + 1), result(1, "fail", minute + 1)])
        with tenant_scope(acme):
            assert Pipeline.objects.get(id=reader.id).is_at_risk


def test_a_run_its_steps_and_its_checks_at_once_come_to_the_same(acme):
    pipeline = PipelineFactory(organization=acme, name="orders_sync")
    run_id, tasks = str(uuid4()), [str(uuid4()) for _ in range(4)]
    report = {"pipeline_id": pipeline.name, "run_id": run_id, "status": "success"}
    posts = [
        (RUNS, report),
        (RESULTS, {"pipeline_id": pipeline.name, "check_id": "rows", "status": "fail", "run_id": run_id}),
        *(
            (RUNS, report | {"run_id": task, "status": "running", "step": task, "parent_run_id": run_id})
            for task in tasks
        ),
    ]
    assert set(at_once(acme, posts)) == {201}
    with tenant_scope(acme):
        run = Run.objects.get(step=None)
        assert (run.status, run.cause) == ("failed", "check")
        steps = Run.objects.filter(parent_run=run)
        assert list(steps.values_list("status", "cause")) == [("aborted", "parent ended")] * 4


def test_the_same_result_posted_at_once_is_one_result(acme):
    PipelineFactory(organization=acme, name="orders_sync")
    body = {"pipeline_id": "orders_sync", "check_id": "rows", "status": "fail", "run_id": "daily"}
    assert sorted(at_once(acme, [(RESULTS, body)] * 5)) == [200] * 4 + [201]
    with tenant_scope(acme):
        assert (Check.objects.count(), CheckResult.objects.count(), Run.objects.count()) == (1, 1, 1)
