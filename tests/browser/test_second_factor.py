"""Setting up a second factor and coming in with it, by keyboard alone; the account pages as axe sees them."""

from __future__ import annotations

import base64

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import expect

from orgs.one_time_codes import STEP_SECONDS, code_of_step
from tests.orgs.second_factors import phone_of

PASSWORD = "correct horse battery"
SERIOUS = {"serious", "critical"}


def code(secret, steps=0):
    return code_of_step(secret, int(timezone.now().timestamp()) // STEP_SECONDS + steps)


def type_into(page, label, text):
    """Without a click: the field has the focus as the page opens."""
    expect(page.get_by_label(label, exact=True)).to_be_focused()
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def log_in(page):
    page.goto("/login")
    page.get_by_label("E-mail").fill("alice@acme.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")


def set_up(page):
    """From the account page on; answers the secret and the recovery codes."""
    page.get_by_role("link", name="Set up").click()
    secret = base64.b32decode(page.locator(".secretbox code").inner_text().replace(" ", ""))
    assert page.locator("svg.qr").is_visible()
    type_into(page, "Code", code(secret))
    recovery_codes = page.locator("#recovery-codes").inner_text().split()
    page.get_by_role("link", name="I have kept them").click()
    return secret, recovery_codes


@pytest.mark.parametrize("is_scripted", [True, False], ids=["with JavaScript", "without"])
def test_it_is_set_up_and_asked_for(visit, alice, transactional_db, is_scripted):
    page = visit(javascript=is_scripted)
    log_in(page)
    page.wait_for_url("**/o/acme/**")
    page.goto("/account/")
    secret, recovery_codes = set_up(page)
    page.get_by_role("button", name="Log out").click()
    log_in(page)
    page.wait_for_url("**/login/code**")
    type_into(page, "Code", code(secret, steps=1))
    page.wait_for_url("**/o/acme/**")
    elsewhere = visit(javascript=is_scripted)
    log_in(elsewhere)
    elsewhere.get_by_role("link", name="Use a recovery code").click()
    type_into(elsewhere, "Recovery code", recovery_codes[0])
    elsewhere.wait_for_url("**/o/acme/**")
    page.goto("/account/")
    page.get_by_role("button", name="End all others").click()
    assert page.get_by_text("You are logged out everywhere else.").is_visible()
    elsewhere.goto("/account/")
    assert "/login" in elsewhere.url


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
def test_axe_finds_nothing_serious_on_the_account_pages(watched, alice, bob, transactional_db, scheme, width):
    phone_of(alice)
    pages = {bob: ("/account/", "/account/second-factor", "/account/delete", "/prove")}
    pages[alice] = ("/account/", "/account/second-factor", "/account/delete", "/prove?code=1")
    found = []
    for person, address in [(person, address) for person, addresses in pages.items() for address in addresses]:
        page = watched.page(user=person, width=width, color_scheme=scheme)
        assert page.goto(address).status == 200
        with watched.muted():
            violations = Axe().run(page, options={"resultTypes": ["violations"], "preload": False}).response
        found += [f"{address}: {one['id']}" for one in violations["violations"] if one["impact"] in SERIOUS]
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found += [f"{address}: scrolls sideways by {overflow}"] if overflow > 0 else []
    assert not found, "\n".join(found)
