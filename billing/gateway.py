"""All that is said to Stripe, and the only module that imports it.

Plain values in and out: what Stripe answers is read here and nowhere else, and whatever goes wrong becomes a `Problem`.
Nothing here touches the database, and callers hold no row's lock while Stripe answers.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import stripe
from django.conf import settings

from billing.problems import BillingNotConfigured, BillingUnavailable, StripeRefused, WebhookSignatureInvalid

logger = logging.getLogger(__name__)

# Objects are read as this version writes them, whatever the account's default is.
API_VERSION = "2026-10-28.endive"
CONNECT_SECONDS, READ_SECONDS = 3.0, 6.0
RETRIES = 1
SIGNATURE_VALID_SECONDS = 300
# Stripe keeps a session open for at least half an hour.
CHECKOUT_OPEN_FOR = datetime.timedelta(minutes=60)

stripe.enable_telemetry = False


@dataclass(frozen=True, slots=True)
class SubscriptionRead:
    """A subscription as Stripe tells it now; `current_period_end` is the earliest of its items."""

    stripe_id: str
    status: str
    price_ids: tuple[str, ...]
    current_period_end: datetime.datetime | None
    cancel_at: datetime.datetime | None
    ended_at: datetime.datetime | None
    created_at: datetime.datetime


@dataclass(frozen=True, slots=True)
class Checkout:
    """`status` is open, complete or expired; only an open one has a URL."""

    stripe_id: str
    status: str
    url: str
    expires_at: datetime.datetime


@dataclass(frozen=True, slots=True)
class EventRead:
    event_id: str
    type: str
    customer_id: str
    object_id: str
    occurred_at: datetime.datetime


def is_configured() -> bool:
    return bool(settings.STRIPE_SECRET_KEY)


def create_customer(*, name: str, email: str, metadata: dict[str, str]) -> str:
    """The customer's id. Asked again with the same values within a day, Stripe answers with the same customer."""
    params: dict[str, Any] = {"name": name, "email": email, "metadata": metadata}
    key = hashlib.sha256(repr(sorted(params.items())).encode()).hexdigest()
    with _refusals_named():
        answer = _client().v1.customers.create(params, {"idempotency_key": f"customer-{key}"})  # type: ignore[arg-type]
        return _text(answer.to_dict(), "id")


def open_checkout(
    *, customer_id: str, price_id: str, success_url: str, cancel_url: str, reference: str, idempotency_key: str
) -> Checkout:
    now = datetime.datetime.now(datetime.UTC)
    params: Any = {
        "mode": "subscription",
        "customer": customer_id,
        "client_reference_id": reference,
        "line_items": [{"price": price_id, "quantity": 1}],
        "success_url": success_url,
        "cancel_url": cancel_url,
        "expires_at": int((now + CHECKOUT_OPEN_FOR).timestamp()),
        "allow_promotion_codes": True,
    }
    with _refusals_named():
        return _checkout(_client().v1.checkout.sessions.create(params, {"idempotency_key": idempotency_key}).to_dict())


def checkout(stripe_id: str) -> Checkout:
    with _refusals_named():
        return _checkout(_client().v1.checkout.sessions.retrieve(stripe_id).to_dict())


def expire_checkout(stripe_id: str) -> None:
    """A session that is not open any more stays as it is."""
    try:
        with _refusals_named():
            _client().v1.checkout.sessions.expire(stripe_id)
    except StripeRefused as refusal:
        logger.info("checkout session %s was not expired: %s", stripe_id, refusal.detail)


def open_portal(*, customer_id: str, return_url: str) -> str:
    """The URL of a portal session, good for some minutes."""
    with _refusals_named():
        answer = _client().v1.billing_portal.sessions.create({"customer": customer_id, "return_url": return_url})
        return _web_address(answer.to_dict())


def subscriptions_of(customer_id: str) -> list[SubscriptionRead]:
    """Every subscription the customer has or had. Raises `StripeRefused` for a customer Stripe does not know."""
    with _refusals_named():
        return [
            _subscription(row)
            for row in _every_row(
                _client().v1.subscriptions.list, {"customer": customer_id, "status": "all", "limit": 100}
            )
        ]


def cancel_subscription(stripe_id: str) -> None:
    """At once. One that has ended already stays as it is."""
    try:
        with _refusals_named():
            _client().v1.subscriptions.cancel(stripe_id)
    except StripeRefused as refusal:
        if refusal.code != "resource_missing":
            raise


def events_since(moment: datetime.datetime, types: frozenset[str]) -> list[EventRead]:
    """What happened since, the newest first; Stripe remembers thirty days."""
    with _refusals_named():
        return [
            read_event(row)
            for row in _every_row(
                _client().v1.events.list,
                {"created": {"gte": int(moment.timestamp())}, "types": sorted(types), "limit": 100},
            )
        ]


