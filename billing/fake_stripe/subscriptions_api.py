"""`/v1/subscriptions`, `/v1/invoices`, `/v1/events`."""

from __future__ import annotations

import fnmatch

from billing.fake_stripe.account import Account
from billing.fake_stripe.collection import pay_invoice
from billing.fake_stripe.endings import ENDED, UPDATED, end_subscription
from billing.fake_stripe.errors import Refusal
from billing.fake_stripe.invoices import subscription_of
from billing.fake_stripe.parameters import Parameters
from billing.fake_stripe.routing import endpoint, page
from billing.fake_stripe.store import Object
from billing.fake_stripe.subscriptions import (
    STATUSES,
    cancel_later,
    change_items,
    do_not_cancel,
    extend_trial,
    make_item,
    resume,
    start_subscription,
)

WITHOUT_CARD = ("create_invoice", "pause", "cancel")
NO_EFFECT = (
    "automatic_tax",
    "billing_mode",
    "collection_method",
    "description",
    "off_session",
    "payment_behavior",
    "payment_settings",
    "proration_behavior",
    "proration_date",
)


def read_items(account: Account, parameters: Parameters, name: str) -> list[tuple[Object, int]]:
    """Prices with their quantities, of new items."""
    items = []
    for item in parameters.children(name):
        price = item.required("price")
        items.append((active_price(account, price, item.full("price")), item.integer("quantity", 1, least=1) or 1))
        item.without_effect("adjustable_quantity", "metadata", "tax_rates")
        item.finish()
    if not items:
        raise Refusal(f"Missing required param: {name}.", code="parameter_missing", param=name)
    return items


def active_price(account: Account, identifier: str, param: str) -> Object:
    price = account.get("price", identifier, param=param)
    if not price["active"]:
        raise Refusal(
            f"The price specified is inactive. This field only accepts active prices. ({identifier})", param=param
        )
    return price


@endpoint("POST", "/subscriptions")
def create_subscription(account: Account, parameters: Parameters) -> Object:
    customer = parameters.required("customer")
    items = read_items(account, parameters, "items")
    metadata, now = parameters.metadata(), account.now()
    trial_end = parameters.moment("trial_end", now=now)
    days = parameters.integer("trial_period_days", least=1)
    method = parameters.text("default_payment_method")
    settings = parameters.child("trial_settings").child("end_behavior")
    without_card = settings.choice("missing_payment_method", WITHOUT_CARD, "create_invoice") or "create_invoice"
    parameters.without_effect(*NO_EFFECT)
    parameters.finish()
    account.get("customer", customer, param="customer")
    until = now + days * 86_400 if days else trial_end
    return start_subscription(
        account,
        customer=customer,
        items=items,
        metadata=metadata,
        trial_end=until if until and until > now else None,
        without_card=without_card,
        payment_method=method,
    )


@endpoint("GET", "/subscriptions")
def list_subscriptions(account: Account, parameters: Parameters) -> Object:
    """Without `status` the canceled ones are left out, as at Stripe."""
    status = parameters.choice("status", (*STATUSES, "all", "ended"))
    customer, price = parameters.text("customer"), parameters.text("price")
    parameters.without_effect("collection_method")
    found = [
        each
        for each in account.store.every("subscription")
        if customer in {None, each["customer"]}
        and (price is None or price in {item["price"]["id"] for item in each["items"]["data"]})
        and _has_status(each["status"], status)
    ]
    return page(account, found, parameters, "/subscriptions")


def _has_status(status: str, wanted: str | None) -> bool:
    if wanted is None:
        return status != "canceled"
    return wanted in {"all", status} or (wanted == "ended" and status in ENDED)


@endpoint("GET", "/subscriptions/{}")
def retrieve_subscription(account: Account, parameters: Parameters, identifier: str) -> Object:
    return account.get("subscription", identifier)


@endpoint("POST", "/subscriptions/{}")
def update_subscription(account: Account, parameters: Parameters, identifier: str) -> Object:
    subscription = _running(account, identifier)
    items = _changed_items(account, parameters, subscription)
    at_period_end, now = parameters.flag("cancel_at_period_end"), account.now()
    has_cancel_at = "cancel_at" in parameters
    cancel_at = parameters.moment("cancel_at", now=now)
    trial_end = parameters.moment("trial_end", now=now)
    changes: Object = {"metadata": parameters.metadata(subscription["metadata"])}
    if "default_payment_method" in parameters:
        changes["default_payment_method"] = parameters.text("default_payment_method")
    parameters.without_effect(*NO_EFFECT, "cancellation_details")
    parameters.finish()
    account.change(subscription, event=UPDATED, **changes)
    if items != subscription["items"]["data"]:
        change_items(account, subscription, items)
    subscription = account.get("subscription", identifier)
    if at_period_end or cancel_at:
        cancel_later(account, subscription, at=cancel_at)
    elif at_period_end is False or has_cancel_at:
        do_not_cancel(account, subscription)
    if trial_end:
        extend_trial(account, subscription, trial_end)
    return account.get("subscription", identifier)


