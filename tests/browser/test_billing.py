"""Buying a plan as an owner does: Checkout, the plan that changes live, the portal, and the day it ends."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from billing import gateway
from billing.fake_stripe.account import price_ids
from billing.fake_stripe.server import FakeStripe
from catalog.models import Pipeline
from orgs.tenancy import tenant_scope
from tests.factories import MembershipFactory, PipelineFactory

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/o/initech/settings/billing/"


@pytest.fixture
def fake(live_server, settings):
    """The pretend Stripe, which posts its webhooks to the live server."""
    with FakeStripe(webhook_url=f"{live_server.url}/webhooks/stripe") as fake:
        settings.BASE_URL = live_server.url
        settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE = fake.account.api_key, fake.url
        settings.STRIPE_WEBHOOK_SECRETS = [fake.account.webhook_secret]
        settings.STRIPE_PRICES = {"team": price_ids("Team"), "business": price_ids("Business")}
        gateway._client_of.cache_clear()
        yield fake
    gateway._client_of.cache_clear()


@pytest.fixture
def owner(free_org):
    return MembershipFactory(organization=free_org, role="owner").user


def pay(page):
    page.wait_for_url(re.compile("/checkout|/c/"))
    page.get_by_role("button", name=re.compile("^Pay")).click()
    page.wait_for_url(re.compile(PAGE))


def test_upgrade_see_the_plan_change_live_cancel_and_see_the_end(fake, owner, watched):
    page = watched.page(user=owner)
    page.goto(PAGE)
    page.get_by_role("button", name="Choose Team").click()
    pay(page)
    expect(page.locator("#plan")).to_contain_text("is on the Team plan now")
    expect(page.locator("#plan-sentence")).to_contain_text("is on the Team plan.")
    expect(page.locator("#side-plan")).to_have_text("Team plan")
    page.get_by_role("button", name="Manage at Stripe").click()
    page.get_by_role("button", name="Cancel at the end of the period").click()
    page.goto(f"{PAGE}?portal=back")
    expect(page.locator("#plan")).to_contain_text("Cancelled. The plan stays until")
    expect(page.locator("#side-plan")).to_have_text("Team plan")


def test_a_refusal_for_want_of_room_leads_to_checkout_and_back_to_room(fake, free_org, owner, watched):
    PipelineFactory.create_batch(3, organization=free_org)
    with tenant_scope(free_org):
        archived = PipelineFactory(organization=free_org, archived_at="2026-01-01T00:00:00Z")
    page = watched.page(user=owner, width=360)
    page.goto(f"/o/initech/pipelines/{archived.pk}/settings/")
    with watched.muted():  # the browser complains of the 403
        page.get_by_role("button", name="Restore").click()
        expect(page.get_by_text("3 of 3")).to_be_visible()
    page.get_by_role("button", name="Upgrade to Team").click()
    pay(page)
    expect(page.locator("#plan")).to_contain_text("is on the Team plan now")
    page.goto(f"/o/initech/pipelines/{archived.pk}/settings/")
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("is back among the pipelines")).to_be_visible()
    with tenant_scope(free_org):
        assert Pipeline.objects.get(pk=archived.pk).archived_at is None


def test_without_javascript_a_plan_is_bought_as_well(fake, owner, watched):
    page = watched.page(user=owner, java_script_enabled=False)
    page.goto(PAGE)
    page.get_by_role("button", name="Choose Business").click()
    pay(page)
    for _ in range(20):
        if "is on the Business plan" in page.content():
            break
        page.wait_for_timeout(200)
        page.goto(f"{PAGE}?checkout=paid")
    expect(page.locator("#plan-sentence")).to_contain_text("is on the Business plan.")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
def test_axe_finds_nothing_serious_on_the_plan_page_and_nothing_scrolls_sideways(fake, owner, watched, scheme, width):
    page = watched.page(user=owner, width=width, color_scheme=scheme)
    page.goto(PAGE)
    with watched.muted():
        violations = Axe().run(page, options={"resultTypes": ["violations"], "preload": False}).response["violations"]
    assert [found["id"] for found in violations if found["impact"] in {"serious", "critical"}] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
