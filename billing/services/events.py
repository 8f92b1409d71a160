"""Stripe's events: stored once, applied until they have taken effect, set aside where nobody knows what they mean."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterable

from django.utils import timezone

from billing import gateway
from billing.gateway import EventRead
from billing.models import CheckoutSession, EventState, StripeEvent
from billing.services.subscriptions import CustomerUnknown, sync_subscriptions
from orgs.models import Organization

logger = logging.getLogger(__name__)

APPLIED_TYPES = frozenset(
    {
        "checkout.session.completed",
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "invoice.paid",
        "invoice.payment_failed",
    }
)
KEPT_FOR = datetime.timedelta(days=90)


def receive_event(event: EventRead) -> StripeEvent:
    """The stored event; the same one however often it comes."""
    stored, _ = StripeEvent.objects.get_or_create(
        event_id=event.event_id,
        defaults={
            "type": event.type,
            "customer_id": event.customer_id,
            "object_id": event.object_id,
            "occurred_at": event.occurred_at,
        },
    )
    return stored


def apply_event(event: StripeEvent) -> StripeEvent:
    """Outside any scope. Raises `BillingUnavailable`, and the event waits; one that took effect is left alone."""
    if event.state == EventState.APPLIED:
        return event
    organization = _organization_of(event.customer_id)
    if organization is None:
        return _quarantine(event, f"No organization is the customer {event.customer_id or '(none)'}.")
    try:
        unlisted = sync_subscriptions(organization=organization).unlisted_prices
    except CustomerUnknown:
        return _quarantine(event, f"Stripe does not know the customer {event.customer_id} any more.")
    if event.type == "checkout.session.completed":
        CheckoutSession.objects.filter(organization=organization, stripe_id=event.object_id).delete()
    if unlisted:
        variables = "STRIPE_PRICE_TEAM nor STRIPE_PRICE_BUSINESS"
        return _quarantine(event, f"Neither {variables} lists the price {', '.join(sorted(set(unlisted)))}.")
    event.state, event.reason, event.applied_at = EventState.APPLIED, "", timezone.now()
    event.save(update_fields=["state", "reason", "applied_at"])
    return event


def replay_events(events: Iterable[StripeEvent]) -> dict[str, int]:
    """Applies each again and counts how they ended. Raises `BillingUnavailable` at the first that cannot be."""
    counts = dict.fromkeys(EventState.values, 0)
    for event in events:
        counts[apply_event(event).state] += 1
    return counts


def fetch_missed_events(*, since: datetime.datetime) -> list[StripeEvent]:
    """Stores what Stripe remembers and we never heard of, the oldest first."""
    told = gateway.events_since(since, APPLIED_TYPES)
    known = set(StripeEvent.objects.filter(event_id__in=[e.event_id for e in told]).values_list("event_id", flat=True))
    return [receive_event(event) for event in reversed(told) if event.event_id not in known]


def forget_old_events(*, before: datetime.datetime) -> None:
    """Those that took effect: Stripe delivers nothing that old again."""
    StripeEvent.objects.filter(state=EventState.APPLIED, received_at__lt=before).delete()


def _organization_of(customer_id: str) -> Organization | None:
    return Organization.objects.filter(stripe_customer_id=customer_id).first() if customer_id else None


def _quarantine(event: StripeEvent, reason: str) -> StripeEvent:
    logger.warning("Stripe's event %s waits for the staff: %s", event.event_id, reason)
    event.state, event.reason = EventState.QUARANTINED, reason[:500]
    event.save(update_fields=["state", "reason"])
    return event