def _changed_items(account: Account, parameters: Parameters, subscription: Object) -> list[Object]:
    """The items as they will be; one without an id is a new one."""
    items: dict[str, Object] = {item["id"]: item for item in subscription["items"]["data"]}
    period = {name: value for name, value in subscription["items"]["data"][0].items() if name.startswith("current_")}
    for given in parameters.children("items"):
        identifier, price_id = given.text("id"), given.text("price")
        quantity, is_deleted = given.integer("quantity", least=1), given.flag("deleted", False)
        given.without_effect("metadata")
        given.finish()
        if identifier is not None and identifier not in items:
            raise Refusal(f"No such subscription_item: '{identifier}'", code="resource_missing", param=given.within)
        if identifier is None:
            price = active_price(account, price_id or "", given.full("price"))
            made = make_item(account, subscription["id"], price, quantity or 1, **period)
            items[made["id"]] = made
        elif is_deleted:
            del items[identifier]
        else:
            item = items[identifier]
            is_other = price_id is not None and price_id != item["price"]["id"]
            price = active_price(account, price_id, given.full("price")) if is_other and price_id else item["price"]
            items[identifier] = {**item, "price": price, "quantity": quantity or item["quantity"]}
    if not items:
        raise Refusal("A subscription must have at least one active plan.", param="items")
    return list(items.values())


@endpoint("DELETE", "/subscriptions/{}")
def cancel_subscription(account: Account, parameters: Parameters, identifier: str) -> Object:
    subscription = _running(account, identifier)
    parameters.without_effect("cancellation_details", "invoice_now", "prorate")
    parameters.finish()
    end_subscription(account, subscription)
    return subscription


@endpoint("POST", "/subscriptions/{}/resume")
def resume_subscription(account: Account, parameters: Parameters, identifier: str) -> Object:
    subscription = _running(account, identifier)
    parameters.without_effect("billing_cycle_anchor", "proration_behavior")
    parameters.finish()
    resume(account, subscription)
    return account.get("subscription", identifier)


def _running(account: Account, identifier: str) -> Object:
    """Stripe tells an ended subscription to who retrieves it, and knows none to who would change it."""
    subscription = account.get("subscription", identifier)
    if subscription["status"] in ENDED:
        raise Refusal(f"No such subscription: '{identifier}'", status=404, code="resource_missing", param="id")
    return subscription


@endpoint("GET", "/invoices")
def list_invoices(account: Account, parameters: Parameters) -> Object:
    customer, subscription = parameters.text("customer"), parameters.text("subscription")
    status = parameters.choice("status", ("draft", "open", "paid", "uncollectible", "void"))
    found = [
        each
        for each in account.store.every("invoice")
        if customer in {None, each["customer"]}
        and subscription in {None, subscription_of(each)}
        and status in {None, each["status"]}
    ]
    return page(account, found, parameters, "/invoices")


@endpoint("GET", "/invoices/{}")
def retrieve_invoice(account: Account, parameters: Parameters, identifier: str) -> Object:
    return account.get("invoice", identifier)


@endpoint("POST", "/invoices/{}/pay")
def pay_open_invoice(account: Account, parameters: Parameters, identifier: str) -> Object:
    invoice = account.get("invoice", identifier)
    parameters.without_effect("off_session")
    parameters.finish()
    return pay_invoice(account, invoice)


@endpoint("GET", "/events")
def list_events(account: Account, parameters: Parameters) -> Object:
    kind, kinds = parameters.text("type"), parameters.texts("types")
    has_arrived = parameters.flag("delivery_success")
    patterns = [kind] if kind else kinds
    found = [
        each
        for each in account.store.every("event")
        if not patterns or any(fnmatch.fnmatchcase(each["type"], pattern) for pattern in patterns)
    ]
    if has_arrived is not None:
        found = [each for each in found if (each["pending_webhooks"] == 0) is has_arrived]
    return page(account, found, parameters, "/events")


@endpoint("GET", "/events/{}")
def retrieve_event(account: Account, parameters: Parameters, identifier: str) -> Object:
    return account.get("event", identifier)
