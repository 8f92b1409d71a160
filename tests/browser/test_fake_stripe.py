"""The pretend Stripe's pages in a real browser: one can click through them, they fit phones, and axe finds nothing."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from billing.fake_stripe.server import FakeStripe
from tests.billing.fake_stripe_visits import client_of, open_checkout


@pytest.fixture
def stripe():
    with FakeStripe() as server:
        yield server


@pytest.fixture
def page(chromium):
    context = chromium.new_context()
    context.set_default_timeout(10_000)
    # Where Checkout and the portal lead back to.
    context.route("http://site.test/**", lambda route: route.fulfill(body="back on the site"))
    yield context.new_page()
    context.close()


def assert_decent(page):
    for width in (360, 1024, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), f"{page.url} at {width}"
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]})
        assert found.violations_count == 0, found.generate_report()
    expect(page.get_by_text("nothing is charged")).to_be_visible()


def test_pay_after_a_declined_card_then_cancel_and_let_the_period_end(stripe, page):
    v1 = client_of(stripe)
    customer = v1.customers.create({"name": "Acme with a name that is as long as names of organizations are"})
    page.goto(open_checkout(stripe, customer.id).url)
    assert_decent(page)
    page.get_by_label("Card number").fill("4000 0000 0000 0002")
    page.get_by_role("button", name="Pay $49.00").click()
    expect(page.get_by_role("alert")).to_have_text("The card was declined.")
    page.get_by_text("Test cards").click()
    assert_decent(page)
    page.get_by_label("Card number").fill("4000 0000 0000 0341")
    page.get_by_role("button", name="Pay $49.00").click()
    page.wait_for_url("http://site.test/done?session=cs_test_*")

    page.goto(stripe.account.address)
    page.get_by_role("button", name="To the end of the period").click()
    expect(page.get_by_text("past_due").first).to_be_visible()
    assert_decent(page)

    portal = v1.billing_portal.sessions.create({"customer": customer.id, "return_url": "http://site.test/back"})
    page.goto(portal.url)
    assert_decent(page)
    page.get_by_role("button", name="Change card").click()
    page.get_by_role("button", name="Pay now").click()
    expect(page.get_by_text("active", exact=True)).to_be_visible()
    page.get_by_label("Plan").select_option(label="Business, $199.00 a month")
    page.get_by_role("button", name="Change plan").click()
    expect(page.get_by_role("heading", name="Business active")).to_be_visible()
    page.get_by_role("button", name="Cancel at the end of the period").click()
    expect(page.get_by_text("Ends on")).to_be_visible()
    page.get_by_role("link", name="Return to the site").click()
    page.wait_for_url("http://site.test/back")

    page.goto(stripe.account.address)
    page.get_by_role("button", name="To the end of the period").click()
    expect(page.get_by_text("canceled", exact=True)).to_be_visible()
    assert v1.subscriptions.list({"status": "canceled"}).data[0].customer == customer.id


def test_faults_are_switched_on_and_off(stripe, page):
    page.goto(stripe.account.address)
    page.get_by_label("It").select_option("garbage")
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_text("answers with something that is no JSON")).to_be_visible()
    assert_decent(page)
    page.get_by_role("button", name="Switch it off").click()
    expect(page.get_by_role("button", name="Switch on")).to_be_visible()
    page.get_by_role("button", name="End every subscription and switch faults off").click()
    expect(page.get_by_role("heading", name="Switches")).to_be_visible()
