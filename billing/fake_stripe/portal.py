"""What somebody does on the Portal's page: changes the plan, cancels, resumes, pays, changes the card."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from billing.fake_stripe.account import HOUR, Account
from billing.fake_stripe.cards import CARDS, attach_card, known_card
from billing.fake_stripe.collection import pay_invoice
from billing.fake_stripe.endings import ENDED, end_subscription
from billing.fake_stripe.errors import CardDeclined, Refusal
from billing.fake_stripe.periods import period_end
from billing.fake_stripe.store import Object
from billing.fake_stripe.subscriptions import cancel_later, change_items, do_not_cancel, resume, subscriptions_of
from billing.fake_stripe.subscriptions_api import active_price

LIFETIME = HOUR


def is_expired(account: Account, session: Object) -> bool:
    return bool(session["created"] + LIFETIME < account.now())


def change_plan(account: Account, subscription: Object, form: dict[str, str]) -> None:
    price = active_price(account, form.get("price", ""), "price")
    first, *others = subscription["items"]["data"]
    change_items(account, subscription, [{**first, "price": price}, *others])


def cancel(account: Account, subscription: Object, form: dict[str, str]) -> None:
    """At the end of the period, told by `cancel_at` alone, as the Portal does it with flexible billing:
    https://docs.stripe.com/billing/subscriptions/billing-mode/compare
    """
    cancel_later(account, subscription, at=period_end(subscription))


def cancel_now(account: Account, subscription: Object, form: dict[str, str]) -> None:
    end_subscription(account, subscription)


def keep(account: Account, subscription: Object, form: dict[str, str]) -> None:
    if subscription["status"] == "paused":
        resume(account, subscription)
    else:
        do_not_cancel(account, subscription)


def pay_open(account: Account, subscription: Object, form: dict[str, str]) -> None:
    invoice = account.get("invoice", form.get("invoice", ""))
    if invoice["customer"] != subscription["customer"]:
        raise Refusal("No such invoice.", status=404)
    pay_invoice(account, invoice)


def change_card(account: Account, subscription: Object, form: dict[str, str]) -> None:
    number = known_card(form.get("card", ""))
    if reason := CARDS[number].refuses_first:
        raise CardDeclined(reason)
    attach_card(account, subscription["customer"], number)


ACTIONS: dict[str, Callable[[Account, Object, dict[str, str]], None]] = {
    "change-plan": change_plan,
    "cancel": cancel,
    "cancel-now": cancel_now,
    "keep": keep,
    "pay": pay_open,
    "change-card": change_card,
}


def act(account: Account, session: Object, form: dict[str, str]) -> None:
    """Does one action for one of the customer's subscriptions."""
    action = ACTIONS.get(form.get("action", ""))
    own = {each["id"]: each for each in running_subscriptions(account, session["customer"])}
    subscription = own.get(form.get("subscription", ""))
    if action is None or subscription is None:
        raise Refusal("There is nothing to change any more: the subscription has ended.", status=409)
    action(account, subscription, form)


def running_subscriptions(account: Account, customer: str) -> list[Object]:
    return [each for each in subscriptions_of(account, customer) if each["status"] not in ENDED]


def sold_prices(account: Account) -> list[Any]:
    """Active prices, the cheapest first."""
    return sorted(
        (each for each in account.store.every("price") if each["active"]),
        key=lambda each: (each["recurring"]["interval"] == "year", each["unit_amount"]),
    )
