"""The switches: let time pass, let payments fail, break the API, send events again."""

from __future__ import annotations

from collections.abc import Callable

from billing.fake_stripe.account import Account
from billing.fake_stripe.cards import FAILING_LATER, WORKING, card_of
from billing.fake_stripe.clock import advance
from billing.fake_stripe.delivery import send_again
from billing.fake_stripe.endings import ENDED, UPDATED, end_subscription
from billing.fake_stripe.errors import Refusal
from billing.fake_stripe.faults import set_fault
from billing.fake_stripe.store import Object
from billing.fake_stripe.subscriptions import STATUSES

Form = dict[str, str]
AFTER_LAST_ATTEMPT = ("cancel", "unpaid", "past_due")
LONGEST_STEP_DAYS = 3660


def _subscription(account: Account, form: Form) -> Object:
    return account.get("subscription", form.get("subscription", ""), param="subscription")


def let_time_pass(account: Account, form: Form) -> None:
    """`days`, or `to=period_end`."""
    subscription = _subscription(account, form)
    if form.get("to") == "period_end":
        advance(account, subscription, to_period_end=True)
        return
    days = form.get("days", "")
    if not days.isdecimal() or not 0 < int(days) <= LONGEST_STEP_DAYS:
        raise Refusal(f"days: a number from 1 to {LONGEST_STEP_DAYS}.", param="days")
    advance(account, subscription, days=int(days))


def let_payments(account: Account, form: Form) -> None:
    """`outcome=fail` or `succeed`, from the next payment on."""
    outcome = form.get("outcome")
    method = card_of(account, _subscription(account, form))
    if outcome not in {"fail", "succeed"} or method is None:
        raise Refusal("outcome: fail or succeed, for a subscription that has a card.", param="outcome")
    account.store.save({**method, "_number": FAILING_LATER if outcome == "fail" else WORKING})


def set_status(account: Account, form: Form) -> None:
    """Any status at once, without the way that leads there."""
    subscription, status = _subscription(account, form), form.get("status", "")
    if status not in STATUSES:
        raise Refusal(f"status: one of {', '.join(STATUSES)}.", param="status")
    if status == "canceled":
        end_subscription(account, subscription)
    else:
        account.change(subscription, event=UPDATED, status=status)


def set_after_last_attempt(account: Account, form: Form) -> None:
    what = form.get("what", "")
    if what not in AFTER_LAST_ATTEMPT:
        raise Refusal(f"what: one of {', '.join(AFTER_LAST_ATTEMPT)}.", param="what")
    account.store.remember("after_last_attempt", what)


def switch_fault(account: Account, form: Form) -> None:
    """`kind` (none to end it), `seconds` of slowness, `count` of requests."""
    seconds, count = form.get("seconds") or "5", form.get("count") or ""
    if not seconds.isdecimal() or not (count == "" or count.isdecimal()):
        raise Refusal("seconds and count are whole numbers.", param="seconds")
    set_fault(account, form.get("kind") or None, seconds=int(seconds), count=int(count) if count else None)


def resend(account: Account, form: Form) -> None:
    if account.webhook_url is None:
        raise Refusal("Webhooks are not sent.")
    send_again(account, account.get("event", form.get("event", "")))


def begin_anew(account: Account, form: Form) -> None:
    """Ends what runs and tells it, so that the site agrees; customers stay, because the site goes on knowing them."""
    for subscription in account.store.every("subscription"):
        if subscription["status"] not in ENDED:
            end_subscription(account, subscription)
    for session in account.store.every("checkout.session"):
        if session["status"] == "open":
            account.change(session, event="checkout.session.expired", status="expired", url=None)
    account.forget_switches()


SWITCHES: dict[str, Callable[[Account, Form], None]] = {
    "time": let_time_pass,
    "payments": let_payments,
    "status": set_status,
    "after-last-attempt": set_after_last_attempt,
    "fault": switch_fault,
    "resend": resend,
    "begin-anew": begin_anew,
}
