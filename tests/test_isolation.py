"""What belongs to another organization is answered exactly as what does not exist, on every route."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import Resolver404, resolve
from django.utils import timezone

from orgs.models import Organization
from tests.conftest import _member, api_of, browser_of, platform_key
from tests.factories import UserFactory
from tests.factories.rows import fill, fingerprint, mirror
from tests.routes import OPERATE, STAFF, Route, every_route, resolved_routes
from tests.routes.calls import Answer, call, undone

pytestmark = pytest.mark.usefixtures("limits")
ROUTES = every_route()
IDS = [(route, place) for route in ROUTES for place in route.places()]
OF_TENANTS = {
    f"{kind} of {where}": [
        route
        for route in ROUTES
        if (route.access.scope or route.access.roles)
        and (route.method == "GET") == (kind == "reads")
        and route.is_api == (where == "the api")
    ]
    for kind in ("reads", "writes")
    for where in ("the api", "pages")
}


def insider(organization: Organization, owner: Any) -> Callable[[Route, dict[str, Any]], Answer]:
    """Calls a route with a key of every scope, or as the owner in the browser."""
    key, browser = api_of(organization).api_key.text, browser_of(owner)
    operator, staff = platform_key(), browser_of(UserFactory(is_staff=True))

    def ask(route: Route, values: dict[str, Any]) -> Answer:
        if route.access is OPERATE:
            return call(Client(), route, values, **{"X-API-KEY": operator})
        if route.access is STAFF:
            return call(staff, route, values)
        return call(Client(), route, values, **{"X-API-KEY": key}) if route.is_api else call(browser, route, values)

    return ask


def name_of(value: Any) -> str:
    return str(value) if isinstance(value, Route) else ".".join(map(str, value))


def test_every_route_stands_in_a_table():
    known = {route.key for route in ROUTES}
    missing = [
        f"{method} {path}  ({view})"
        for (method, path), view in resolved_routes().items()
        if (method, path) not in known
    ]
    assert not missing, "add a line to tests/routes/<app>.py for:\n" + "\n".join(sorted(missing))


def test_the_tables_name_no_route_that_does_not_exist():
    gone = [str(route) for route in ROUTES if route.key not in resolved_routes()]
    assert not gone, f"no view answers: {gone}"


def test_every_path_of_the_api_works_with_and_without_its_slash():
    for path in {route.path for route in ROUTES if route.is_api}:
        example = re.sub(r"\{\w+\}", "x", path.rstrip("/"))
        try:
            assert resolve(example).func is resolve(example + "/").func
        except Resolver404:
            pytest.fail(f"{path} is not found without, or with, its slash")


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_the_call_in_the_table_works(route, acme, alice):
    route.prepare(acme)
    answer = insider(acme, alice)(route, route.filled(acme))
    assert answer.status == route.answers if route.answers else answer.status < 400, answer.body


@pytest.mark.parametrize(("route", "place"), IDS, ids=name_of)
def test_a_foreign_id_is_answered_like_an_unknown_one(route, place, acme, globex, alice):
    route.prepare(acme)
    route.prepare(globex)
    row = route.id_at(place)
    own = {other: route.id_at(other).make(acme) for other in route.places()}
    foreign, unknown = str(row.make(globex)), str(row.unknown())
    ask, answers = insider(acme, alice), []
    for value in (foreign, unknown):
        with undone():
            values = route.filled(acme, {**{p: str(v) for p, v in own.items()}, place: value})
            answers.append(ask(route, values).without(value).without_what_was_made())
    assert answers[0] == answers[1]


@pytest.mark.parametrize("routes", OF_TENANTS.values(), ids=OF_TENANTS)
def test_a_twin_in_another_organization_neither_shows_nor_changes(routes, acme, globex, alice, monkeypatch):
    """The twin has a row with the same id, names and keys for every row of acme."""
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    acme.plan_name = "business"  # all routes' rows stand in one world
    acme.save()
    fill(acme)
    values = {route: route.filled(acme) for route in routes}
    ask = insider(acme, alice)

    def answer_of(route: Route) -> Answer:
        return ask(route, values[route]).without_what_was_made()

    def undone_answer_of(route: Route) -> Answer:
        with undone():
            return answer_of(route)

    for route in routes:
        undone_answer_of(route)  # what is remembered for some seconds is remembered for both worlds
    alone = {route: undone_answer_of(route) for route in routes}
    _member(globex, "gary", "owner")
    api_of(globex)
    mirror(acme, globex)
    twin = fingerprint(globex)
    for route in routes:
        with undone():
            assert answer_of(route) == alone[route], f"{route} shows the twin"
            assert route.method == "GET" or fingerprint(globex) == twin, f"{route} changes the twin"
