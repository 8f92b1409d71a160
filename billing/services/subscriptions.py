"""What Stripe says of an organization's subscriptions becomes its plan.

An event only says that something changed: every subscription of the customer is read again, so that no order of arrival
shows. Stripe is asked outside of any transaction; a reading is dropped when another one was asked for later.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.utils import timezone

from billing import gateway
from billing.gateway import SubscriptionRead
from billing.mails import mail_past_due, mail_plan_ended
from billing.models import CheckoutSession, Subscription
from billing.models.subscription import TERMINAL, best_plan
from billing.prices import plan_of_prices
from billing.problems import StripeRefused
from orgs import audit
from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import Organization, OrganizationStatus
from orgs.services.organizations import change_plan, lock_organization
from orgs.tenancy import tenant_scope

STRIPE = Actor.system("Stripe")


class CustomerUnknown(Exception):
    """Stripe does not know the organization's customer."""


@dataclass(slots=True)
class Reading:
    """All subscriptions of one customer, and when they were asked for by the database's clock."""

    asked_at: datetime.datetime
    subscriptions: Sequence[SubscriptionRead]
    unlisted_prices: list[str] = field(default_factory=list)


def sync_subscriptions(*, organization: Organization) -> Reading:
    """Outside any scope. Raises `BillingUnavailable`, and `CustomerUnknown` where there is nobody to read."""
    reading = _read(organization)
    with tenant_scope(organization):
        organization = lock_organization(organization)
        rows = {row.stripe_id: row for row in Subscription.objects.filter(organization=organization)}
        if all(row.read_at <= reading.asked_at for row in rows.values()):
            _store(organization, rows, reading)
    return reading


def cancel_subscriptions(*, organization: Organization) -> int:
    """Ends, at once, everything an organization pays, for one that is deleted. Outside any scope; may be repeated.

    Raises `BillingUnavailable` and `BillingNotConfigured`: an organization must not be gone while it goes on paying.
    """
    if not organization.stripe_customer_id:
        return 0
    if not gateway.is_configured() and not Subscription.objects.filter(organization=organization).managed_in_portal():
        return 0  # nothing was sold since the keys were taken away
    try:
        session = CheckoutSession.objects.filter(organization=organization).first()
        if session is not None:
            gateway.expire_checkout(session.stripe_id)
            session.delete()
        running = [s for s in sync_subscriptions(organization=organization).subscriptions if s.status not in TERMINAL]
        for subscription in running:
            gateway.cancel_subscription(subscription.stripe_id)
        if running:
            sync_subscriptions(organization=organization)
    except CustomerUnknown:
        return 0
    return len(running)


def _read(organization: Organization) -> Reading:
    if not organization.stripe_customer_id:
        raise CustomerUnknown(f"{organization.slug} never was a customer")
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (asked_at,) = cursor.fetchone()
    try:
        found = gateway.subscriptions_of(organization.stripe_customer_id)
    except StripeRefused as refusal:
        if refusal.is_about_the_customer:
            raise CustomerUnknown(f"Stripe does not know {organization.stripe_customer_id}") from refusal
        raise
    unlisted = [s.price_ids[0] if s.price_ids else "none" for s in found if _needs_a_plan(s)]
    return Reading(asked_at, found, unlisted)


def _needs_a_plan(subscription: SubscriptionRead) -> bool:
    is_running = subscription.status not in TERMINAL and subscription.status != "incomplete"
    return is_running and not plan_of_prices(subscription.price_ids)[0]


def _store(organization: Organization, rows: dict[str, Subscription], reading: Reading) -> None:
    """Under the organization's lock. The plan changes when what its subscriptions are worth changes, and only then:
    a plan that an operator gave stays until Stripe has something new to say.
    """
    now = timezone.now()
    worth_before = best_plan(row.granted_plan for row in rows.values())
    found = {subscription.stripe_id for subscription in reading.subscriptions}
    newly_past_due = [
        row
        for row in [_store_one(organization, rows, read, reading.asked_at, now) for read in reading.subscriptions]
        if row.past_due_since == now
    ]
    for row in [row for stripe_id, row in rows.items() if stripe_id not in found]:
        _end_forgotten(row, reading.asked_at, now)
    _show_payment_status(organization, rows.values())
    for row in newly_past_due:
        mail_past_due(organization, row)
    _change_plan(organization, worth_before, best_plan(row.granted_plan for row in rows.values()))


def _store_one(
    organization: Organization,
    rows: dict[str, Subscription],
    read: SubscriptionRead,
    asked_at: datetime.datetime,
    now: datetime.datetime,
) -> Subscription:
    row = rows.get(read.stripe_id) or Subscription(organization=organization, stripe_id=read.stripe_id)
    rows[read.stripe_id] = row
    before = _told(row) if row.pk else None
    row.status = read.status
    row.plan_name, row.price_id = plan_of_prices(read.price_ids)
    row.current_period_end, row.cancel_at, row.ended_at = read.current_period_end, read.cancel_at, read.ended_at
    row.created_at = read.created_at
    row.past_due_since = (row.past_due_since or now) if read.status == "past_due" else None
    row.granted_plan = row.plan_granted(now)
    row.read_at = asked_at
    row.save()
    _remember(row, before)
    return row


def _end_forgotten(row: Subscription, asked_at: datetime.datetime, now: datetime.datetime) -> None:
    """Stripe lists every subscription a customer ever had; one that is not there exists no more."""
    before = _told(row)
    row.status, row.past_due_since, row.read_at = "canceled", None, asked_at
    row.ended_at = row.ended_at or now
    row.granted_plan = row.plan_granted(now)
    row.save()
    _remember(row, before)


def _told(row: Subscription) -> dict[str, str | None]:
    """What the audit says of a subscription."""
    return {
        "status": row.status,
        "plan": row.plan_name or None,
        "price": row.price_id,
        "cancel_at": row.cancel_at.isoformat() if row.cancel_at else None,
    }


def _remember(row: Subscription, before: dict[str, str | None] | None) -> None:
    after = _told(row)
    if before != after:
        audit.record(Action.SUBSCRIPTION_CHANGED, STRIPE, target=row, before=before, after=after)


def _show_payment_status(organization: Organization, rows: Iterable[Subscription]) -> None:
    """Past due while a failed payment still leaves the plan. Suspended, moving and deleting are not ours to change."""
    is_past_due = any(row.status == "past_due" and row.granted_plan not in {"", "free"} for row in rows)
    wanted = OrganizationStatus.PAST_DUE if is_past_due else OrganizationStatus.ACTIVE
    before = organization.status
    if before == wanted or before not in {OrganizationStatus.ACTIVE, OrganizationStatus.PAST_DUE}:
        return
    organization.status = wanted
    organization.save(update_fields=["status", "updated_at"])
    audit.record(
        Action.ORGANIZATION_UPDATED, STRIPE, target=organization, before={"status": before}, after={"status": wanted}
    )


def _change_plan(organization: Organization, worth_before: str, worth_now: str) -> None:
    if not worth_now or worth_now == worth_before:
        return
    label, plan_before = organization.plan.label, organization.plan_name
    change_plan(organization=organization, plan_name=worth_now, actor=STRIPE, reason="subscription")
    if worth_now == "free" and plan_before != "free":
        transaction.on_commit(lambda: mail_plan_ended(organization, label))
