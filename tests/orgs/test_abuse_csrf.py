"""No form of another site does anything: every unsafe route of the pages asks for the token of its own form."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client

from orgs.models import Session
from tests.conftest import browser_of
from tests.orgs.who_state import everything_of
from tests.routes import every_route
from tests.routes.calls import call

SAFE = {"GET", "HEAD", "OPTIONS"}
SIGNED = {"/webhooks/stripe"}  # believed by a signature over the body, and by nothing a browser adds
PAGES = [route for route in every_route() if route.method not in SAFE and not route.is_api and route.path not in SIGNED]
API = [route for route in every_route() if route.method not in SAFE and route.is_api]


def strict_browser_of(person):
    """A browser that is logged in and whose forms are looked at, unlike other tests'."""
    browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
    browser.cookies[settings.SESSION_COOKIE_NAME] = browser_of(person).cookies[settings.SESSION_COOKIE_NAME].value
    return browser


def token_of(browser):
    """What a page of ours puts into its forms; the cookie goes with it."""
    browser.get("/organizations/new")
    return browser.cookies[settings.CSRF_COOKIE_NAME].value


@pytest.mark.parametrize("route", PAGES, ids=str)
def test_a_form_without_the_token_is_refused_and_changes_nothing(route, acme, alice):
    route.prepare(acme)
    values = route.filled(acme)
    browser = strict_browser_of(alice)
    before, sessions = everything_of(acme), set(Session.objects.values_list("pk", flat=True))
    answer = call(browser, route, values)
    assert answer.status == 403, answer.body
    assert "form" in answer.body
    assert everything_of(acme) == before
    assert set(Session.objects.values_list("pk", flat=True)) == sessions


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: {"csrfmiddlewaretoken": ""},
        lambda token: {"csrfmiddlewaretoken": "x" * 64},
        lambda token: {"csrfmiddlewaretoken": token[::-1]},
        lambda token: {"csrfmiddlewaretoken": token[:-1]},
        lambda token: {"csrfmiddlewaretoken": f"{token}\r\n"},
        lambda token: {"csrftoken": token},
    ],
    ids=["empty", "made up", "reversed", "cut", "with a line end", "under another name"],
)
def test_a_forged_token_is_refused(forge, acme, alice):
    browser = strict_browser_of(alice)
    form = {"slug": "stolen", **forge(token_of(browser))}
    assert browser.post("/o/acme/settings/address", form).status_code == 403
    acme.refresh_from_db()
    assert acme.slug == "acme"


def test_another_visitors_token_is_refused(acme, alice, bob):
    browser, form = strict_browser_of(alice), {"csrfmiddlewaretoken": token_of(strict_browser_of(bob))}
    token_of(browser)
    assert browser.post("/o/acme/settings/address", {"slug": "stolen", **form}).status_code == 403


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://testserver.evil.example", "null", "http://testserver:81"]
)
def test_the_right_token_from_another_site_is_refused(origin, acme, alice):
    """As if the token had leaked."""
    browser = strict_browser_of(alice)
    form = {"slug": "stolen", "csrfmiddlewaretoken": token_of(browser)}
    assert browser.post("/o/acme/settings/address", form, headers={"Origin": origin}).status_code == 403


def test_the_right_token_from_this_site_is_taken(acme, alice):
    browser = strict_browser_of(alice)
    form = {"theme": "dark", "csrfmiddlewaretoken": token_of(browser)}
    assert browser.post("/theme", form, headers={"Origin": "http://testserver"}).status_code == 302


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_no_other_method_goes_round_the_token(method, acme, alice):
    browser = strict_browser_of(alice)
    for headers in ({}, {"X-HTTP-Method-Override": "GET"}, {"Content-Type": "text/plain"}):
        body = b"slug=stolen&_method=GET"
        answer = browser.generic(
            method, "/o/acme/settings/address", body, "application/x-www-form-urlencoded", headers=headers
        )
        assert answer.status_code in {403, 405}
    acme.refresh_from_db()
    assert acme.slug == "acme"


@pytest.mark.parametrize("route", API, ids=str)
def test_the_api_does_not_take_a_browsers_session_for_a_key(route, acme, alice):
    """So no form of another site can reach it either, and it needs no token."""
    route.prepare(acme)
    values = route.filled(acme)
    browser = strict_browser_of(alice)
    before = everything_of(acme)
    assert call(browser, route, values).status in {401, 403}
    assert everything_of(acme) == before
