"""What somebody does on the Checkout page: pays, with a card that works or does not."""

from __future__ import annotations

from billing.fake_stripe.account import DAY, Account
from billing.fake_stripe.cards import CARDS, attach_card, known_card
from billing.fake_stripe.catalog_api import make_customer
from billing.fake_stripe.errors import CardDeclined
from billing.fake_stripe.store import Object
from billing.fake_stripe.subscriptions import start_subscription


def trial_end(account: Account, session: Object) -> int | None:
    data = session["_subscription_data"]
    if data["trial_period_days"]:
        return account.now() + int(data["trial_period_days"]) * DAY
    return int(data["trial_end"]) if data["trial_end"] else None


def may_go_without_card(account: Account, session: Object) -> bool:
    return session["payment_method_collection"] == "if_required" and trial_end(account, session) is not None


def complete(account: Account, session: Object, *, card: str, email: str) -> Object:
    """Pays an open session; raises CardDeclined, and then the session stays open."""
    number = None
    if card or not may_go_without_card(account, session):
        number = known_card(card)
        if reason := CARDS[number].refuses_first:
            raise CardDeclined(reason)
    customer = session["customer"] or make_customer(account, email=email)["id"]
    if number:
        attach_card(account, customer, number)
    data = session["_subscription_data"]
    subscription = start_subscription(
        account,
        customer=customer,
        items=[(line["price"], line["quantity"]) for line in session["_line_items"]["data"]],
        metadata=data["metadata"],
        trial_end=trial_end(account, session),
        without_card=data["without_card"],
    )
    account.change(
        session,
        event="checkout.session.completed",
        customer=customer,
        customer_details={"email": account.get("customer", customer)["email"] or email},
        invoice=subscription["latest_invoice"],
        payment_status="no_payment_required" if subscription["status"] == "trialing" else "paid",
        status="complete",
        subscription=subscription["id"],
        url=None,
    )
    return session


def return_address(session: Object) -> str:
    """Where the browser goes afterwards."""
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])
