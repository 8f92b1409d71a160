"""Somebody who uses the pretend Stripe: through the real client library, and by its pages."""

from __future__ import annotations

import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

import stripe

from billing.fake_stripe.server import FakeStripe

SITE = "http://site.test"


def client_of(fake: FakeStripe, *, key: str | None = None, retries: int = 0) -> Any:
    """The `v1` services of the real client."""
    client = stripe.StripeClient(
        key or fake.account.api_key,
        base_addresses={"api": fake.url},
        max_network_retries=retries,
        http_client=stripe.RequestsClient(timeout=5),
    )
    return client.v1


@dataclass
class Page:
    status: int
    text: str
    location: str
    headers: Any


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


def visit(address: str, form: dict[str, str] | None = None, **headers: str) -> Page:
    """The page, or what the form leads to; redirects are told and not followed."""
    body = urllib.parse.urlencode(form).encode() if form is not None else None
    request = urllib.request.Request(address, body, headers)  # noqa: S310
    try:
        answer = urllib.request.build_opener(_NoRedirects).open(request, timeout=5)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        text = answer.read().decode()
        return Page(answer.status, text, answer.headers.get("Location", ""), answer.headers)


def switch(fake: FakeStripe, name: str, **form: str) -> Page:
    """One of the switches, as a script uses it."""
    return visit(f"{fake.url}/control/{name}", form, Accept="application/json")


def open_checkout(fake: FakeStripe, customer: str | None = None, price: str = "price_team_monthly", **more: Any) -> Any:
    session = {
        "mode": "subscription",
        "line_items": [{"price": price, "quantity": 1}],
        "success_url": f"{SITE}/done?session={{CHECKOUT_SESSION_ID}}",
        "cancel_url": f"{SITE}/canceled",
        **({"customer": customer} if customer else {}),
        **more,
    }
    return client_of(fake).checkout.sessions.create(session)


def subscribed(fake: FakeStripe, card: str = "4242 4242 4242 4242", **more: Any) -> Any:
    """A new customer who has paid on the Checkout page: the subscription."""
    v1 = client_of(fake)
    customer = v1.customers.create({"name": "Acme", "email": "alice@acme.test"})
    session = open_checkout(fake, customer.id, **more)
    assert visit(session.url, {"card": card}).status == 303
    return v1.subscriptions.retrieve(v1.checkout.sessions.retrieve(session.id).subscription)


def told(fake: FakeStripe) -> list[str]:
    """Types of all events, oldest first."""
    return [event["type"] for event in reversed(fake.account.store.every("event"))]


def text_of(page: Page) -> str:
    """What is read, without markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())
