"""Who is at risk follows specs: checks that end or come back, links that lead elsewhere."""

from __future__ import annotations

import pytest

from catalog.models import Dataset
from orgs.tenancy import tenant_scope
from tests.factories.specs import connections_of_spec, pipeline_spec

URL = "/api/v1/pipelines/"


def report(**changes):
    """Reads what `orders_sync` writes."""
    spec = pipeline_spec(name="report", transforms=[], targets=[], checks=[], **changes)
    clean = {"id": "cleaned", "type": "bigquery", "connection_ref": "bq-analytics", "object": "analytics.orders_clean"}
    return {**spec, "sources": [clean]}


@pytest.fixture
def failing(api, acme):
    """The check of `orders_sync` fails; `report` stands downstream."""
    connections_of_spec(acme)
    assert api.post(f"{URL}batch", [pipeline_spec(), report()]).status_code == 201
    result = {"pipeline_id": "orders_sync", "check_id": "order_id_not_null", "status": "fail"}
    response = api.post("/api/v1/checks/results", {**result, "executed_at": "2026-03-01T06:00:00Z"})
    assert response.status_code == 201, response.json()
    assert health(api) == "at_risk"


def health(api, name="report"):
    return api.get(f"{URL}{name}").json()["health"]


def register(api, spec):
    response = api.post(URL, spec)
    assert response.status_code in (200, 201), response.json()
    return response.json()["pipeline"]


def test_a_failing_check_that_a_new_version_drops_puts_nobody_at_risk(api, acme, failing):
    register(api, pipeline_spec(version="2", checks=[]))
    assert health(api) == "never_run"
    with tenant_scope(acme):
        assert not Dataset.objects.filter(failing_check_count__gt=0).exists()


def test_a_failing_check_that_comes_back_does_again(api, failing):
    register(api, pipeline_spec(version="2", checks=[]))
    register(api, pipeline_spec(version="3"))
    assert health(api) == "at_risk"


def test_a_check_that_becomes_a_warning_puts_nobody_at_risk(api, failing):
    newer = pipeline_spec(version="2")
    newer["checks"][0]["severity"] = "warn"
    register(api, newer)
    assert health(api) == "never_run"


def test_a_new_pipeline_downstream_is_at_risk_from_the_start(api, failing):
    another = report()
    another["pipeline"]["name"] = "another"
    assert register(api, another)["health"] == "at_risk"


def test_a_pipeline_that_reads_elsewhere_is_no_longer_at_risk(api, failing):
    newer = report()
    newer["version"] = "2"
    newer["sources"][0]["object"] = "analytics.other"
    assert register(api, newer)["health"] == "never_run"


@pytest.mark.parametrize("name", ["orders_sync", "report"])
def test_archiving_ends_the_risk_and_coming_back_brings_it_back(api, failing, name):
    api.patch(f"{URL}{name}", {"archived": True})
    assert health(api) == "never_run"
    api.patch(f"{URL}{name}", {"archived": False})
    assert health(api) == "at_risk"


def test_registering_an_archived_pipeline_brings_the_risk_back(api, failing):
    api.patch(f"{URL}orders_sync", {"archived": True})
    register(api, pipeline_spec())
    assert health(api) == "at_risk"


def test_deleting_ends_the_risk(api, failing):
    api.delete(f"{URL}orders_sync")
    assert health(api) == "never_run"


def test_a_connection_that_moves_takes_the_link_along(api, failing):
    response = api.patch("/api/v1/connections/bq-analytics", {"config": {"project": "elsewhere"}})
    assert response.status_code == 200, response.json()
    assert health(api) == "at_risk"
