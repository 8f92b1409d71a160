"""What a lost webhook would have told is asked for, and what was set aside is applied when it can be."""

import datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from billing.models import CheckoutSession, EventState, StripeEvent, Subscription
from billing.problems import BillingNotConfigured, BillingUnavailable
from billing.services.checkout import start_checkout
from billing.services.events import forget_old_events
from billing.services.reconciliation import confirm_checkouts, organizations_to_read, reconcile_subscriptions
from billing.services.subscriptions import cancel_subscriptions
from orgs.actors import Actor
from orgs.models import Organization
from orgs.services.deletion import request_deletion
from orgs.tenancy import tenant_scope
from tests.billing.in_memory_stripe import deliver

OWNER = Actor(kind="person", id="1", label="alice")
LONG_AGO = datetime.timedelta(days=2)


def opened(organization, stripe):
    with tenant_scope(organization):
        start_checkout(plan_name="team", actor=OWNER)
    CheckoutSession.objects.update(created_at=timezone.now() - datetime.timedelta(minutes=1))
    (session,) = stripe.sessions
    return session


def replay(*arguments, **options):
    printed = StringIO()
    call_command("replay_stripe_events", *arguments, stdout=printed, **options)
    return printed.getvalue()


def test_a_payment_whose_webhook_is_lost_is_found_within_a_minute(free_org, stripe):
    session = opened(free_org, stripe)
    assert confirm_checkouts() == 0
    stripe.pay(session)
    assert confirm_checkouts() == 1
    free_org.refresh_from_db()
    assert free_org.plan_name == "team"
    assert not CheckoutSession.objects.exists()


def test_a_checkout_that_ran_out_is_forgotten(free_org, stripe):
    stripe.sessions[opened(free_org, stripe)] |= {"status": "expired", "url": None}
    confirm_checkouts()
    assert not CheckoutSession.objects.exists()
    free_org.refresh_from_db()
    assert free_org.plan_name == "free"


def test_a_checkout_beside_a_subscription_is_ended_before_somebody_pays_twice(free_org, stripe):
    session = opened(free_org, stripe)
    free_org.refresh_from_db()
    deliver(stripe.subscription_event(stripe.subscribe(free_org.stripe_customer_id)))
    confirm_checkouts()
    assert stripe.sessions[session]["status"] == "expired"
    assert not CheckoutSession.objects.exists()


def test_the_worker_gives_the_webhook_time(free_org, stripe):
    stripe.pay(opened(free_org, stripe))
    CheckoutSession.objects.update(created_at=timezone.now())
    assert confirm_checkouts() == 0


def test_a_subscription_is_read_again_once_a_day(free_org, stripe):
    subscription = stripe.subscribe(stripe.add_customer(free_org))
    deliver(stripe.subscription_event(subscription))
    stripe.change(subscription, price="price_business")
    assert reconcile_subscriptions() == 0
    Subscription.objects.update(read_at=timezone.now() - LONG_AGO)
    assert reconcile_subscriptions() == 1
    free_org.refresh_from_db()
    assert free_org.plan_name == "business"
    assert reconcile_subscriptions() == 0


def test_the_plan_ends_when_14_days_are_over_although_stripe_says_nothing(acme, stripe):
    deliver(stripe.subscription_event(stripe.subscribe(stripe.add_customer(acme), status="past_due")))
    assert reconcile_subscriptions() == 0
    Subscription.objects.update(past_due_since=timezone.now() - datetime.timedelta(days=14))
    assert reconcile_subscriptions() == 1
    acme.refresh_from_db()
    assert acme.plan_name == "free"
    assert organizations_to_read(timezone.now()) == []


def test_organizations_that_never_bought_are_not_visited(acme, globex, stripe):
    stripe.add_customer(acme)
    assert organizations_to_read(timezone.now()) == []


def test_an_event_left_behind_is_applied(free_org, stripe):
    event = stripe.subscription_event(stripe.subscribe(stripe.add_customer(free_org)))
    stripe.fault = lambda: (b"", 500, {})
    deliver(event)
    stripe.fault = None
    reconcile_subscriptions()
    assert StripeEvent.objects.get().state == EventState.RECEIVED
    StripeEvent.objects.update(received_at=timezone.now() - datetime.timedelta(minutes=6))
    reconcile_subscriptions()
    assert StripeEvent.objects.get().state == EventState.APPLIED
    free_org.refresh_from_db()
    assert free_org.plan_name == "team"


def test_events_that_took_effect_are_forgotten_after_90_days_and_others_never(free_org, stripe):
    customer = stripe.add_customer(free_org)
    deliver(stripe.subscription_event(stripe.subscribe(customer)))
    deliver(stripe.event("invoice.paid", {"id": "in_1", "customer": "cus_stranger"}))
    forget_old_events(before=timezone.now() + datetime.timedelta(days=1))
    assert [event.state for event in StripeEvent.objects.all()] == [EventState.QUARANTINED]


