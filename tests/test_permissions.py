"""The contract's rights table on every route: people by role, keys by scope, strangers and nobody."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.conftest import _member, api_of, browser_of, platform_key
from tests.factories import MembershipFactory, OrganizationFactory, UserFactory
from tests.routes import EVERY_ROLE, SCOPES, STAFF, every_route
from tests.routes.calls import call, undone

pytestmark = pytest.mark.usefixtures("limits")
ROUTES = every_route()
API = [route for route in ROUTES if route.is_api]
TENANT_PAGES = [route for route in ROUTES if route.path.startswith("/o/")]
OTHER_PAGES = [route for route in ROUTES if not route.is_api and not route.path.startswith("/o/")]


def is_as_the_table_says(route, status):
    return status == route.answers if route.answers else status < 400


@pytest.mark.parametrize("route", API, ids=str)
def test_a_key_may_what_its_scope_says(route, acme):
    route.prepare(acme)
    for scope in SCOPES:
        with undone():
            key = api_of(acme, scopes=[scope]).api_key.text
            answer = call(Client(), route, route.filled(acme), **{"X-API-KEY": key})
        if not route.access.needs_login or scope == route.access.scope:
            assert is_as_the_table_says(route, answer.status), f"{scope}: {answer.status} {answer.body}"
        else:
            assert answer.status == 403, f"{scope} may not {route.access.name}: {answer.status} {answer.body}"


@pytest.mark.parametrize("route", [route for route in API if route.access.is_for_operators], ids=str)
def test_a_platform_key_operates(route, acme):
    route.prepare(acme)
    answer = call(Client(), route, route.filled(acme), **{"X-API-KEY": platform_key()})
    assert is_as_the_table_says(route, answer.status), answer.body


@pytest.mark.parametrize("route", API, ids=str)
def test_nobody_gets_into_the_api_without_a_key(route, acme):
    route.prepare(acme)
    answer = call(Client(), route, route.filled(acme))
    if route.access.needs_login:
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
    else:
        assert is_as_the_table_says(route, answer.status)


@pytest.mark.parametrize("route", TENANT_PAGES, ids=str)
def test_a_member_may_what_the_role_says(route, acme):
    route.prepare(acme)
    for role in sorted(EVERY_ROLE):
        with undone():
            person = _member(acme, f"{role}-of-acme", role)
            answer = call(browser_of(person), route, route.filled(acme))
        if role in route.access.roles:
            assert is_as_the_table_says(route, answer.status), f"{role}: {answer.status} {answer.body}"
        else:
            assert answer.status == 403, f"{role} may not {route.access.name}: {answer.status}"


@pytest.mark.parametrize("route", TENANT_PAGES, ids=str)
def test_a_stranger_finds_nothing_and_nobody_is_sent_to_the_login(route, acme, gary):
    route.prepare(acme)
    values = route.filled(acme)
    assert call(browser_of(gary), route, values).status == 404
    answer = call(Client(), route, values)
    assert answer.status == 302
    assert answer.headers["location"].startswith("/login")


@pytest.mark.parametrize("route", OTHER_PAGES, ids=str)
def test_a_page_outside_of_organizations_needs_a_login_or_none(route, acme):
    route.prepare(acme)
    person = UserFactory(is_staff=route.access is STAFF)
    MembershipFactory(organization=OrganizationFactory(), user=person)
    values = route.filled(acme)
    with undone():
        assert is_as_the_table_says(route, call(browser_of(person), route, values).status)
    answer = call(Client(), route, values)
    if route.access.needs_login:
        assert answer.status == 302
        assert answer.headers["location"].startswith("/login")
    else:
        assert is_as_the_table_says(route, answer.status)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.access is STAFF], ids=str)
def test_what_is_for_staff_is_not_there_for_anybody_else(route, acme, alice):
    route.prepare(acme)
    with undone():
        answer = call(browser_of(alice), route, route.filled(acme))
    assert answer.status == 404


@pytest.mark.parametrize("route", TENANT_PAGES, ids=str)
def test_staff_are_strangers_until_they_enter(route, acme, gary):
    route.prepare(acme)
    values = route.filled(acme)
    assert call(browser_of(UserFactory(is_staff=True)), route, values).status == 404