def verify_webhook(body: bytes, signature: str) -> None:
    """Raises `WebhookSignatureInvalid` unless one of the secrets signed this body within the last five minutes."""
    if not settings.STRIPE_WEBHOOK_SECRETS:
        raise BillingNotConfigured("STRIPE_WEBHOOK_SECRET is not set on this server, so no webhook can be verified.")
    if not signature.isascii() or not any(_is_signed(body, signature, s) for s in settings.STRIPE_WEBHOOK_SECRETS):
        raise WebhookSignatureInvalid("The header Stripe-Signature is missing, too old, or not made with our secret.")


def read_event(event: Any) -> EventRead:
    """Raises KeyError, TypeError or ValueError for what is no event."""
    about = event["data"]["object"]
    customer = about.get("customer") or ""
    return EventRead(
        event_id=_text(event, "id"),
        type=_text(event, "type", most=100),
        customer_id=_text(customer if isinstance(customer, dict) else {"id": customer}, "id"),
        object_id=_text({"id": about.get("id") or ""}, "id"),
        occurred_at=_moment(event["created"]),
    )


def _is_signed(body: bytes, signature: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret, SIGNATURE_VALID_SECONDS)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True


def _client() -> stripe.StripeClient:
    if not is_configured():
        raise BillingNotConfigured("STRIPE_SECRET_KEY is not set on this server.")
    return _client_of(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE)


@lru_cache(maxsize=4)
def _client_of(secret_key: str, api_base: str) -> stripe.StripeClient:
    return stripe.StripeClient(
        secret_key,
        stripe_version=API_VERSION,
        base_addresses={"api": api_base},
        max_network_retries=RETRIES,
        http_client=stripe.RequestsClient(timeout=(CONNECT_SECONDS, READ_SECONDS)),
    )


@contextmanager
def _refusals_named() -> Iterator[None]:
    """Everything that Stripe, the network or a garbled answer can do, as a Problem; the log holds the reason."""
    try:
        yield
    except stripe.RateLimitError as error:
        logger.warning("Stripe limits our rate: %s", error)
        raise BillingUnavailable(
            "Stripe is busy. Try again in a moment.", headers={"Retry-After": _retry_after(error)}
        ) from error
    except stripe.InvalidRequestError as error:
        logger.error("Stripe refused a request: %s (%s, %s)", error, error.code, error.param)
        raise StripeRefused(
            "Stripe refused the request.", code=error.code or "", parameter=error.param or ""
        ) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        logger.error("Stripe refuses our key: %s", error)
        raise BillingUnavailable(
            "Stripe refuses this server's key. Whoever runs the server has to look at it.",
            headers={"Retry-After": "600"},
        ) from error
    except stripe.StripeError as error:
        logger.warning("Stripe does not answer: %s: %s", type(error).__name__, str(error)[:500])
        raise BillingUnavailable(
            "Stripe does not answer. Nothing was charged; try again in a minute.", headers={"Retry-After": "30"}
        ) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        logger.warning("Stripe's answer cannot be read: %s: %s", type(error).__name__, error)
        raise BillingUnavailable(
            "Stripe answers something that cannot be read. Try again in a minute.", headers={"Retry-After": "30"}
        ) from error


def _retry_after(error: stripe.StripeError) -> str:
    seconds = str((error.headers or {}).get("retry-after", ""))
    return seconds if seconds.isdecimal() and int(seconds) <= 3600 else "5"


def _every_row(ask: Callable[[Any], Any], params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Page by page, a thousand rows at most: more would be somebody's loop and no subscriptions."""
    after: dict[str, Any] = {}
    for _ in range(10):
        page = ask(params | after).to_dict()
        rows = page["data"]
        yield from rows
        if not rows or not page["has_more"]:
            return
        after = {"starting_after": rows[-1]["id"]}


def _subscription(row: dict[str, Any]) -> SubscriptionRead:
    items = row["items"]["data"]
    ends = [_moment(item["current_period_end"]) for item in items if item.get("current_period_end")]
    end = min(ends, default=None)
    at_period_end = end if row.get("cancel_at_period_end") else None
    return SubscriptionRead(
        stripe_id=_text(row, "id"),
        status=_text(row, "status", most=30),
        price_ids=tuple(_text(item["price"], "id") for item in items),
        current_period_end=end,
        cancel_at=_moment(row["cancel_at"]) if row.get("cancel_at") else at_period_end,
        ended_at=_moment(row["ended_at"]) if row.get("ended_at") else None,
        created_at=_moment(row["created"]),
    )


def _checkout(row: dict[str, Any]) -> Checkout:
    status = _text(row, "status")
    return Checkout(
        stripe_id=_text(row, "id"),
        status=status,
        url=_web_address(row) if status == "open" else "",
        expires_at=_moment(row["expires_at"]),
    )


def _text(row: Any, name: str, *, most: int = 255) -> str:
    value = row[name]
    if not isinstance(value, str) or len(value) > most or "\0" in value:
        raise ValueError(f"{name} is no text")
    return value


def _web_address(row: Any) -> str:
    url = _text(row, "url", most=5000)
    if not url.startswith(("https://", "http://")):
        raise ValueError("url is no web address")
    return url


def _moment(value: Any) -> datetime.datetime:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**35:
        raise ValueError("a moment is no number of seconds")
    return datetime.datetime.fromtimestamp(value, datetime.UTC)
