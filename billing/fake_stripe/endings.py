"""How a subscription ends."""

from __future__ import annotations

from billing.fake_stripe.account import Account
from billing.fake_stripe.invoices import open_invoices
from billing.fake_stripe.store import Object

UPDATED = "customer.subscription.updated"
ENDED = ("canceled", "incomplete_expired")


def end_subscription(
    account: Account, subscription: Object, *, reason: str = "cancellation_requested", status: str = "canceled"
) -> None:
    """Ends it now. What is still owed stays open and is not tried again."""
    now = account.now()
    for invoice in open_invoices(account, subscription):
        account.change(invoice, event="invoice.updated", auto_advance=False, next_payment_attempt=None)
    account.change(
        subscription,
        event=UPDATED if status == "incomplete_expired" else "customer.subscription.deleted",
        status=status,
        canceled_at=subscription["canceled_at"] or now,
        ended_at=now,
        cancellation_details={"comment": None, "feedback": None, "reason": reason},
    )
