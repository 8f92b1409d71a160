from __future__ import annotations

from collections.abc import Iterator

import pytest

from billing import gateway
from billing.fake_stripe.server import FakeStripe
from tests.billing.in_memory_stripe import SECRET, InMemoryStripe

PRICES = {"team": ["price_team", "price_team_yearly"], "business": ["price_business"]}


@pytest.fixture
def stripe(settings, monkeypatch) -> Iterator[InMemoryStripe]:
    """Stripe as this server reaches it: keys, prices and a webhook secret are set, and it answers from memory."""
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRETS = "sk_test_of_the_tests", ["whsec_former", SECRET]
    settings.STRIPE_PRICES, settings.STRIPE_API_BASE = PRICES, "http://stripe.invalid"
    double = InMemoryStripe()
    monkeypatch.setattr(gateway.stripe, "RequestsClient", lambda **kwargs: double.transport)
    monkeypatch.setattr(gateway.stripe.HTTPClient, "_sleep_time_seconds", lambda *args: 0)
    gateway._client_of.cache_clear()
    yield double
    gateway._client_of.cache_clear()


@pytest.fixture(scope="session")
def fake_stripe_server() -> Iterator[FakeStripe]:
    with FakeStripe() as server:
        yield server


@pytest.fixture
def fake(fake_stripe_server) -> FakeStripe:
    """The pretend Stripe of development, reached over HTTP, as on its first day."""
    fake_stripe_server.account.reset()
    fake_stripe_server.account.webhook_url = None
    return fake_stripe_server
