"""Time passes for a subscription of the pretend Stripe: renewals, failing payments, trials and ends."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from billing.fake_stripe.clock import run_everything_due
from billing.fake_stripe.periods import later
from tests.billing.fake_stripe_visits import client_of, open_checkout, subscribed, switch, told, visit

DAY = 86_400
FAILS_LATER = "4000 0000 0000 0341"


@pytest.fixture
def v1(fake):
    return client_of(fake)


def days_pass(fake, subscription, days):
    assert switch(fake, "time", subscription=subscription.id, days=str(days)).status == 200


def status_of(v1, subscription):
    return v1.subscriptions.retrieve(subscription.id).status


def test_a_period_renews_and_is_paid(fake, v1):
    subscription = subscribed(fake)
    switch(fake, "time", subscription=subscription.id, to="period_end")
    renewed = v1.subscriptions.retrieve(subscription.id)
    item = renewed["items"].data[0]
    assert renewed.status == "active"
    assert abs(item.current_period_start - time.time()) < 5
    assert item.current_period_end > time.time() + 27 * DAY
    assert [each.billing_reason for each in v1.invoices.list().data] == ["subscription_cycle", "subscription_create"]


def test_every_month_of_a_year_is_billed(fake, v1):
    days_pass(fake, subscribed(fake), 366)
    invoices = v1.invoices.list({"limit": 100}).data
    assert len(invoices) == 13
    assert {each.status for each in invoices} == {"paid"}


@pytest.mark.parametrize(("after", "ends_as"), [("cancel", "canceled"), ("unpaid", "unpaid"), ("past_due", "past_due")])
def test_four_failed_attempts_end_it_as_the_account_says(fake, v1, after, ends_as):
    switch(fake, "after-last-attempt", what=after)
    subscription = subscribed(fake, card=FAILS_LATER)
    switch(fake, "time", subscription=subscription.id, to="period_end")
    for days, status in ((3, "past_due"), (5, "past_due"), (6, "past_due"), (1, ends_as)):
        assert status_of(v1, subscription) == "past_due"
        days_pass(fake, subscription, days)
        assert status_of(v1, subscription) == status
    owed = v1.invoices.list({"limit": 1}).data[0]
    assert (owed.status, owed.attempt_count, owed.next_payment_attempt) == ("open", 4, None)
    assert told(fake).count("invoice.payment_failed") == 4


def test_a_card_that_works_again_brings_it_back(fake, v1):
    subscription = subscribed(fake, card=FAILS_LATER)
    switch(fake, "time", subscription=subscription.id, to="period_end")
    switch(fake, "payments", subscription=subscription.id, outcome="succeed")
    days_pass(fake, subscription, 3)
    assert status_of(v1, subscription) == "active"


def test_it_ends_at_the_period_whose_end_it_was_canceled_for(fake, v1):
    subscription = subscribed(fake)
    v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    switch(fake, "time", subscription=subscription.id, to="period_end")
    assert status_of(v1, subscription) == "canceled"
    assert len(v1.invoices.list().data) == 1


def test_a_trial_becomes_a_paid_period(fake, v1):
    subscription = subscribed(fake, subscription_data={"trial_period_days": 14})
    assert subscription.status == "trialing"
    days_pass(fake, subscription, 13)
    assert status_of(v1, subscription) == "trialing"
    days_pass(fake, subscription, 1)
    assert status_of(v1, subscription) == "active"
    assert [each.total for each in v1.invoices.list().data] == [4900, 0]


@pytest.mark.parametrize(
    ("without_card", "status"), [("pause", "paused"), ("cancel", "canceled"), ("create_invoice", "past_due")]
)
def test_a_trial_without_a_card_ends_as_it_was_told(fake, v1, without_card, status):
    session = open_checkout(
        fake,
        payment_method_collection="if_required",
        subscription_data={
            "trial_period_days": 7,
            "trial_settings": {"end_behavior": {"missing_payment_method": without_card}},
        },
    )
    visit(session.url, {"card": "", "email": "alice@acme.test"})
    [subscription] = v1.subscriptions.list().data
    days_pass(fake, subscription, 7)
    assert status_of(v1, subscription) == status


def test_a_paused_one_is_resumed(fake, v1):
    subscription = subscribed(fake)
    switch(fake, "status", subscription=subscription.id, status="paused")
    assert v1.subscriptions.resume(subscription.id).status == "active"


def test_a_first_payment_that_fails_leaves_it_incomplete_for_a_day(fake, v1):
    customer = v1.customers.create({"name": "Acme"})
    subscription = v1.subscriptions.create({"customer": customer.id, "items": [{"price": "price_team_monthly"}]})
    assert subscription.status == "incomplete"
    days_pass(fake, subscription, 1)
    assert status_of(v1, subscription) == "incomplete_expired"


def test_an_incomplete_one_becomes_active_when_it_is_paid(fake, v1):
    customer = v1.customers.create({"name": "Acme"})
    subscription = v1.subscriptions.create({"customer": customer.id, "items": [{"price": "price_team_monthly"}]})
    v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    assert v1.invoices.pay(subscription.latest_invoice).status == "paid"
    assert status_of(v1, subscription) == "active"


@pytest.mark.parametrize(
    "status", ["active", "trialing", "past_due", "unpaid", "paused", "incomplete", "incomplete_expired", "canceled"]
)
def test_any_status_can_be_set_and_is_told(fake, v1, status):
    subscription = subscribed(fake)
    assert switch(fake, "status", subscription=subscription.id, status=status).status == 200
    assert status_of(v1, subscription) == status
    listed = v1.subscriptions.list({"status": status}).data
    assert [each.id for each in listed] == [subscription.id]


def test_a_running_server_ends_what_is_due_by_itself(fake, v1):
    session = open_checkout(fake)
    stored = fake.account.store.find(session.id)
    fake.account.store.save({**stored, "expires_at": int(time.time()) - 1})
    run_everything_due(fake.account)
    assert v1.checkout.sessions.retrieve(session.id).status == "expired"


@pytest.mark.parametrize(
    "form",
    [{"days": "0"}, {"days": "-3"}, {"days": "99999"}, {"days": "x"}, {"subscription": "sub_x", "days": "1"}],
    ids=str,
)
def test_a_step_that_cannot_be_is_refused(fake, form):
    assert switch(fake, "time", **{"subscription": subscribed(fake).id, **form}).status in {400, 404}


@pytest.mark.parametrize(
    ("start", "interval", "end"),
    [
        ("2026-01-31", "month", "2026-02-28"),
        ("2024-02-29", "year", "2025-02-28"),
        ("2026-12-15", "month", "2027-01-15"),
        ("2026-03-01", "week", "2026-03-08"),
        ("2026-03-01", "day", "2026-03-02"),
    ],
)
def test_periods_end_on_the_same_day_or_the_last(start, interval, end):
    moment = int(datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp())
    assert datetime.fromtimestamp(later(moment, interval), UTC).date().isoformat() == end


def test_beginning_anew_ends_everything_and_tells_it(fake, v1):
    subscription, session = subscribed(fake), open_checkout(fake)
    switch(fake, "fault", kind="500")
    assert switch(fake, "begin-anew").status == 200
    assert status_of(v1, subscription) == "canceled"
    assert v1.checkout.sessions.retrieve(session.id).status == "expired"
    assert v1.customers.retrieve(subscription.customer).name == "Acme"
    assert told(fake)[-2:] == ["customer.subscription.deleted", "checkout.session.expired"]
