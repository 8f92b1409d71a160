"""Whatever happens at Stripe and on the way, in any order: the plan is what was told last, and events count once."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.db.models import F
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from billing.models import StripeEvent, Subscription
from billing.models.subscription import ENDED, GRACE, best_plan
from billing.services.reconciliation import reconcile_subscriptions
from tests.billing.in_memory_stripe import InMemoryStripe, deliver
from tests.routes.calls import undone

STATUSES = ["active", "trialing", "past_due", "unpaid", "paused", "canceled", "incomplete", "incomplete_expired"]
PLANS = {"price_team": "team", "price_team_yearly": "team", "price_business": "business", "price_unlisted": ""}
which = st.integers(0, 3)
STEP = st.one_of(
    st.tuples(st.just("subscribe"), st.sampled_from(sorted(PLANS))),
    st.tuples(st.just("status"), which, st.sampled_from(STATUSES)),
    st.tuples(st.just("price"), which, st.sampled_from(sorted(PLANS))),
    st.tuples(st.just("tell"), which),
    st.tuples(st.just("tell again"), st.integers(0, 20)),
    st.tuples(st.just("break down")),
    st.tuples(st.just("recover")),
    st.tuples(st.just("days pass"), st.sampled_from([1, 6, 7, 14])),
    st.tuples(st.just("reconcile")),
)


class Life:
    """Acts on Stripe and on the product, and keeps what the plan must be."""

    def __init__(self, stripe: InMemoryStripe, organization: Any) -> None:
        self.stripe, self.organization = stripe, organization
        self.customer = stripe.add_customer(organization)
        self.expected = "free"
        self.past_due_for: dict[str, int] = {}
        self.told: list[Any] = []

    def take(self, step: tuple[Any, ...]) -> None:
        getattr(self, step[0].replace(" ", "_"))(*step[1:])

    def subscribe(self, price: str) -> None:
        if len(self.stripe.subscriptions) < 4:
            self.stripe.subscribe(self.customer, price)

    def status(self, number: int, status: str) -> None:
        for subscription in self._named(number):
            self.stripe.change(subscription, status=status)

    def price(self, number: int, price: str) -> None:
        for subscription in self._named(number):
            self.stripe.change(subscription, price=price)

    def tell(self, number: int) -> None:
        for subscription in self._named(number):
            self.told.append(self.stripe.subscription_event(subscription))
            self._deliver(self.told[-1])

    def tell_again(self, number: int) -> None:
        if self.told:
            self._deliver(self.told[number % len(self.told)])

    def break_down(self) -> None:
        self.stripe.fault = lambda: (b"", 500, {})

    def recover(self) -> None:
        self.stripe.fault = None

    def days_pass(self, days: int) -> None:
        for name in ("past_due_since", "read_at"):
            Subscription.objects.update(**{name: F(name) - datetime.timedelta(days=days)})
        self.past_due_for = {name: passed + days for name, passed in self.past_due_for.items()}

    def reconcile(self) -> None:
        if reconcile_subscriptions():
            self._was_read()

    def _named(self, number: int) -> list[str]:
        return list(self.stripe.subscriptions)[number : number + 1]

    def _deliver(self, event: Any) -> None:
        state = StripeEvent.objects.filter(event_id=event["id"]).values_list("state", flat=True).first()
        answer = deliver(event)
        assert answer.status_code == (200 if self.stripe.fault is None or state == "applied" else 503)
        if self.stripe.fault is None and state != "applied":
            self._was_read()

    def _was_read(self) -> None:
        worth = best_plan(self._worth(name, row) for name, row in self.stripe.subscriptions.items())
        self.expected = worth or self.expected

    def _worth(self, name: str, row: dict[str, Any]) -> str:
        plan = PLANS[row["items"]["data"][0]["price"]["id"]]
        if row["status"] != "past_due":
            self.past_due_for.pop(name, None)
        if row["status"] in ENDED:
            return "free"
        if row["status"] == "past_due":
            return plan if self.past_due_for.setdefault(name, 0) < GRACE.days else "free"
        return plan if row["status"] in {"active", "trialing"} else ""

    def check(self) -> None:
        self.organization.refresh_from_db()
        assert self.organization.plan_name == self.expected
        assert StripeEvent.objects.count() == len(self.told)


def live(stripe: InMemoryStripe, organization: Any, steps: list[tuple[Any, ...]]) -> None:
    with undone():
        stripe.forget()
        life = Life(stripe, organization)
        for step in steps:
            life.take(step)
            life.check()
        life.recover()
        for number in range(4):
            life.tell(number)
        life.check()
        for name, row in stripe.subscriptions.items():
            assert Subscription.objects.get(stripe_id=name).status == row["status"]
    organization.refresh_from_db()


NOT_PAID = [("subscribe", "price_team"), ("status", 0, "past_due"), ("tell", 0), ("days pass", 7), ("tell", 0)]

FIXTURES = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@example(steps=[*NOT_PAID, ("days pass", 6), ("reconcile",), ("days pass", 1), ("reconcile",)])
@example(steps=[*NOT_PAID, ("days pass", 14), ("status", 0, "active"), ("tell", 0)])
@example(steps=[("subscribe", "price_unlisted"), ("tell", 0), ("price", 0, "price_team"), ("tell again", 0)])
@settings(max_examples=40, suppress_health_check=FIXTURES)
@given(steps=st.lists(STEP, max_size=25))
def test_the_plan_is_what_was_told_last(steps, free_org, stripe, caplog):
    live(stripe, free_org, steps)


@pytest.mark.prove
@settings(max_examples=1_000, suppress_health_check=FIXTURES)
@given(steps=st.lists(STEP, max_size=60))
def test_the_plan_is_what_was_told_last_in_a_thousand_lives(steps, free_org, stripe, caplog):
    live(stripe, free_org, steps)
