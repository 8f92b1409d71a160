from __future__ import annotations

import datetime
from collections.abc import Iterable

from django.db import models

from orgs.plans import PLANS

# How long a plan outlives a payment that failed.
GRACE = datetime.timedelta(days=14)

WORTH_ITS_PLAN = frozenset({"active", "trialing"})
ENDED = frozenset({"unpaid", "paused", "canceled", "incomplete_expired"})
# A second one beside these would be paid twice: Stripe's portal changes or revives them.
MANAGED_IN_PORTAL = frozenset({"active", "trialing", "past_due", "unpaid", "paused"})
TERMINAL = frozenset({"canceled", "incomplete_expired"})


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    def managed_in_portal(self) -> SubscriptionQuerySet:
        return self.filter(status__in=MANAGED_IN_PORTAL)

    def current(self) -> Subscription | None:
        """The one that counts: running before ended, then the newest."""
        is_over = models.Case(models.When(status__in=MANAGED_IN_PORTAL, then=0), default=1)
        return self.order_by(is_over, "-created_at").first()

    def past_their_grace(self, now: datetime.datetime) -> SubscriptionQuerySet:
        """Still worth a plan although the payment failed 14 days ago."""
        return self.filter(status="past_due", past_due_since__lte=now - GRACE).exclude(granted_plan="free")


class Subscription(models.Model):
    """A subscription as Stripe last told it. Stripe is the truth; this row is what was read at `read_at`."""

    organization = models.ForeignKey("orgs.Organization", on_delete=models.CASCADE, related_name="subscriptions")
    stripe_id = models.CharField(max_length=255, unique=True)
    status = models.CharField(max_length=30)
    price_id = models.CharField(max_length=255, blank=True)
    plan_name = models.CharField(max_length=20, blank=True, help_text="of the price; empty for a price nobody listed")
    granted_plan = models.CharField(max_length=20, blank=True, help_text="what it was worth then; empty says nothing")
    current_period_end = models.DateTimeField(null=True, blank=True)
    cancel_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    past_due_since = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(help_text="when the question was asked that this row answers")

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["organization", "-created_at"], name="subscription_newest")]

    def __str__(self) -> str:
        return self.stripe_id

    @property
    def is_managed_in_portal(self) -> bool:
        return self.status in MANAGED_IN_PORTAL

    @property
    def grace_ends_at(self) -> datetime.datetime | None:
        """When the plan ends if nothing is paid."""
        return self.past_due_since + GRACE if self.past_due_since else None

    def plan_granted(self, now: datetime.datetime) -> str:
        """The plan this subscription is worth, or "" while it says nothing, as an incomplete one."""
        if self.status in ENDED:
            return "free"
        if self.status in WORTH_ITS_PLAN:
            return self.plan_name
        if self.status == "past_due" and self.past_due_since is not None:
            return self.plan_name if now < self.past_due_since + GRACE else "free"
        return ""


def best_plan(plan_names: Iterable[str]) -> str:
    """The largest of these plans; "" when none says anything."""
    return max((name for name in plan_names if name), key=list(PLANS).index, default="")
