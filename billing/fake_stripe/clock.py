"""Time passes: by itself, or at once for one subscription.

The clock is not moved; what a subscription remembers is moved into the past instead, so that its dates stay right for
whoever reads them with a real clock.
"""

from __future__ import annotations

from billing.fake_stripe.account import DAY, HOUR, Account
from billing.fake_stripe.collection import collect
from billing.fake_stripe.endings import ENDED, end_subscription
from billing.fake_stripe.invoices import invoices_of, open_invoices
from billing.fake_stripe.periods import period_end
from billing.fake_stripe.store import Object
from billing.fake_stripe.subscriptions import end_trial, start_period

INCOMPLETE_HOURS = 23
PERIOD = ("current_period_start", "current_period_end")
MOMENTS = ("billing_cycle_anchor", "cancel_at", "canceled_at", "created", "start_date", "trial_end", "trial_start")
INVOICE_MOMENTS = ("created", "next_payment_attempt", "period_end", "period_start")
MOST_STEPS = 500  # a step renews, retries or ends; ten years by the month are 120


def let_pass(account: Account, subscription: Object, seconds: int) -> None:
    """`seconds` later in the life of one subscription: renewals, retries and ends come in their order."""
    arrival = account.now() + seconds
    while seconds > 0:
        # From due moment to due moment: each step sees the state that the one before left.
        step = min(seconds, max(1, (next_due(account, subscription) or arrival) - account.now()))
        _move(account, subscription["id"], step)
        seconds -= step
        subscription = run_due(account, account.get("subscription", subscription["id"]))


def _move(account: Account, identifier: str, seconds: int) -> None:
    subscription = account.get("subscription", identifier)
    _shift(subscription, MOMENTS, seconds)
    for item in subscription["items"]["data"]:
        _shift(item, (*PERIOD, "created"), seconds)
    account.store.save(subscription)
    for invoice in invoices_of(account, subscription):
        _shift(invoice, INVOICE_MOMENTS, seconds)
        account.store.save(invoice)


def _shift(found: Object, names: tuple[str, ...], seconds: int) -> None:
    for name in names:
        if found.get(name) is not None:
            found[name] -= seconds


def next_due(account: Account, subscription: Object) -> int | None:
    """The moment at which something happens next by itself; None for never."""
    if subscription["status"] in ENDED:
        return None
    if subscription["status"] == "incomplete":
        return int(subscription["created"]) + INCOMPLETE_HOURS * HOUR
    moments = [subscription["cancel_at"]]
    if subscription["status"] != "paused":
        moments.append(period_end(subscription))
        moments += [invoice["next_payment_attempt"] for invoice in open_invoices(account, subscription)]
    return min((moment for moment in moments if moment is not None), default=None)


def run_due(account: Account, subscription: Object) -> Object:
    """Does all that is due by now; the subscription afterwards."""
    for _ in range(MOST_STEPS):
        due = next_due(account, subscription)
        if due is None or due > account.now():
            break
        _happen(account, subscription, due)
        subscription = account.get("subscription", subscription["id"])
    return subscription


def _happen(account: Account, subscription: Object, due: int) -> None:
    if subscription["status"] == "incomplete":
        end_subscription(account, subscription, reason="payment_failed", status="incomplete_expired")
    elif subscription["cancel_at"] is not None and subscription["cancel_at"] <= due:
        end_subscription(account, subscription)
    elif retry := next((each for each in open_invoices(account, subscription) if _is_due(each, due)), None):
        collect(account, retry)
    elif subscription["status"] == "trialing":
        end_trial(account, subscription)
    else:
        start_period(account, subscription, at=period_end(subscription))


def _is_due(invoice: Object, moment: int) -> bool:
    return invoice["next_payment_attempt"] is not None and invoice["next_payment_attempt"] <= moment


def run_everything_due(account: Account) -> None:
    """What a running server does every few seconds."""
    with account.store.transaction():
        for subscription in account.store.every("subscription"):
            run_due(account, subscription)
        for session in account.store.every("checkout.session"):
            if session["status"] == "open" and session["expires_at"] <= account.now():
                account.change(session, event="checkout.session.expired", status="expired", url=None)


def advance(account: Account, subscription: Object, *, days: int = 0, to_period_end: bool = False) -> Object:
    seconds = period_end(subscription) - account.now() if to_period_end else days * DAY
    let_pass(account, subscription, max(seconds, 1))
    return account.get("subscription", subscription["id"])
