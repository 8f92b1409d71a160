"""Stripe's side of what billing asks: customers, sessions, subscriptions, events and signed webhooks, in memory.

It stands below the SDK, as an HTTP client, so that requests, retries, idempotency and errors are the SDK's own.
"""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import orjson
import stripe
from django.test import Client

DAY = 86_400
SECRET = "whsec_of_the_tests"


class Transport(stripe.HTTPClient):
    name = "memory"

    def __init__(self, double: InMemoryStripe) -> None:
        super().__init__()
        self.double = double

    def request(self, method: str, url: str, headers: Any, post_data: Any = None) -> Any:
        return self.double.answer(method, url, headers, post_data)


class InMemoryStripe:
    def __init__(self) -> None:
        self.transport = Transport(self)
        self.forget()

    def forget(self) -> None:
        """An account without a past."""
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.customers: dict[str, dict[str, Any]] = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.remembered: dict[str, Any] = {}
        self.fault: Any = None
        self.before_answer: Any = None
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    # What happens at Stripe

    def subscribe(self, customer: str, price: str = "price_team", status: str = "active") -> str:
        subscription = f"sub_{next(self._numbers)}"
        now = int(time.time())
        self.subscriptions[subscription] = {
            "id": subscription,
            "object": "subscription",
            "customer": customer,
            "status": status,
            "created": now,
            "cancel_at": None,
            "cancel_at_period_end": False,
            "ended_at": None,
            "metadata": {"plan": "business"},
            "items": {"object": "list", "data": [{"price": {"id": price}, "current_period_end": now + 30 * DAY}]},
        }
        return subscription

    def pay(self, session: str) -> str:
        """Somebody pays on the Checkout page."""
        row = self.sessions[session]
        row["status"], row["url"] = "complete", None
        row["subscription"] = self.subscribe(row["customer"], row["price"])
        return row["subscription"]

    def change(self, subscription: str, **fields: Any) -> None:
        row = self.subscriptions[subscription]
        if price := fields.pop("price", None):
            row["items"]["data"][0]["price"] = {"id": price}
        row.update(fields)

    def event(self, type_: str, about: dict[str, Any]) -> dict[str, Any]:
        event = {
            "id": f"evt_{next(self._numbers)}",
            "object": "event",
            "type": type_,
            "created": int(time.time()),
            "data": {"object": dict(about)},
        }
        self.events.append(event)
        return event

    def subscription_event(self, subscription: str, what: str = "updated") -> dict[str, Any]:
        return self.event(f"customer.subscription.{what}", self.subscriptions[subscription])

    # What this server asks

    def answer(self, method: str, url: str, headers: Any, post_data: Any) -> Any:
        parts = urlsplit(url)
        with self._lock:
            self.requests.append((method, parts.path, dict(headers)))
            if self.fault is not None:
                return self.fault()
            form = dict(parse_qsl(post_data or ""))
            key = headers.get("Idempotency-Key") if method == "post" else None
            if key in self.remembered:
                status, body = self.remembered[key]
            else:
                status, body = self._route(method, parts.path.strip("/").split("/")[1:], form, parse_qs(parts.query))
                if key:
                    self.remembered[key] = status, body
            content = orjson.dumps(body)
        if self.before_answer is not None:
            self.before_answer(method, parts.path)
        return content, status, {"Request-Id": f"req_{len(self.requests)}"}

    def _route(self, method: str, path: list[str], form: dict[str, str], query: dict[str, list[str]]) -> Any:
        match method, path:
            case "post", ["customers"]:
                customer = {"id": f"cus_{next(self._numbers)}", "object": "customer", **form}
                self.customers[customer["id"]] = customer
                return 200, customer
            case "post", ["checkout", "sessions"]:
                return self._open_session(form)
            case "get", ["checkout", "sessions", session]:
                return 200, self.sessions[session]
            case "post", ["checkout", "sessions", session, "expire"]:
                self.sessions[session] |= {"status": "expired", "url": None}
                return 200, self.sessions[session]
            case "post", ["billing_portal", "sessions"]:
                return 200, {"object": "billing_portal.session", "url": f"https://portal.invalid/{form['customer']}"}
            case "get", ["subscriptions"]:
                return self._list_subscriptions(query["customer"][0])
            case "delete", ["subscriptions", subscription]:
                self.change(subscription, status="canceled", ended_at=int(time.time()))
                return 200, self.subscriptions[subscription]
            case "get", ["events"]:
                since = int(query["created[gte]"][0])
                rows = [event for event in reversed(self.events) if event["created"] >= since]
                return 200, {"object": "list", "data": rows, "has_more": False}
        raise AssertionError(f"billing asks {method} {path}, which the double does not know")

    def _open_session(self, form: dict[str, str]) -> Any:
        if form["customer"] not in self.customers:
            return self._missing("customer")
        session = f"cs_{next(self._numbers)}"
        self.sessions[session] = {
            "id": session,
            "object": "checkout.session",
            "status": "open",
            "url": f"https://checkout.invalid/{session}",
            "customer": form["customer"],
            "price": form["line_items[0][price]"],
            "success_url": form["success_url"],
            "cancel_url": form["cancel_url"],
            "expires_at": int(form["expires_at"]),
        }
        return 200, self.sessions[session]

    def _list_subscriptions(self, customer: str) -> Any:
        if customer not in self.customers:
            return self._missing("customer")
        rows = [row for row in reversed(self.subscriptions.values()) if row["customer"] == customer]
        return 200, {"object": "list", "data": rows, "has_more": False}

    def _missing(self, parameter: str) -> Any:
        error = {"type": "invalid_request_error", "code": "resource_missing", "param": parameter, "message": "No such."}
        return 400, {"error": error}

    def add_customer(self, organization: Any) -> str:
        """The organization is a customer already."""
        customer = f"cus_of_{organization.slug}"
        self.customers[customer] = {"id": customer, "object": "customer"}
        type(organization).objects.filter(pk=organization.pk).update(stripe_customer_id=customer)
        organization.refresh_from_db()
        return customer


def signed(body: bytes, secret: str, *, at: float | None = None) -> str:
    return stripe.WebhookSignature.generate_signature_header(body.decode(), secret, int(at or time.time()))


def deliver(event: Any, secret: str = SECRET, *, signature: str | None = None) -> Any:
    """The webhook as Stripe sends it."""
    body = event if isinstance(event, bytes) else orjson.dumps(event)
    header = signed(body, secret) if signature is None else signature
    return Client(raise_request_exception=False).post(
        "/webhooks/stripe", body, content_type="application/json", headers={"Stripe-Signature": header}
    )
