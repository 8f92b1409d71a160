"""Invoices: one for each period of a subscription."""

from __future__ import annotations

from billing.fake_stripe.account import Account
from billing.fake_stripe.store import Object, new_id


def make_invoice(account: Account, subscription: Object, reason: str) -> Object:
    items = subscription["items"]["data"]
    is_free = subscription["status"] == "trialing"
    now, identifier = account.now(), new_id("in", 24)
    lines = [
        {
            "id": new_id("il", 24),
            "object": "line_item",
            "amount": 0 if is_free else item["price"]["unit_amount"] * item["quantity"],
            "currency": item["price"]["currency"],
            "description": f"{item['quantity']} of {item['price']['id']}",
            "period": {"start": item["current_period_start"], "end": item["current_period_end"]},
            "quantity": item["quantity"],
        }
        for item in items
    ]
    amount = sum(line["amount"] for line in lines)
    return {
        "id": identifier,
        "object": "invoice",
        "amount_due": amount,
        "amount_paid": 0,
        "amount_remaining": amount,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": now,
        "currency": items[0]["price"]["currency"],
        "customer": subscription["customer"],
        "hosted_invoice_url": f"{account.address}/i/{identifier}",
        "invoice_pdf": None,
        "lines": {"object": "list", "data": lines, "has_more": False, "url": f"/v1/invoices/{identifier}/lines"},
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": f"PRETEND-{identifier[-8:].upper()}",
        "parent": {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {"metadata": subscription["metadata"], "subscription": subscription["id"]},
        },
        "period_end": now,
        "period_start": now,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": amount,
        "total": amount,
    }


def subscription_of(invoice: Object) -> str:
    return str(invoice["parent"]["subscription_details"]["subscription"])


def invoices_of(account: Account, subscription: Object) -> list[Object]:
    return [each for each in account.store.every("invoice") if subscription_of(each) == subscription["id"]]


def open_invoices(account: Account, subscription: Object) -> list[Object]:
    """Oldest first."""
    return [each for each in reversed(invoices_of(account, subscription)) if each["status"] == "open"]
