"""An event takes effect once, and the plan is what Stripe's subscriptions are worth, in whatever order events come."""

import datetime
import itertools
import logging

import pytest
from django.core import mail
from django.utils import timezone

from billing.models import EventState, StripeEvent, Subscription
from orgs.models import AuditEvent, OrganizationStatus
from orgs.tenancy import tenant_scope
from tests.billing.in_memory_stripe import deliver


@pytest.fixture
def customer(free_org, stripe):
    return stripe.add_customer(free_org)


def actions(organization):
    with tenant_scope(organization):
        return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


@pytest.mark.parametrize("status", ["active", "trialing"])
def test_a_subscription_gives_the_plan_of_its_price(status, free_org, stripe, customer):
    subscription = stripe.subscribe(customer, status=status)
    answer = deliver(stripe.subscription_event(subscription, "created"))
    assert answer.json() == {"received": True, "state": "applied"}
    free_org.refresh_from_db()
    assert free_org.plan_name == "team"
    assert actions(free_org) == ["subscription.changed", "organization.plan_changed"]


@pytest.mark.parametrize(
    ("price", "plan"), [("price_team", "team"), ("price_team_yearly", "team"), ("price_business", "business")]
)
def test_the_plan_comes_from_the_price_and_never_from_metadata(price, plan, free_org, stripe, customer):
    deliver(stripe.subscription_event(stripe.subscribe(customer, price)))
    free_org.refresh_from_db()
    assert free_org.plan_name == plan


@pytest.mark.parametrize("status", ["unpaid", "paused", "canceled", "incomplete_expired"])
def test_a_subscription_that_ended_leads_to_free(status, free_org, stripe, customer):
    subscription = stripe.subscribe(customer)
    deliver(stripe.subscription_event(subscription, "created"))
    stripe.change(subscription, status=status)
    deliver(stripe.subscription_event(subscription))
    free_org.refresh_from_db()
    assert free_org.plan_name == "free"


@pytest.mark.parametrize("status", ["incomplete", "a_state_of_tomorrow"])
def test_an_incomplete_subscription_changes_nothing(status, acme, stripe):
    customer = stripe.add_customer(acme)
    deliver(stripe.subscription_event(stripe.subscribe(customer, "price_business", status)))
    acme.refresh_from_db()
    assert acme.plan_name == "team"


def test_of_two_subscriptions_the_larger_plan_holds(free_org, stripe, customer):
    stripe.subscribe(customer, "price_business")
    deliver(stripe.subscription_event(stripe.subscribe(customer, "price_team")))
    free_org.refresh_from_db()
    assert free_org.plan_name == "business"


def test_a_plan_that_an_operator_gave_stays_until_stripe_has_something_new(free_org, stripe, customer):
    subscription = stripe.subscribe(customer)
    deliver(stripe.subscription_event(subscription))
    type(free_org).objects.filter(pk=free_org.pk).update(plan_name="business")
    deliver(stripe.subscription_event(subscription))
    free_org.refresh_from_db()
    assert free_org.plan_name == "business"


def five_events(stripe, customer):
    """A life: bought, paid, moved to Business, a payment failed, cancelled. Five events, and Stripe's last word."""
    subscription = stripe.subscribe(customer)
    events = [stripe.subscription_event(subscription, "created")]
    events.append(stripe.event("invoice.paid", {"id": "in_1", "customer": customer}))
    stripe.change(subscription, price="price_business")
    events.append(stripe.subscription_event(subscription))
    stripe.change(subscription, status="past_due")
    events.append(stripe.event("invoice.payment_failed", {"id": "in_2", "customer": customer}))
    stripe.change(subscription, status="canceled")
    events.append(stripe.subscription_event(subscription, "deleted"))
    return events


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))), ids=lambda order: "".join(map(str, order)))
def test_every_order_of_five_events_with_duplicates_ends_where_stripe_is(order, free_org, stripe, customer):
    subscription = stripe.subscribe(customer)
    states = [
        ("created", {}),
        ("updated", {"price": "price_business"}),
        ("updated", {"status": "past_due"}),
        ("updated", {"status": "active"}),
        ("deleted", {"status": "canceled"}),
    ]
    for number, place in enumerate(order):
        what, change = states[place]
        stripe.change(subscription, **change)
        event = stripe.subscription_event(subscription, what)
        for _ in range(1 + number % 2):
            assert deliver(event).status_code == 200
        free_org.refresh_from_db()
        row = stripe.subscriptions[subscription]
        price = row["items"]["data"][0]["price"]["id"]
        worth = "free" if row["status"] == "canceled" else "business" if price == "price_business" else "team"
        assert free_org.plan_name == worth
    assert StripeEvent.objects.filter(state=EventState.APPLIED).count() == 5


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))), ids=lambda order: "".join(map(str, order)))
def test_five_events_that_come_late_and_doubled_in_any_order_take_effect_once(order, free_org, stripe, customer):
    events = five_events(stripe, customer)
    stripe.change("sub_1", status="active")  # paid again after all
    for place in [*order, *reversed(order)]:
        assert deliver(events[place]).status_code == 200
    free_org.refresh_from_db()
    assert free_org.plan_name == "business"
    assert StripeEvent.objects.count() == 5
    assert actions(free_org) == ["subscription.changed", "organization.plan_changed"]
    assert mail.outbox == []


