"""Collecting what is owed: at once, again after some days, and what follows when it fails for good."""

from __future__ import annotations

from billing.fake_stripe.account import DAY, Account
from billing.fake_stripe.cards import pay
from billing.fake_stripe.endings import UPDATED, end_subscription
from billing.fake_stripe.errors import CardDeclined, Refusal
from billing.fake_stripe.invoices import make_invoice, open_invoices, subscription_of
from billing.fake_stripe.store import Object

# Days from one failed attempt to the next; after the last the subscription ends or becomes unpaid.
RETRY_DAYS = (3, 5, 7)
# A subscription in one of these becomes active when nothing is owed any more.
OWING = ("past_due", "unpaid", "incomplete")


def bill(account: Account, subscription: Object, reason: str) -> Object:
    """Invoices the current period and tries to be paid."""
    invoice = account.create(make_invoice(account, subscription, reason), event="invoice.created")
    subscription["latest_invoice"] = invoice["id"]
    account.store.save(subscription)
    if subscription["status"] == "unpaid":
        return invoice  # stays a draft, as at Stripe
    finalized = {**invoice["status_transitions"], "finalized_at": account.now()}
    account.change(invoice, event="invoice.finalized", status="open", status_transitions=finalized)
    collect(account, invoice)
    return invoice


def collect(account: Account, invoice: Object) -> bool:
    """One attempt at payment, and what follows from it for the subscription; whether it is paid."""
    subscription = account.get("subscription", subscription_of(invoice))
    try:
        if invoice["amount_due"]:
            pay(account, subscription, is_first=invoice["billing_reason"] == "subscription_create")
    except CardDeclined:
        _fail(account, invoice, subscription)
        return False
    settle(account, invoice)
    return True


def settle(account: Account, invoice: Object) -> None:
    paid = {**invoice["status_transitions"], "paid_at": account.now()}
    account.change(
        invoice,
        event="invoice.paid",
        status="paid",
        status_transitions=paid,
        amount_paid=invoice["amount_due"],
        amount_remaining=0,
        attempted=True,
        attempt_count=invoice["attempt_count"] + 1,
        next_payment_attempt=None,
    )
    account.emit("invoice.payment_succeeded", invoice)
    subscription = account.get("subscription", subscription_of(invoice))
    if subscription["status"] in OWING and not open_invoices(account, subscription):
        account.change(subscription, event=UPDATED, status="active")


def _fail(account: Account, invoice: Object, subscription: Object) -> None:
    attempts = invoice["attempt_count"] + 1
    is_first_payment = subscription["status"] == "incomplete"
    is_last = attempts > len(RETRY_DAYS)
    next_attempt = None if is_last or is_first_payment else account.now() + RETRY_DAYS[attempts - 1] * DAY
    account.change(
        invoice,
        event="invoice.payment_failed",
        attempted=True,
        attempt_count=attempts,
        next_payment_attempt=next_attempt,
    )
    if subscription["status"] in {"active", "trialing"}:
        account.change(subscription, event=UPDATED, status="past_due")
    if is_last and subscription["status"] == "past_due":
        _give_up(account, subscription)


def _give_up(account: Account, subscription: Object) -> None:
    """After the last attempt, by the account's setting: cancel, mark unpaid, or leave past due."""
    what = account.store.fact("after_last_attempt") or "cancel"
    if what == "cancel":
        end_subscription(account, subscription, reason="payment_failed")
    elif what == "unpaid":
        account.change(subscription, event=UPDATED, status="unpaid")


def pay_invoice(account: Account, invoice: Object) -> Object:
    """What `POST /v1/invoices/{id}/pay` and the Portal's button do."""
    if invoice["status"] == "draft":
        account.change(invoice, event="invoice.finalized", status="open")
    if invoice["status"] != "open":
        raise Refusal("Invoice is already paid", code="invoice_already_paid" if invoice["status"] == "paid" else None)
    if not collect(account, invoice):
        raise Refusal("Your card was declined.", status=402, type="card_error", code="card_declined")
    return invoice
