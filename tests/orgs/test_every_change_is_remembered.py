"""Whatever changes an organization through a page or the API leaves an entry that says who did it."""

from functools import partial

import pytest
from django.test import Client

from orgs.models import AuditEvent
from orgs.tenancy import tenant_scope
from tests.conftest import api_of, browser_of
from tests.routes import orgs
from tests.routes.calls import call

CHANGES = [
    route
    for route in orgs.ROUTES
    if route.method != "GET" and route.path.startswith(("/api/v1/", "/o/")) and route.access.needs_login
]


@pytest.mark.parametrize("route", CHANGES, ids=str)
def test_a_change_is_remembered_with_who_made_it(route, acme, alice):
    route.prepare(acme)
    if route.is_api:
        api = api_of(acme)
        actor, ask = ("api_key", str(api.api_key.pk)), partial(call, Client(), **{"X-API-KEY": api.api_key.text})
    else:
        actor, ask = ("person", str(alice.pk)), partial(call, browser_of(alice))
    values = route.filled(acme)
    with tenant_scope(acme):
        before = AuditEvent.objects.count()
    assert ask(route, values).status < 400
    with tenant_scope(acme):
        events = AuditEvent.objects.order_by("-id")
        assert events.count() > before
        newest = events.first()
        assert (newest.actor_kind, newest.actor_id) == actor
        assert newest.request_id
