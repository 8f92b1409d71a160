"""Faults that can be switched on, to see what the site does when Stripe is not well."""

from __future__ import annotations

from typing import NamedTuple

from billing.fake_stripe.account import Account
from billing.fake_stripe.api import Answer
from billing.fake_stripe.errors import Refusal

FAULTS = {
    "down": "ends every connection without an answer",
    "lost": "does what is asked and loses the answer",
    "slow": "answers after the given seconds",
    "500": "answers 500 to everything",
    "429": "says that requests come too fast",
    "garbage": "answers with something that is no JSON",
}
SLOWEST = 120.0


class Fault(NamedTuple):
    kind: str
    seconds: float = 0.0
    left: int | None = None  # how many more requests it strikes; None for all until it is switched off


def set_fault(account: Account, kind: str | None, *, seconds: float = 5.0, count: int | None = None) -> None:
    """`None` ends it."""
    if kind is not None and kind not in FAULTS:
        raise Refusal(f"Unknown fault {kind}: one of {', '.join(FAULTS)}.", param="kind")
    if not 0 <= seconds <= SLOWEST or (count is not None and count < 1):
        raise Refusal(f"From 0 to {SLOWEST:.0f} seconds, and at least one request.", param="seconds")
    account.store.remember("fault", [kind, seconds, count] if kind else None)


def current_fault(account: Account) -> Fault | None:
    known = account.store.fact("fault")
    return Fault(*known) if known else None


def strike(account: Account) -> Fault | None:
    """The fault that hits this request, which it counts."""
    with account.store.transaction():
        fault = current_fault(account)
        if fault and fault.left is not None:
            account.store.remember("fault", [fault.kind, fault.seconds, fault.left - 1] if fault.left > 1 else None)
        return fault


def broken_answer(kind: str) -> Answer | None:
    """What is answered in place of the truth; None where the truth is told, or nothing at all."""
    if kind == "500":
        body = '{"error": {"type": "api_error", "message": "An unknown error occurred (a fault that is switched on)"}}'
        return Answer(500, body, {})
    if kind == "429":
        message = "Request rate limit exceeded (a fault that is switched on)."
        body = f'{{"error": {{"type": "invalid_request_error", "code": "rate_limit", "message": "{message}"}}}}'
        return Answer(429, body, {"Stripe-Rate-Limited-Reason": "global-rate"})
    if kind == "garbage":
        return Answer(200, "<html><body>It works!</body></html>", {"Content-Type": "text/html"})
    return None
