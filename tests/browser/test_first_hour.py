"""The first hour of an organization: sign up, make a key, see a pipeline arrive, rotate the key, and end it."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

pytestmark = pytest.mark.django_db(transaction=True)

SPEC = """
pipeline:
  name: orders_sync
  description: Sync orders
  owner: commerce-data
  environment: production
  schedule: "0 6 * * *"
"""


def sign_up(page):
    page.goto("/signup")
    page.get_by_label("E-mail").fill("alice@acme.example")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_label("Organization").fill("Acme")
    page.get_by_role("button", name="Create account and organization").click()
    page.wait_for_url("**/o/acme/start/")


def make_first_key(page):
    page.get_by_role("button", name="Make a key").click()
    return page.locator("#secret").inner_text()


def answer_of(page, key):
    return page.request.get("/api/v1/organizations/me", headers={"X-API-KEY": key}).status


def register(page, key):
    headers = {"X-API-KEY": key, "Content-Type": "application/yaml"}
    answer = page.request.post("/api/v1/pipelines/", headers=headers, data=SPEC)
    assert answer.status == 201, answer.text()


def open_keys(page):
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Settings").click()
    page.get_by_role("navigation", name="Settings").get_by_role("link", name="API keys").click()


def choose(page, name, act):
    page.get_by_label(f"Actions for {name}").first.click()
    page.locator("details[open]").get_by_role("link", name=act).click()


def test_from_sign_up_to_a_pipeline_that_arrives_by_itself(page):
    sign_up(page)
    key = make_first_key(page)
    expect(page.locator("#arrivals")).to_contain_text("Waiting for the first pipeline")
    register(page, key)
    expect(page.locator("#arrivals").get_by_role("link", name="orders_sync")).to_be_visible()
    expect(page.locator("#mark-3").get_by_label("Done")).to_be_visible()
    assert page.locator("#secret").inner_text() == key


def test_the_same_without_a_script(visit):
    page = visit(javascript=False)
    sign_up(page)
    register(page, make_first_key(page))
    page.goto("/o/acme/start/")
    expect(page.locator("#arrivals").get_by_role("link", name="orders_sync")).to_be_visible()
    page.get_by_text("dbt", exact=True).click()
    expect(page.locator("pre:visible")).to_contain_text("OPENLINEAGE_NAMESPACE=acme-dbt")


def test_a_key_is_rotated_the_overlap_ended_and_the_successor_revoked(page):
    sign_up(page)
    old = make_first_key(page)
    open_keys(page)
    choose(page, "first-key", "Rotate")
    panel = page.get_by_role("region", name="Rotate first-key")
    panel.get_by_label("7 days").check()
    panel.get_by_role("button", name="Make new key").click()
    new = page.locator("#secret").inner_text()
    assert (answer_of(page, old), answer_of(page, new)) == (200, 200)
    expect(page.get_by_text("Rotating")).to_be_visible()

    page.get_by_role("row", name="Rotating").get_by_label("Actions for first-key").click()
    page.get_by_role("button", name="End overlap now").click()
    expect(page.locator("#notices")).to_contain_text("has stopped working")
    assert (answer_of(page, old), answer_of(page, new)) == (401, 200)

    choose(page, "first-key", "Revoke")
    page.get_by_label("Type the key's name").fill("first")
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Type first-key to revoke it.")).to_be_visible()
    page.get_by_label("Type the key's name").fill("first-key")
    page.get_by_role("button", name="Revoke").click()
    expect(page.locator("#notices")).to_contain_text("is revoked")
    assert answer_of(page, new) == 401


def test_scopes_are_offered_only_to_who_wants_to_choose_them(page):
    sign_up(page)
    page.goto("/o/acme/settings/api-keys/?new=1")
    expect(page.get_by_label("catalog:read")).to_be_hidden()
    page.get_by_label("Choose the scopes").check()
    page.get_by_label("catalog:read").check()
    page.get_by_label("Name", exact=True).fill("reader")
    page.get_by_role("button", name="Make key").click()
    expect(page.get_by_label("New key")).to_contain_text("reader is ready.")
    assert answer_of(page, page.locator("#secret").inner_text()) == 200


def test_the_key_is_copied(visit):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    sign_up(page)
    key = make_first_key(page)
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied").first).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == key


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1024, "dark"), (1920, "light")])
def test_no_page_scrolls_sideways_and_axe_finds_nothing_serious(visit, width, scheme):
    page = visit(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    sign_up(page)
    settings = "/o/acme/settings/"
    for path in [
        "/o/acme/start/", settings, f"{settings}members/", f"{settings}api-keys/", f"{settings}api-keys/?new=1",
        f"{settings}audit/?verify=1", "/account/", "/organizations", "/organizations/new", "/problems/",
    ]:  # fmt: skip
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
        violations = Axe().run(page, options={"preload": False}).response["violations"]
        found = [(v["id"], v["nodes"][0]["html"]) for v in violations if v["impact"] in {"serious", "critical"}]
        assert found == [], path
