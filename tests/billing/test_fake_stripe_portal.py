"""The pretend Portal: change the plan, cancel, keep, pay, change the card."""

from __future__ import annotations

import pytest
import stripe

from tests.billing.fake_stripe_visits import SITE, client_of, subscribed, switch, text_of, told, visit


@pytest.fixture
def v1(fake):
    return client_of(fake)


@pytest.fixture
def subscription(fake):
    return subscribed(fake)


@pytest.fixture
def portal(v1, subscription):
    return v1.billing_portal.sessions.create({"customer": subscription.customer, "return_url": f"{SITE}/back"}).url


def act(portal, subscription, action, **form):
    return visit(portal, {"action": action, "subscription": subscription.id, **form})


def test_it_shows_the_plan_the_card_and_the_way_back(portal):
    page = visit(portal)
    assert f'href="{SITE}/back"' in page.text
    assert "Team active $49.00 a month, visa ending in 4242." in text_of(page)
    assert "Renews on" in text_of(page)


def test_the_plan_can_be_changed(v1, subscription, portal):
    assert act(portal, subscription, "change-plan", price="price_business_monthly").status == 303
    changed = v1.subscriptions.retrieve(subscription.id)
    assert [item.price.id for item in changed["items"].data] == ["price_business_monthly"]
    before = v1.events.list({"type": "customer.subscription.updated", "limit": 1}).data[0].data.previous_attributes
    assert before["items"]["data"][0]["price"]["id"] == "price_team_monthly"


def test_another_interval_begins_a_period_that_is_paid(v1, subscription, portal):
    act(portal, subscription, "change-plan", price="price_team_yearly")
    item = v1.subscriptions.retrieve(subscription.id)["items"].data[0]
    assert item.current_period_end - item.current_period_start >= 365 * 86_400
    assert [each.total for each in v1.invoices.list({"subscription": subscription.id}).data] == [49000, 4900]


def test_cancel_is_told_by_its_date_alone_as_with_flexible_billing(v1, subscription, portal):
    act(portal, subscription, "cancel")
    canceled = v1.subscriptions.retrieve(subscription.id)
    assert canceled.status == "active"
    assert canceled.cancel_at == canceled["items"].data[0].current_period_end
    assert canceled.cancel_at_period_end is False
    assert "Ends on" in text_of(visit(portal))


def test_a_cancellation_can_be_taken_back(v1, subscription, portal):
    act(portal, subscription, "cancel")
    assert act(portal, subscription, "keep").status == 303
    kept = v1.subscriptions.retrieve(subscription.id)
    assert (kept.cancel_at, kept.canceled_at) == (None, None)


def test_cancel_now_ends_it_for_good(fake, v1, subscription, portal):
    act(portal, subscription, "cancel-now")
    assert v1.subscriptions.retrieve(subscription.id).status == "canceled"
    assert told(fake)[-1] == "customer.subscription.deleted"
    assert act(portal, subscription, "keep").status == 409
    assert "There is no subscription" in text_of(visit(portal))


def test_what_is_owed_is_paid_with_another_card(fake, v1, subscription, portal):
    switch(fake, "payments", subscription=subscription.id, outcome="fail")
    switch(fake, "time", subscription=subscription.id, to="period_end")
    assert v1.subscriptions.retrieve(subscription.id).status == "past_due"
    [owed] = v1.invoices.list({"status": "open"}).data
    refused = act(portal, subscription, "pay", invoice=owed.id)
    assert refused.status == 402
    assert "declined" in text_of(refused)
    act(portal, subscription, "change-card", card="5555 5555 5555 4444")
    assert act(portal, subscription, "pay", invoice=owed.id).status == 303
    assert v1.subscriptions.retrieve(subscription.id).status == "active"
    assert v1.invoices.retrieve(owed.id).attempt_count == 3


def test_a_declined_card_does_not_replace_the_old_one(fake, v1, subscription, portal):
    assert act(portal, subscription, "change-card", card="4000 0000 0000 0002").status == 402
    assert [each.card.last4 for each in v1.customers.payment_methods.list(subscription.customer).data] == ["4242"]


def test_nobody_acts_on_what_another_customer_has(fake, v1, portal, subscription):
    other = subscribed(fake)
    invoice = v1.invoices.list({"subscription": other.id}).data[0]
    assert act(portal, other, "cancel-now").status == 409
    assert act(portal, subscription, "pay", invoice=invoice.id).status == 404
    assert v1.subscriptions.retrieve(other.id).status == "active"


def test_a_withdrawn_price_and_an_unknown_action_are_refused(portal, subscription):
    assert act(portal, subscription, "change-plan", price="price_team_legacy").status == 400
    assert act(portal, subscription, "become-rich").status == 409


def test_a_link_works_for_an_hour(fake, portal):
    session = fake.account.store.find(portal.rpartition("/")[2])
    fake.account.store.save({**session, "created": session["created"] - 3601})
    assert visit(portal).status == 410


def test_the_api_changes_and_cancels_too(v1, subscription):
    item = subscription["items"].data[0].id
    changed = v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": item, "price": "price_business_monthly"}],
            "cancel_at_period_end": True,
            "metadata": {"a": "b"},
        },
    )
    assert changed["items"].data[0].price.id == "price_business_monthly"
    assert (changed.cancel_at_period_end, changed.metadata.to_dict()) == (True, {"a": "b"})
    assert changed.cancel_at == changed["items"].data[0].current_period_end
    assert v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False}).cancel_at is None
    assert v1.subscriptions.cancel(subscription.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        v1.subscriptions.cancel(subscription.id)
    assert (refusal.value.http_status, refusal.value.code) == (404, "resource_missing")
    assert v1.subscriptions.list({"customer": subscription.customer}).data == []
    assert len(v1.subscriptions.list({"customer": subscription.customer, "status": "all"}).data) == 1
