"""What a newcomer does first, as one story, and the same without a script."""

from __future__ import annotations

import json
import re
import urllib.request

import pytest
from playwright.sync_api import Page, expect

SPEC = {
    "description": "Shop orders into the warehouse",
    "environment": "production",
    "schedule": "0 6 * * *",
}


def register(base_url: str, key: str, name: str, owner: str, tags: list[str]) -> int:
    body = json.dumps({**SPEC, "name": name, "owner": owner, "tags": tags}).encode()
    headers = {"X-API-KEY": key, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{base_url}/api/v1/pipelines/", body, headers)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        return int(response.status)


def sign_up(page: Page) -> None:
    page.goto("/signup")
    page.get_by_label("E-mail").fill("alice@acme.example")
    page.get_by_label("Password").fill("a long pass phrase")
    page.get_by_label("Organization", exact=False).first.fill("Acme")
    page.get_by_role("button", name="Create account and organization").click()
    expect(page).to_have_url(re.compile(r"/o/[a-z0-9-]+/start/"))


def test_from_sign_up_to_the_rotated_key(transactional_db, open_page, live_server):
    page = open_page()
    sign_up(page)
    page.get_by_role("button", name="Make a key").click()
    key = page.locator("#secret").inner_text()
    assert register(live_server.url, key, "orders_sync", "commerce-data", ["pii", "tier-1"]) == 201
    assert register(live_server.url, key, "fx_rates", "finance-data", ["finance"]) == 201

    page.get_by_role("link", name=re.compile("^Pipelines")).first.click()
    expect(page.get_by_role("link", name="orders_sync")).to_be_visible()
    expect(page.get_by_role("link", name="fx_rates")).to_be_visible()

    page.get_by_text("Tags", exact=True).first.click()
    page.get_by_label("pii").check()
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("link", name="fx_rates")).to_have_count(0)
    expect(page).to_have_url(re.compile("tag=pii"))
    page.locator("summary", has_text="Owner").click()
    page.locator(".pop-list a", has_text="commerce-data").click()
    expect(page).to_have_url(re.compile("owner=commerce-data"))
    expect(page.get_by_role("link", name="orders_sync")).to_be_visible()
    page.get_by_role("link", name="Remove filter Tags: pii").click()
    expect(page).not_to_have_url(re.compile("tag=pii"))

    page.get_by_role("link", name="orders_sync").click()
    expect(page.get_by_role("heading", name="orders_sync")).to_be_visible()
    expect(page.locator(".sentence")).to_contain_text("Never run")
    page.locator(".main-tabs").get_by_role("link", name="Lineage").click()
    expect(page).to_have_url(re.compile(r"/lineage/\?pipeline="))
    expect(page.locator("#lineage-start")).to_have_value("orders_sync")

    page.goto(page.url.split("/lineage/")[0] + "/settings/api-keys/")
    page.locator(".keys details summary").first.click()
    page.get_by_role("link", name=re.compile("Rotate")).first.click()
    page.locator(".rot button[type=submit]").click()
    rotated = page.locator("#secret").inner_text()
    assert rotated != key
    assert register(live_server.url, rotated, "late_comer", "commerce-data", []) == 201


@pytest.fixture
def filtered(shop, alice, open_page):
    def open_list(**options):
        page = open_page(user=alice, **options)
        page.goto("/o/acme/pipelines/")
        return page

    return open_list


def test_typing_narrows_the_list_keeps_the_field_and_goes_into_the_url(filtered):
    page = filtered()
    field = page.get_by_label("Name, namespace or description")
    field.press_sequentially("fx_r", delay=20)
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("q=fx_r"))
    expect(field).to_be_focused()
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(6)


def test_filters_sorting_and_menus_work_without_a_script(filtered):
    page = filtered(java_script_enabled=False)
    page.get_by_label("Name, namespace or description").fill("orders")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("q=orders"))
    page.get_by_role("link", name="Remove filter").or_(page.get_by_role("link", name="All")).first.click()
    page.locator("summary", has_text="Health").click()
    page.locator(".pop-list a", has_text="Failing").click()
    expect(page.get_by_role("link", name="orders_sync")).to_be_visible()
    page.get_by_role("link", name="Pipeline", exact=True).click()
    expect(page).to_have_url(re.compile("sort=name"))


def test_the_keyboard_reaches_search_menus_and_rows(filtered):
    page = filtered()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search")).to_be_focused()
    page.keyboard.type("orders_sync")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/search/\?q=orders_sync"))
    page.get_by_role("link", name="orders_sync").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="orders_sync")).to_be_visible()


def test_the_lineage_page_selects_suggests_and_starts_anew(filtered):
    page = filtered()
    page.goto("/o/acme/lineage/")
    expect(page).to_have_url(re.compile(r"\?pipeline="))
    page.goto("/o/acme/lineage/?start=orders_sync")
    page.locator(".nd", has_text="customer_360").first.click()
    expect(page).to_have_url(re.compile("selected="))
    expect(page.locator(".lside h2")).to_have_text("customer_360")
    page.locator("#lineage-start").fill("revenue")
    page.locator("#starts a", has_text="revenue_daily").click()
    expect(page.locator(".lside h2")).to_have_text("revenue_daily")
    page.get_by_role("link", name="Table").click()
    expect(page.get_by_role("table", name=re.compile("Nodes by distance"))).to_be_visible()


def test_archiving_can_be_undone_where_it_is_said(filtered):
    page = filtered()
    page.get_by_role("link", name="fx_rates").click()
    page.locator(".main-tabs").get_by_role("link", name="Settings").click()
    page.get_by_role("button", name="Archive fx_rates").click()
    expect(page.locator("#notices")).to_contain_text("fx_rates is archived")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#notices")).to_contain_text("back among the pipelines")
