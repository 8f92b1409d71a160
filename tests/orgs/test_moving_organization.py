"""While an organization is moved its rows are read, not written; events wait in the inbox."""

import pytest
from django.test import Client

from catalog.models import EventInbox, Run
from orgs.models import Organization
from orgs.services import due_work
from orgs.tenancy import tenant_scope
from tests.conftest import api_of, browser_of
from tests.factories.openlineage import run_event
from tests.routes import PLAN, every_route
from tests.routes.calls import call

ROUTES = [route for route in every_route() if route.access.scope or route.access.roles]
API = [r for r in ROUTES if r.is_api and r.access.scope and not r.access.is_for_operators]
TAKEN = {("POST", "/api/v1/lineage"), ("POST", "/api/v1/lineage/batch")}
WRITES = [r for r in API if r.method != "GET" and r.key not in TAKEN and r.access is not PLAN]
FORMS = [r for r in ROUTES if r.path.startswith("/o/") and r.method != "GET"]


def set_status(organization, status):
    Organization.objects.filter(pk=organization.pk).update(status=status)


@pytest.mark.parametrize("route", WRITES, ids=str)
def test_every_write_to_the_api_waits(route, acme):
    route.prepare(acme)
    values = route.filled(acme)
    set_status(acme, "moving")
    answer = call(Client(), route, values, **{"X-API-KEY": api_of(acme).api_key.text})
    assert answer.status == 423, answer.body
    assert answer.headers["retry-after"] == "30"
    assert "/problems/organization-moving" in answer.body


@pytest.mark.parametrize("route", FORMS, ids=str)
def test_every_form_waits(route, acme, alice):
    route.prepare(acme)
    values = route.filled(acme)
    set_status(acme, "moving")
    answer = call(browser_of(alice), route, values)
    assert (answer.status, answer.headers["retry-after"]) == (423, "30")


def test_pages_and_reads_go_on(acme, alice, api):
    set_status(acme, "moving")
    assert api.get("/api/v1/pipelines/").status_code == 200
    assert "is being moved" in browser_of(alice).get("/o/acme/pipelines/").content.decode()


def test_events_wait_in_the_inbox_until_the_move_is_over(acme, api, monkeypatch):
    monkeypatch.setattr(due_work, "GRACE_SECONDS", 0)
    monkeypatch.setattr(due_work, "RETRY_SECONDS", 0)
    set_status(acme, "moving")
    assert api.post("/api/v1/lineage", run_event()).status_code == 201
    assert api.post("/api/v1/lineage/batch", [run_event()]).status_code == 204
    assert due_work.run_due_work(for_seconds=0.2) == 0
    with tenant_scope(acme):
        assert set(EventInbox.objects.values_list("state", flat=True)) == {"pending"}
    set_status(acme, "active")
    assert due_work.run_due_work() > 0
    with tenant_scope(acme):
        assert set(EventInbox.objects.values_list("state", flat=True)) == {"applied"}
        assert Run.objects.exists()
