"""Stripe's test cards: https://docs.stripe.com/testing. A real number is refused, so that nobody enters one."""

from __future__ import annotations

import re
from typing import NamedTuple

from billing.fake_stripe.account import Account
from billing.fake_stripe.errors import CardDeclined
from billing.fake_stripe.store import Object, new_id


class Card(NamedTuple):
    brand: str
    what_happens: str
    refuses_first: str | None = None  # the decline code of the first payment
    refuses_later: str | None = None


WORKING, FAILING_LATER, DECLINED = "4242424242424242", "4000000000000341", "4000000000000002"
CARDS = {
    WORKING: Card("visa", "works"),
    "5555555555554444": Card("mastercard", "works"),
    FAILING_LATER: Card("visa", "works once, and fails from the next payment on", None, "generic_decline"),
    DECLINED: Card("visa", "is declined", "generic_decline", "generic_decline"),
    "4000000000009995": Card("visa", "has not enough money", "insufficient_funds", "insufficient_funds"),
}


def spaced(number: str) -> str:
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))


def known_card(typed: str) -> str:
    """The number without spaces; declined as `incorrect_number` when it is none of the test cards."""
    number = re.sub(r"[ -]", "", typed)
    if number not in CARDS:
        raise CardDeclined("incorrect_number")
    return number


def attach_card(account: Account, customer: str, number: str) -> Object:
    """Makes the card the customer's for all payments from now on."""
    now = account.now()
    method = {
        "id": new_id("pm", 24),
        "object": "payment_method",
        "billing_details": {"address": None, "email": None, "name": None, "phone": None},
        "card": {"brand": CARDS[number].brand, "exp_month": 12, "exp_year": 2040, "last4": number[-4:]},
        "created": now,
        "customer": customer,
        "livemode": False,
        "metadata": {},
        "type": "card",
        "_number": number,
    }
    account.create(method, event="payment_method.attached")
    found = account.get("customer", customer)
    settings = {**found["invoice_settings"], "default_payment_method": method["id"]}
    account.change(found, event="customer.updated", invoice_settings=settings)
    return method


def card_of(account: Account, subscription: Object) -> Object | None:
    """The subscription's card, else the customer's."""
    customer = account.store.find(subscription["customer"]) or {}
    method = subscription["default_payment_method"] or customer.get("invoice_settings", {}).get(
        "default_payment_method"
    )
    return account.store.find(method) if method else None


def pay(account: Account, subscription: Object, *, is_first: bool) -> None:
    """Pretends to charge the card; raises CardDeclined."""
    method = card_of(account, subscription)
    if method is None:
        raise CardDeclined("no_card")
    card = CARDS[method["_number"]]
    reason = card.refuses_first if is_first else card.refuses_later
    if reason:
        raise CardDeclined(reason)
