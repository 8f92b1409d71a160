"""Who is downstream of a dataset whose error check fails, until it passes."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import DatasetAlias, LineageLink, Pipeline
from catalog.services.at_risk import refresh_at_risk, refresh_risk_of
from orgs.tenancy import tenant_scope
from tests.factories import ConnectionFactory, DatasetFactory, LineageLinkFactory, PipelineFactory, RunFactory

URL = "/api/v1/checks/results"


class World:
    """Pipelines and datasets by name; `flow("a > p > b")` lets p read a and write b."""

    def __init__(self, organization):
        self.organization = organization
        self.pipelines, self.datasets = {}, {}

    def pipeline(self, name, **values):
        if name not in self.pipelines:
            self.pipelines[name] = PipelineFactory(organization=self.organization, name=name, schedule=None, **values)
        return self.pipelines[name]

    def dataset(self, name):
        if name not in self.datasets:
            self.datasets[name] = DatasetFactory(organization=self.organization, name=name)
        return self.datasets[name]

    def flow(self, text, **values):
        reads, name, writes = (part.strip() for part in text.split(">"))
        for direction, dataset in (("reads", reads), ("writes", writes)):
            if dataset:
                LineageLinkFactory(
                    organization=self.organization,
                    pipeline=self.pipeline(name),
                    dataset=self.dataset(dataset),
                    direction=direction,
                    **values,
                )

    def at_risk(self):
        with tenant_scope(self.organization):
            return sorted(Pipeline.objects.filter(is_at_risk=True).values_list("name", flat=True))


@pytest.fixture
def world(acme):
    world = World(acme)
    world.flow(" > loader > raw")
    world.flow("raw > cleaner > clean")
    world.flow("clean > reporter > ")
    world.flow("elsewhere > stranger > ")
    with tenant_scope(acme):
        for name in ("raw", "clean"):
            DatasetAlias.objects.create(pipeline=world.pipeline("loader"), alias=name, dataset=world.dataset(name))
    return world


def post(api, status, minute=0, dataset="raw", **values):
    body = {"pipeline_id": "loader", "check_id": f"rows of {dataset}", "status": status, "dataset": dataset}
    response = api.post(URL, body | {"executed_at": f"2026-03-01T06:{minute:02}:00Z"} | values)
    assert response.status_code < 300, response.content


def test_a_failing_error_check_puts_everyone_downstream_at_risk_until_it_passes(api, world):
    post(api, "fail", 1)
    assert world.at_risk() == ["cleaner", "reporter"]
    found = api.get("/api/v1/pipelines/reporter").json()
    assert (found["health"], found["health_reason"]) == ("at_risk", "A check fails on raw, upstream.")
    assert api.get("/api/v1/pipelines/loader").json()["health"] == "never_run"
    post(api, "pass", 2)
    assert world.at_risk() == []
    assert api.get("/api/v1/pipelines/reporter").json()["health"] == "never_run"


def test_a_check_that_cannot_be_run_fails_too(api, world):
    post(api, "error")
    assert world.at_risk() == ["cleaner", "reporter"]


@pytest.mark.parametrize("values", [{"severity": "warn", "status": "fail"}, {"status": "skipped"}])
def test_warnings_and_skipped_checks_put_nobody_at_risk(api, world, values):
    post(api, **values)
    assert world.at_risk() == []


def test_results_that_arrive_out_of_order_end_the_same(api, world):
    post(api, "pass", 2)
    post(api, "fail", 1)
    assert world.at_risk() == []
    post(api, "fail", 3)
    assert world.at_risk() == ["cleaner", "reporter"]


def test_a_pipeline_stays_at_risk_while_another_check_upstream_fails(api, world):
    post(api, "fail", 1)
    post(api, "fail", 1, dataset="clean")
    post(api, "pass", 2)
    assert world.at_risk() == ["reporter"]
    assert api.get("/api/v1/pipelines/reporter").json()["health_reason"] == "A check fails on clean, upstream."


def test_the_nearest_failing_dataset_is_the_reason(api, world):
    post(api, "fail", 1)
    post(api, "fail", 1, dataset="clean")
    assert api.get("/api/v1/pipelines/reporter").json()["health_reason"] == "A check fails on clean, upstream."
    assert api.get("/api/v1/pipelines/cleaner").json()["health_reason"] == "A check fails on raw, upstream."


def test_failing_goes_before_at_risk(api, acme, world):
    api.post("/api/v1/runs/", {"pipeline_id": "cleaner", "status": "failed"})
    post(api, "fail")
    assert api.get("/api/v1/pipelines/cleaner").json()["health"] == "failing"
    api.post("/api/v1/runs/", {"pipeline_id": "cleaner", "status": "success"})
    assert api.get("/api/v1/pipelines/cleaner").json()["health"] == "at_risk"


@pytest.mark.parametrize("ended", ["archived_at", "deleted_at"])
def test_archived_and_deleted_pipelines_never_bridge(api, acme, world, ended):
    with tenant_scope(acme):
        Pipeline.objects.filter(name="cleaner").update(**{ended: timezone.now()})
    post(api, "fail")
    assert world.at_risk() == []


def test_closed_links_never_bridge(api, acme, world):
    with tenant_scope(acme):
        LineageLink.objects.filter(dataset=world.dataset("clean")).update(valid_to=timezone.now())
    post(api, "fail")
    assert world.at_risk() == ["cleaner"]


def test_cycles_are_legal(api, world):
    world.flow("clean > rewinder > raw")
    post(api, "fail")
    assert world.at_risk() == ["cleaner", "reporter", "rewinder"]
    post(api, "pass", 1)
    assert world.at_risk() == []


def test_a_pipeline_that_changes_a_dataset_in_place_is_downstream_of_it(api, world):
    world.flow("raw > patcher > raw")
    post(api, "fail")
    assert "patcher" in world.at_risk()


def test_the_dataset_of_another_organization_is_far_away(api, globex, world):
    other = World(globex)
    other.flow("raw > cleaner > clean")
    post(api, "fail")
    assert other.at_risk() == []


def test_the_walk_costs_two_statements_a_level_however_wide(api, acme, world):
    def cost():
        with tenant_scope(acme), CaptureQueriesContext(connection) as queries:
            Pipeline.objects.filter(is_at_risk=True).update(is_at_risk=False)
            refresh_at_risk()
        return len(queries)

    post(api, "fail")
    narrow = cost()
    for number in range(30):
        world.flow(f"raw > reader_{number} > clean")
    cost()  # the new ones fall at risk
    # this test's own, lock, failing datasets, (reads, writes) of two levels, reads of one, marked, update, facts
    assert cost() == narrow == 10
    assert len(world.at_risk()) == 32


def test_a_check_that_was_failing_already_walks_nowhere(api, world):
    post(api, "fail", 1)
    with CaptureQueriesContext(connection) as queries:
        post(api, "fail", 2)
    assert not [query for query in queries if "lineagelink" in query["sql"]]


def test_a_run_of_a_pipeline_at_risk_leaves_it_at_risk(api, acme, world):
    post(api, "fail")
    RunFactory(organization=acme, pipeline=world.pipeline("reporter"))
    api.post("/api/v1/runs/", {"pipeline_id": "reporter", "status": "success"})
    assert api.get("/api/v1/pipelines/reporter").json()["health"] == "at_risk"


def test_checks_of_archived_pipelines_put_nobody_at_risk(api, acme, world):
    post(api, "fail")
    assert api.patch("/api/v1/pipelines/loader", {"archived": True}).status_code == 200
    assert world.at_risk() == []
    assert api.patch("/api/v1/pipelines/loader", {"archived": False}).status_code == 200
    assert world.at_risk() == ["cleaner", "reporter"]


def test_a_deleted_pipeline_takes_its_failing_checks_along(api, acme, world):
    post(api, "fail")
    assert api.delete("/api/v1/pipelines/loader").status_code == 202
    assert world.at_risk() == []


def test_a_pipeline_that_begins_to_read_a_failing_dataset_is_at_risk(api, acme, world):
    post(api, "fail")
    with tenant_scope(acme):
        world.flow("raw > stranger > ")
        refresh_risk_of([])
    assert world.at_risk() == ["cleaner", "reporter", "stranger"]


def test_a_pipeline_that_is_archived_bridges_no_longer(api, world):
    post(api, "fail")
    assert api.patch("/api/v1/pipelines/cleaner", {"archived": True}).status_code == 200
    assert world.at_risk() == []


def test_a_check_that_is_no_longer_declared_puts_nobody_at_risk(api, acme, world):
    ConnectionFactory(organization=acme, slug="pg")
    facts = {"name": "new", "description": "New", "owner": "data", "environment": "production", "schedule": None}
    source = {"id": "orders", "type": "postgres", "connection_ref": "pg", "object": "shop.orders"}
    spec = {"pipeline": facts, "sources": [source | {"load_mode": "full"}], "checks": []}
    check = {"id": "rows", "dataset": "orders", "sql": "rows.sql", "severity": "error"}
    assert api.post("/api/v1/pipelines/", spec | {"checks": [check]}).status_code == 201
    result = {"pipeline_id": "new", "check_id": "rows", "status": "fail"}
    assert api.post(URL, result).json()["dataset"]["name"].endswith("shop.orders")
    assert world.at_risk() == ["new"]
    assert api.post("/api/v1/pipelines/", spec).status_code == 201
    assert world.at_risk() == []
