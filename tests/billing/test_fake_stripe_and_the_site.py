"""Billing from the button to the plan and back, against the pretend Stripe over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.test import Client

from billing import gateway
from billing.fake_stripe.account import price_ids
from billing.fake_stripe.delivery import signed
from billing.models import Subscription
from tests.billing.fake_stripe_visits import client_of, switch, visit
from tests.conftest import browser_of
from tests.factories import MembershipFactory


@pytest.fixture
def site(fake, settings, monkeypatch, free_org):
    monkeypatch.setattr(gateway.stripe.HTTPClient, "_sleep_time_seconds", lambda *args: 0)
    settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE = fake.account.api_key, fake.url
    settings.STRIPE_WEBHOOK_SECRETS = [fake.account.webhook_secret]
    settings.STRIPE_PRICES = {"team": price_ids("Team"), "business": price_ids("Business")}
    gateway._client_of.cache_clear()
    yield free_org
    gateway._client_of.cache_clear()


@pytest.fixture
def owner_client(site):
    return browser_of(MembershipFactory(organization=site, role="owner").user)


def deliver_everything(fake) -> set[int]:
    """Every event so far, as the running server posts them; the answers' statuses."""
    site = Client(raise_request_exception=False)
    answers = set()
    for event in reversed(fake.account.store.every("event")):
        body, headers = signed(fake.account, event)
        answer = site.post("/webhooks/stripe", body, content_type="application/json", headers=headers)
        answers.add(answer.status_code)
    return answers


def subscribe(fake, owner_client, site, card="4242 4242 4242 4242", plan="team"):
    onward = owner_client.post(f"/o/{site.slug}/settings/billing/checkout", {"plan": plan})
    assert onward.status_code in {200, 302, 303}
    [session] = client_of(fake).checkout.sessions.list({"status": "open"}).data
    paid = visit(session.url, {"card": card})
    assert paid.status == 303
    deliver_everything(fake)
    return client_of(fake).subscriptions.list().data[0]


def plan_of(site):
    site.refresh_from_db()
    return site.plan_name


def test_an_upgrade_is_paid_and_the_plan_changes(fake, owner_client, site):
    subscribe(fake, owner_client, site)
    assert plan_of(site) == "team"
    assert deliver_everything(fake) == {200}
    assert plan_of(site) == "team"


def test_a_cancellation_in_the_portal_shows_its_date_and_ends_the_plan(fake, owner_client, site):
    subscription = subscribe(fake, owner_client, site)
    portal = client_of(fake).billing_portal.sessions.create({"customer": subscription.customer})
    visit(portal.url, {"subscription": subscription.id, "action": "cancel"})
    deliver_everything(fake)
    told = client_of(fake).subscriptions.retrieve(subscription.id).cancel_at
    assert Subscription.objects.get(organization=site).cancel_at == datetime.fromtimestamp(told, UTC)
    assert plan_of(site) == "team"
    switch(fake, "time", subscription=subscription.id, to="period_end")
    deliver_everything(fake)
    assert plan_of(site) == "free"


def test_failed_payments_leave_the_plan_until_the_subscription_ends(fake, owner_client, site):
    subscription = subscribe(fake, owner_client, site, card="4000 0000 0000 0341")
    switch(fake, "time", subscription=subscription.id, to="period_end")
    deliver_everything(fake)
    assert Subscription.objects.get(organization=site).status == "past_due"
    assert plan_of(site) == "team"
    switch(fake, "time", subscription=subscription.id, days="15")
    deliver_everything(fake)
    assert plan_of(site) == "free"


def test_a_legacy_price_means_its_plan(fake, owner_client, site):
    subscription = subscribe(fake, owner_client, site, plan="business")
    v1 = client_of(fake)
    v1.prices.update("price_team_legacy", {"active": True})
    item = subscription["items"].data[0].id
    v1.subscriptions.update(subscription.id, {"items": [{"id": item, "price": "price_team_legacy"}]})
    deliver_everything(fake)
    assert plan_of(site) == "team"


@pytest.mark.parametrize("kind", ["down", "500", "429", "garbage"])
def test_while_stripe_is_unwell_an_upgrade_waits_and_nothing_else_does(fake, owner_client, site, kind):
    switch(fake, "fault", kind=kind)
    refused = owner_client.post(f"/o/{site.slug}/settings/billing/checkout", {"plan": "team"}, follow=True)
    assert refused.status_code < 500 or refused.status_code == 503
    assert owner_client.get(f"/o/{site.slug}/settings/billing/").status_code == 200
    assert plan_of(site) == "free"
    switch(fake, "fault", kind="")
    subscribe(fake, owner_client, site)
    assert plan_of(site) == "team"


def test_an_answer_that_is_lost_makes_one_customer(fake, owner_client, site):
    switch(fake, "fault", kind="lost", count="1")
    subscribe(fake, owner_client, site)
    assert len(client_of(fake).customers.list().data) == 1