def test_without_a_key_the_worker_does_nothing(acme):
    assert (reconcile_subscriptions(), confirm_checkouts()) == (0, 0)


def test_replay_applies_what_was_set_aside_once_the_price_is_listed(free_org, stripe, settings):
    deliver(stripe.subscription_event(stripe.subscribe(stripe.add_customer(free_org), "price_new")))
    assert replay() == "0 applied, 1 quarantined\n"
    settings.STRIPE_PRICES = {"team": ["price_team", "price_new"], "business": []}
    assert replay() == "1 applied, 0 quarantined\n"
    assert replay() == "0 applied, 0 quarantined\n"
    free_org.refresh_from_db()
    assert free_org.plan_name == "team"
    assert StripeEvent.objects.get().reason == ""


def test_replay_takes_single_events_and_says_which_it_lacks(free_org, stripe):
    customer = stripe.add_customer(free_org)
    stripe.fault = lambda: (b"", 500, {})
    first, second = (stripe.event("invoice.paid", {"id": "in_1", "customer": customer}) for _ in range(2))
    deliver(first)
    deliver(second)
    stripe.fault = None
    assert replay(first["id"]) == "1 applied, 0 quarantined\n"
    assert StripeEvent.objects.get(event_id=second["id"]).state == EventState.RECEIVED
    with pytest.raises(CommandError, match="evt_unheard_of"):
        replay("evt_unheard_of")


def test_replay_asks_stripe_for_events_that_never_came(free_org, stripe):
    stripe.subscription_event(stripe.subscribe(stripe.add_customer(free_org)))
    assert replay(missed_days=3) == "1 events were missed\n1 applied, 0 quarantined\n"
    assert replay(missed_days=3) == "0 events were missed\n0 applied, 0 quarantined\n"
    free_org.refresh_from_db()
    assert free_org.plan_name == "team"


def test_replay_says_in_one_line_that_stripe_is_down(free_org, stripe):
    stripe.fault = lambda: (b"", 500, {})
    with pytest.raises(CommandError, match="Stripe does not answer"):
        replay(missed_days=3)


def test_cancelling_ends_everything_that_is_paid_and_the_open_checkout(acme, stripe):
    session = opened(acme, stripe)
    acme.refresh_from_db()
    customer = acme.stripe_customer_id
    running = [stripe.subscribe(customer, status=status) for status in ("active", "past_due", "incomplete")]
    ended = stripe.subscribe(customer, status="canceled")
    assert cancel_subscriptions(organization=acme) == 3
    assert [stripe.subscriptions[one]["status"] for one in [*running, ended]] == ["canceled"] * 4
    acme.refresh_from_db()
    assert acme.plan_name == "free"
    assert not CheckoutSession.objects.exists()
    assert stripe.sessions[session]["status"] == "expired"
    assert cancel_subscriptions(organization=acme) == 0


def test_cancelling_asks_nobody_for_an_organization_that_never_bought(acme, stripe):
    assert cancel_subscriptions(organization=acme) == 0
    assert stripe.requests == []


def test_deleting_an_organization_cancels_what_it_pays(acme, stripe):
    subscription = stripe.subscribe(stripe.add_customer(acme))
    deliver(stripe.subscription_event(subscription))
    acme.refresh_from_db()
    request_deletion(organization=acme, actor=OWNER)
    assert stripe.subscriptions[subscription]["status"] == "canceled"
    acme.refresh_from_db()
    assert acme.status == "deleting"


def test_an_organization_is_not_deleted_while_it_goes_on_paying(acme, stripe):
    deliver(stripe.subscription_event(stripe.subscribe(stripe.add_customer(acme))))
    stripe.fault = lambda: (b"", 500, {})
    with pytest.raises(BillingUnavailable):
        request_deletion(organization=Organization.objects.get(pk=acme.pk), actor=OWNER)
    acme.refresh_from_db()
    assert acme.status == "active"


def test_a_server_whose_keys_were_taken_away_still_deletes_who_pays_nothing(acme, stripe, settings):
    stripe.add_customer(acme)
    settings.STRIPE_SECRET_KEY = ""
    assert cancel_subscriptions(organization=acme) == 0
    Subscription.objects.create(
        organization=acme, stripe_id="sub_1", status="active", created_at=timezone.now(), read_at=timezone.now()
    )
    with pytest.raises(BillingNotConfigured):
        cancel_subscriptions(organization=acme)


def test_what_is_bought_during_a_deletion_is_cancelled_by_the_worker(acme, stripe):
    customer = stripe.add_customer(acme)
    deliver(stripe.subscription_event(stripe.subscribe(customer, status="canceled")))
    request_deletion(organization=Organization.objects.get(pk=acme.pk), actor=OWNER)
    late = stripe.subscribe(customer)
    Subscription.objects.update(read_at=timezone.now() - LONG_AGO)
    reconcile_subscriptions()
    assert stripe.subscriptions[late]["status"] == "canceled"
