"""What a lost webhook would have told: the worker asks Stripe itself, often after a Checkout, else once a day."""

from __future__ import annotations

import datetime
import logging

from django.db.models import Max, Q
from django.utils import timezone

from billing import gateway
from billing.models import CheckoutSession, StripeEvent, Subscription
from billing.problems import BillingUnavailable, StripeRefused
from billing.services.events import KEPT_FOR, forget_old_events, replay_events
from billing.services.subscriptions import CustomerUnknown, cancel_subscriptions, sync_subscriptions
from orgs.models import Organization, OrganizationStatus

logger = logging.getLogger(__name__)

READ_EVERY = datetime.timedelta(days=1)
WEBHOOK_TAKES = datetime.timedelta(seconds=20)
MOST_AT_ONCE = 500


def reconcile_subscriptions() -> int:
    """Applies events left behind and reads the organizations not read for a day. Stops when Stripe is down."""
    if not gateway.is_configured():
        return 0
    now = timezone.now()
    forget_old_events(before=now - KEPT_FOR)
    count = 0
    try:
        replay_events(
            StripeEvent.objects.left_behind(now - datetime.timedelta(minutes=5)).order_by("pk")[:MOST_AT_ONCE]
        )
        for organization in organizations_to_read(now):
            count += _sync(organization)
    except BillingUnavailable:
        logger.warning("reconciliation stops after %s organizations: Stripe does not answer", count)
    return count


def organizations_to_read(now: datetime.datetime) -> list[Organization]:
    """Customers not read for a day, and those whose 14 days are over; the longest not read first."""
    past_grace = Subscription.objects.past_their_grace(now).values("organization_id")
    due = Organization.objects.exclude(stripe_customer_id=None).annotate(read_at=Max("subscriptions__read_at"))
    due = due.filter(Q(read_at__lt=now - READ_EVERY) | Q(pk__in=past_grace))
    return list(due.order_by("read_at")[:MOST_AT_ONCE])


def confirm_checkouts() -> int:
    """Looks after every open Checkout: one that was paid is read at once, one that ended is forgotten, and one that
    is not needed any more, because there is a subscription, is ended."""
    if not gateway.is_configured():
        return 0
    count = 0
    waiting = CheckoutSession.objects.filter(created_at__lt=timezone.now() - WEBHOOK_TAKES)
    try:
        for session in waiting.select_related("organization").order_by("pk")[:MOST_AT_ONCE]:
            count += _confirm(session)
    except BillingUnavailable:
        logger.warning("open Checkouts are looked at later: Stripe does not answer")
    return count


def _confirm(session: CheckoutSession) -> bool:
    try:
        status = gateway.checkout(session.stripe_id).status
    except StripeRefused:
        status = "expired"
    if status == "open":
        if not Subscription.objects.filter(organization=session.organization).managed_in_portal().exists():
            return False
        gateway.expire_checkout(session.stripe_id)
    if status == "complete":
        _sync(session.organization)
    CheckoutSession.objects.filter(pk=session.pk, stripe_id=session.stripe_id).delete()
    return True


def _sync(organization: Organization) -> bool:
    try:
        if organization.status == OrganizationStatus.DELETING:
            cancel_subscriptions(organization=organization)  # made at Stripe meanwhile, by hand
        else:
            sync_subscriptions(organization=organization)
    except CustomerUnknown as error:
        logger.warning("%s is not read: %s", organization.slug, error)
        return False
    return True
