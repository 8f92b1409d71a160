"""The pages that people click through: Checkout, Portal, an invoice, and the switches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.template.loader import render_to_string

from billing.fake_stripe import checkout, portal
from billing.fake_stripe.account import Account
from billing.fake_stripe.api import Answer
from billing.fake_stripe.cards import CARDS, WORKING, card_of, spaced
from billing.fake_stripe.control import AFTER_LAST_ATTEMPT, SWITCHES
from billing.fake_stripe.errors import CardDeclined, Refusal
from billing.fake_stripe.faults import FAULTS, current_fault
from billing.fake_stripe.parameters import fields
from billing.fake_stripe.periods import period_end
from billing.fake_stripe.store import Object
from billing.fake_stripe.subscriptions import STATUSES

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    # Without form-action: Chromium applies it to where a form's answer redirects, which is the site.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    # Not no-referrer: with it a form's Origin would read null, even towards its own site.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
DECLINED = {
    "incorrect_number": "This is none of the test cards below. Never enter a real one.",
    "insufficient_funds": "The card was declined: it has not enough money.",
    "generic_decline": "The card was declined.",
    "no_card": "There is no card to pay with.",
}
EVENTS_SHOWN = 40


def answer_page(account: Account, method: str, target: str, body: str, headers: Mapping[str, str]) -> Answer:
    path = urlsplit(target).path
    try:
        form = dict(fields(body))
        if method == "POST" and not _is_own(account, headers.get("Origin")):
            raise Refusal("Forms of other sites are not taken.", status=403)
        with account.store.transaction():
            return _answer(account, method, path, form, headers)
    except Refusal as refusal:
        if "application/json" in headers.get("Accept", ""):
            return Answer(refusal.status, refusal.message, {"Content-Type": "text/plain; charset=utf-8"})
        return _page("message", {"title": "That did not work", "message": refusal.message}, status=refusal.status)


def _is_own(account: Account, origin: str | None) -> bool:
    """Scripts send no Origin; browsers send it with every form."""
    return origin in {None, account.address, account.address.replace("localhost", "127.0.0.1")}


def _answer(account: Account, method: str, path: str, form: dict[str, str], headers: Mapping[str, str]) -> Answer:
    if path == "/style.css" and method == "GET":
        text = (settings.BASE_DIR / "static" / "css" / "fake_stripe.css").read_text()
        return Answer(200, text, {"Content-Type": "text/css; charset=utf-8"})
    if path == "/" and method == "GET":
        return _control(account)
    if (switch := re.fullmatch(r"/control/([a-z-]+)", path)) and switch[1] in SWITCHES and method == "POST":
        SWITCHES[switch[1]](account, form)
        if "application/json" in headers.get("Accept", ""):
            return Answer(200, "{}", {"Content-Type": "application/json"})
        return _redirect("/")
    if match := re.fullmatch(r"/([cpi])/([A-Za-z0-9_]+)", path):
        kind, identifier = match.groups()
        if kind == "i":
            return _page("invoice", {"invoice": shown_invoice(account.get("invoice", identifier))})
        return {"c": _checkout, "p": _portal}[kind](account, identifier, form if method == "POST" else None)
    raise Refusal("There is no such page.", status=404)


def _page(name: str, context: dict[str, Any], *, status: int = 200) -> Answer:
    return Answer(status, render_to_string(f"billing/fake_stripe/{name}.html", context), HEADERS)


def _redirect(address: str) -> Answer:
    return Answer(303, "", {**HEADERS, "Location": address})


def _checkout(account: Account, identifier: str, form: dict[str, str] | None) -> Answer:
    session = account.get("checkout.session", identifier)
    if session["status"] != "open" or session["expires_at"] <= account.now():
        message = "It has been paid." if session["status"] == "complete" else "It has expired; begin again on the site."
        return _page("message", {"title": "This Checkout is over", "message": message}, status=410)
    customer = account.store.find(session["customer"]) if session["customer"] else None
    error = ""
    if form is not None:
        try:
            checkout.complete(account, session, card=form.get("card", ""), email=form.get("email", ""))
            return _redirect(checkout.return_address(session))
        except CardDeclined as refusal:
            error = DECLINED[refusal.reason]
    trial_end = checkout.trial_end(account, session)
    context = {
        "session": session,
        "lines": [
            {"name": _name(account, line["price"]), "price": _amount(line["price"]), "quantity": line["quantity"]}
            for line in session["_line_items"]["data"]
        ],
        "total": _money(session["amount_total"]),
        "trial_end": _moment(trial_end) if trial_end else None,
        "email": customer["email"] if customer else session["customer_email"],
        "has_customer": customer is not None,
        "may_go_without_card": checkout.may_go_without_card(account, session),
        "card": (form or {}).get("card") or spaced(WORKING),
        "error": error,
        "cards": _cards(),
    }
    return _page("checkout", context, status=402 if error else 200)


def _portal(account: Account, identifier: str, form: dict[str, str] | None) -> Answer:
    session = account.get("billing_portal.session", identifier)
    if portal.is_expired(account, session):
        message = "Portal links work for an hour; open it again from the site."
        return _page("message", {"title": "This Portal link has expired", "message": message}, status=410)
    error = ""
    if form is not None:
        try:
            portal.act(account, session, form)
            return _redirect(f"/p/{identifier}")
        except CardDeclined as refusal:
            error = DECLINED[refusal.reason]
        except Refusal as refusal:
            if refusal.status != 402:
                raise
            error = refusal.message
    customer = account.store.find(session["customer"], "customer") or {}
    invoices = [each for each in account.store.every("invoice") if each["customer"] == session["customer"]]
    context = {
        "session": session,
        "customer": customer,
        "subscriptions": [
            shown_subscription(account, each) for each in portal.running_subscriptions(account, session["customer"])
        ],
        "prices": [
            {"id": each["id"], "text": f"{_name(account, each)}, {_amount(each)}"}
            for each in portal.sold_prices(account)
        ],
        "invoices": [shown_invoice(each) for each in invoices],
        "card": spaced(WORKING),
        "cards": _cards(),
        "error": error,
    }
    return _page("portal", context, status=402 if error else 200)


def _control(account: Account) -> Answer:
    sent = {
        event: (delivered is not None, attempts, told)
        for event, attempts, delivered, told in account.store.rows(
            "SELECT event, attempts, delivered, last_answer FROM deliveries"
        )
    }
    events = [
        {**event, "at": _moment(event["created"]), "delivery": sent.get(event["id"])}
        for event in account.store.every("event")[:EVENTS_SHOWN]
    ]
    fault = current_fault(account)
    context = {
        "subscriptions": [shown_subscription(account, each) for each in account.store.every("subscription")],
        "sessions": [
            {**each, "total": _money(each["amount_total"])}
            for each in account.store.every("checkout.session")
            if each["status"] == "open"
        ],
        "events": events,
        "faults": FAULTS.items(),
        "fault": fault,
        "fault_meaning": FAULTS[fault.kind] if fault else "",
        "after_last_attempt": account.store.fact("after_last_attempt") or "cancel",
        "after_choices": AFTER_LAST_ATTEMPT,
        "statuses": STATUSES,
        "webhook_url": account.webhook_url,
    }
    return _page("control", context)


def shown_subscription(account: Account, subscription: Object) -> dict[str, Any]:
    prices = [item["price"] for item in subscription["items"]["data"]]
    method = card_of(account, subscription)
    customer = account.store.find(subscription["customer"]) or {}
    return {
        "id": subscription["id"],
        "status": subscription["status"],
        "has_ended": subscription["ended_at"] is not None,
        "customer": customer.get("name") or customer.get("email") or subscription["customer"],
        "plan": ", ".join(_name(account, price) for price in prices),
        "price": prices[0]["id"],
        "amount": ", ".join(_amount(price) for price in prices),
        "period_end": _moment(period_end(subscription)),
        "cancel_at": _moment(subscription["cancel_at"]) if subscription["cancel_at"] else None,
        "ended_at": _moment(subscription["ended_at"]) if subscription["ended_at"] else None,
        "card": f"{method['card']['brand']} ending in {method['card']['last4']}" if method else "no card",
        "card_fails": bool(method and CARDS[method["_number"]].refuses_later),
    }


def shown_invoice(invoice: Object) -> dict[str, Any]:
    retry = invoice["next_payment_attempt"]
    return {
        "id": invoice["id"],
        "number": invoice["number"],
        "status": invoice["status"],
        "subscription": invoice["parent"]["subscription_details"]["subscription"],
        "total": _money(invoice["total"]),
        "created": _moment(invoice["created"]),
        "next_attempt": _moment(retry) if retry else None,
        "lines": [
            {"description": line["description"], "amount": _money(line["amount"])} for line in invoice["lines"]["data"]
        ],
    }


def _name(account: Account, price: Object) -> str:
    return str((account.store.find(price["product"]) or {}).get("name", price["product"]))


def _amount(price: Object) -> str:
    return f"{_money(price['unit_amount'])} a {price['recurring']['interval']}"


def _money(cents: int) -> str:
    return f"${cents / 100:,.2f}"


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%-d %b %Y, %H:%M UTC")


def _cards() -> list[tuple[str, str]]:
    return [(spaced(number), card.what_happens) for number, card in CARDS.items()]