def test_an_event_that_took_effect_is_not_read_again(free_org, stripe, customer):
    event = stripe.subscription_event(stripe.subscribe(customer))
    deliver(event)
    asked = len(stripe.requests)
    assert deliver(event).json() == {"received": True, "state": "applied"}
    assert len(stripe.requests) == asked


def test_types_that_mean_nothing_here_are_acknowledged_and_not_kept(stripe, db):
    answer = deliver(stripe.event("customer.updated", {"id": "cus_1"}))
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert not StripeEvent.objects.exists()


def test_an_unknown_customer_is_set_aside_for_the_staff(stripe, db, caplog):
    stripe.customers["cus_stranger"] = {"id": "cus_stranger"}
    with caplog.at_level(logging.WARNING):
        answer = deliver(stripe.subscription_event(stripe.subscribe("cus_stranger")))
    assert answer.json() == {"received": True, "state": "quarantined"}
    event = StripeEvent.objects.get()
    assert event.reason == "No organization is the customer cus_stranger."
    assert event.event_id in caplog.text


def test_an_unknown_price_is_set_aside_and_changes_no_plan(acme, stripe, caplog):
    customer = stripe.add_customer(acme)
    deliver(stripe.subscription_event(stripe.subscribe(customer, "price_of_last_year")))
    acme.refresh_from_db()
    assert acme.plan_name == "team"
    assert "price_of_last_year" in StripeEvent.objects.get().reason
    assert Subscription.objects.get().plan_name == ""


def test_a_customer_that_stripe_forgot_is_set_aside(free_org, stripe, customer, caplog):
    event = stripe.subscription_event(stripe.subscribe(customer))
    del stripe.customers[customer]
    assert deliver(event).json()["state"] == "quarantined"


def test_a_reading_that_was_asked_for_earlier_does_not_overwrite_a_later_one(free_org, stripe, customer):
    subscription = stripe.subscribe(customer)
    first, second = (stripe.subscription_event(subscription) for _ in range(2))

    def meanwhile(method, path):
        """The first answer is on its way, and tells of an active subscription; then it is cancelled."""
        stripe.before_answer = None
        stripe.change(subscription, status="canceled")
        assert deliver(second).status_code == 200

    stripe.before_answer = meanwhile
    deliver(first)
    free_org.refresh_from_db()
    assert Subscription.objects.get().status == "canceled"
    assert free_org.plan_name == "free"


def test_a_subscription_that_stripe_forgot_has_ended(free_org, stripe, customer):
    event = stripe.subscription_event(stripe.subscribe(customer))
    deliver(event)
    stripe.subscriptions.clear()
    deliver(stripe.event("invoice.paid", {"id": "in_1", "customer": customer}))
    free_org.refresh_from_db()
    assert free_org.plan_name == "free"


def test_a_failed_payment_leaves_the_plan_for_14_days_and_tells_the_owners_once(
    acme, alice, stripe, django_capture_on_commit_callbacks
):
    customer = stripe.add_customer(acme)
    subscription = stripe.subscribe(customer, status="past_due")
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(2):
            deliver(stripe.event("invoice.payment_failed", {"id": "in_1", "customer": customer}))
    acme.refresh_from_db()
    assert (acme.plan_name, acme.status) == ("team", OrganizationStatus.PAST_DUE)
    row = Subscription.objects.get()
    assert row.grace_ends_at - row.past_due_since == datetime.timedelta(days=14)
    (message,) = mail.outbox
    assert message.to == [alice.email]
    assert message.subject == "A payment of Acme failed"
    assert "/o/acme/settings/billing/" in message.body
    assert f"{row.grace_ends_at.day} " in message.body
    assert "Acme" in message.alternatives[0][0]

    Subscription.objects.update(past_due_since=timezone.now() - datetime.timedelta(days=14))
    with django_capture_on_commit_callbacks(execute=True):
        deliver(stripe.subscription_event(subscription))
    acme.refresh_from_db()
    assert (acme.plan_name, acme.status) == ("free", OrganizationStatus.ACTIVE)
    assert [message.subject for message in mail.outbox[1:]] == ["Acme is on the Free plan now"]
    assert "the Team plan of Acme has ended" in mail.outbox[1].body


def test_a_payment_that_comes_after_all_gives_the_plan_back(acme, stripe):
    subscription = stripe.subscribe(stripe.add_customer(acme), status="past_due")
    deliver(stripe.subscription_event(subscription))
    Subscription.objects.update(past_due_since=timezone.now() - datetime.timedelta(days=15))
    deliver(stripe.subscription_event(subscription))
    stripe.change(subscription, status="active")
    deliver(stripe.subscription_event(subscription))
    acme.refresh_from_db()
    assert (acme.plan_name, acme.status) == ("team", OrganizationStatus.ACTIVE)
    assert Subscription.objects.get().past_due_since is None


@pytest.mark.parametrize("status", ["suspended", "moving", "deleting"])
def test_billing_never_touches_a_status_that_says_something_else(status, acme, stripe):
    type(acme).objects.filter(pk=acme.pk).update(status=status)
    deliver(stripe.subscription_event(stripe.subscribe(stripe.add_customer(acme), status="past_due")))
    acme.refresh_from_db()
    assert acme.status == status


def test_what_happens_to_one_customer_leaves_the_others_alone(acme, globex, stripe):
    stripe.add_customer(globex)
    deliver(stripe.subscription_event(stripe.subscribe(stripe.add_customer(acme), "price_business")))
    globex.refresh_from_db()
    assert globex.plan_name == "team"
    assert not Subscription.objects.filter(organization=globex).exists()
