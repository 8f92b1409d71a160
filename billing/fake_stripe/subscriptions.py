"""Subscriptions: how they begin, change and end."""

from __future__ import annotations

from typing import Any

from billing.fake_stripe.account import DAY, Account
from billing.fake_stripe.cards import card_of
from billing.fake_stripe.collection import bill
from billing.fake_stripe.endings import UPDATED, end_subscription
from billing.fake_stripe.errors import Refusal
from billing.fake_stripe.periods import period_end, period_from
from billing.fake_stripe.store import Object, new_id

STATUSES = ("active", "trialing", "past_due", "unpaid", "paused", "incomplete", "incomplete_expired", "canceled")


def make_item(account: Account, subscription: str, price: Object, quantity: int, **period: int) -> Object:
    return {
        "id": new_id("si"),
        "object": "subscription_item",
        "created": account.now(),
        "metadata": {},
        "price": price,
        "quantity": quantity,
        "subscription": subscription,
        **period,
    }


def start_subscription(
    account: Account,
    *,
    customer: str,
    items: list[tuple[Object, int]],
    metadata: dict[str, str],
    trial_end: int | None = None,
    without_card: str = "create_invoice",
    payment_method: str | None = None,
) -> Object:
    """Trialing or, once its first invoice is paid, active; `incomplete` when that fails."""
    now, identifier = account.now(), new_id("sub")
    if len({price["recurring"]["interval"] for price, _ in items}) > 1:
        raise Refusal("All prices on a subscription must have the same recurring interval.", param="items")
    periods = [
        {"current_period_start": now, "current_period_end": trial_end} if trial_end else period_from(now, price)
        for price, _ in items
    ]
    data = [
        make_item(account, identifier, price, quantity, **period)
        for (price, quantity), period in zip(items, periods, strict=True)
    ]
    subscription = {
        "id": identifier,
        "object": "subscription",
        "automatic_tax": {"enabled": False, "liability": None, "disabled_reason": None},
        "billing_cycle_anchor": trial_end or now,
        "billing_mode": {"type": "flexible", "flexible": {"proration_discounts": "included"}},
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": now,
        "currency": items[0][0]["currency"],
        "customer": customer,
        "default_payment_method": payment_method,
        "description": None,
        "discounts": [],
        "ended_at": None,
        "items": {
            "object": "list",
            "data": data,
            "has_more": False,
            "total_count": len(data),
            "url": f"/v1/subscription_items?subscription={identifier}",
        },
        "latest_invoice": None,
        "livemode": False,
        "metadata": metadata,
        "pause_collection": None,
        "pending_update": None,
        "schedule": None,
        "start_date": now,
        "status": "trialing" if trial_end else "incomplete",
        "test_clock": None,
        "trial_end": trial_end,
        "trial_settings": {"end_behavior": {"missing_payment_method": without_card}},
        "trial_start": now if trial_end else None,
    }
    account.create(subscription, event="customer.subscription.created")
    bill(account, subscription, "subscription_create")
    return account.get("subscription", identifier)


def change_items(account: Account, subscription: Object, items: list[Object]) -> None:
    """Other prices or quantities. Another interval begins a new period, which is paid at once."""
    before = subscription["items"]["data"]
    begins_anew = {each["price"]["recurring"]["interval"] for each in items} != {
        each["price"]["recurring"]["interval"] for each in before
    }
    if begins_anew and subscription["status"] != "trialing":
        items = [{**each, **period_from(account.now(), each["price"])} for each in items]
    data = {**subscription["items"], "data": items, "total_count": len(items)}
    account.change(subscription, event=UPDATED, items=data)
    if begins_anew and subscription["status"] in {"active", "past_due"}:
        bill(account, subscription, "subscription_update")


def cancel_later(account: Account, subscription: Object, *, at: int | None = None) -> None:
    """At the end of the period (`at=None`) or at a moment; tells it as a call of the API does."""
    account.change(
        subscription,
        event=UPDATED,
        cancel_at=at or period_end(subscription),
        cancel_at_period_end=at is None,
        canceled_at=account.now(),
        cancellation_details={"comment": None, "feedback": None, "reason": "cancellation_requested"},
    )


def do_not_cancel(account: Account, subscription: Object) -> None:
    account.change(
        subscription,
        event=UPDATED,
        cancel_at=None,
        cancel_at_period_end=False,
        canceled_at=None,
        cancellation_details={"comment": None, "feedback": None, "reason": None},
    )


def end_trial(account: Account, subscription: Object) -> None:
    """The first paid period begins; without a card as the subscription says: pause, cancel, or owe."""
    without_card = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if card_of(account, subscription) is None and without_card == "pause":
        account.change(subscription, event="customer.subscription.paused", status="paused")
        account.emit(UPDATED, subscription, {"status": "trialing"})
        return
    if card_of(account, subscription) is None and without_card == "cancel":
        end_subscription(account, subscription)
        return
    start_period(account, subscription, at=subscription["trial_end"], status="active")


def resume(account: Account, subscription: Object) -> None:
    """A paused subscription begins a period now."""
    if subscription["status"] != "paused":
        raise Refusal(f"Only paused subscriptions can be resumed; this one is {subscription['status']}.")
    start_period(account, subscription, at=account.now(), status="active")
    account.emit("customer.subscription.resumed", account.get("subscription", subscription["id"]))


def start_period(account: Account, subscription: Object, *, at: int, **changes: Any) -> None:
    items = [{**item, **period_from(at, item["price"])} for item in subscription["items"]["data"]]
    account.change(subscription, event=UPDATED, items={**subscription["items"], "data": items}, **changes)
    bill(account, subscription, "subscription_cycle")


def extend_trial(account: Account, subscription: Object, until: int) -> None:
    if until <= account.now():
        account.change(subscription, event=UPDATED, trial_end=account.now())
        end_trial(account, subscription)
        return
    if until > account.now() + 730 * DAY:
        raise Refusal("Invalid timestamp: the trial can end at most two years from now.", param="trial_end")
    items = [{**item, "current_period_end": until} for item in subscription["items"]["data"]]
    data = {**subscription["items"], "data": items}
    account.change(subscription, event=UPDATED, status="trialing", trial_end=until, items=data)


def subscriptions_of(account: Account, customer: str) -> list[Object]:
    return [each for each in account.store.every("subscription") if each["customer"] == customer]
