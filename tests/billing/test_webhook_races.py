"""Webhooks at the same moment, over threads with connections of their own."""

import threading

import pytest
from django.db import connection

from billing.models import EventState, StripeEvent, Subscription
from orgs.models import AuditEvent
from orgs.tenancy import tenant_scope
from tests.billing.in_memory_stripe import deliver
from tests.factories import OrganizationFactory

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*works):
    barrier, answers = threading.Barrier(len(works)), [None] * len(works)

    def run(place, work):
        barrier.wait()
        try:
            answers[place] = work()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_the_same_webhook_six_times_at_once_takes_effect_once(stripe):
    organization = OrganizationFactory(plan_name="free")
    event = stripe.subscription_event(stripe.subscribe(stripe.add_customer(organization)))
    answers = at_once(*[lambda: deliver(event)] * 6)
    assert {answer.status_code for answer in answers} == {200}
    assert StripeEvent.objects.get().state == EventState.APPLIED
    with tenant_scope(organization):
        actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["subscription.changed", "organization.plan_changed"]


def test_six_different_webhooks_at_once_end_where_stripe_is(stripe):
    organization = OrganizationFactory(plan_name="free")
    subscription = stripe.subscribe(stripe.add_customer(organization))
    events = [stripe.subscription_event(subscription) for _ in range(6)]
    states = iter(["active", "past_due", "unpaid", "active", "paused", "canceled"])
    lock = threading.Lock()

    def change_while_answering(method, path):
        with lock:
            stripe.change(subscription, status=next(states, "canceled"))

    stripe.before_answer = change_while_answering
    assert {answer.status_code for answer in at_once(*[lambda e=e: deliver(e) for e in events])} == {200}
    stripe.before_answer = None
    last = stripe.subscription_event(subscription)
    assert deliver(last).status_code == 200
    organization.refresh_from_db()
    assert Subscription.objects.get().status == stripe.subscriptions[subscription]["status"] == "canceled"
    assert organization.plan_name == "free"
