"""`/v1/checkout/sessions` and `/v1/billing_portal/sessions`."""

from __future__ import annotations

from billing.fake_stripe.account import DAY, Account
from billing.fake_stripe.errors import Refusal
from billing.fake_stripe.parameters import Parameters
from billing.fake_stripe.routing import endpoint, page
from billing.fake_stripe.store import Object, new_id
from billing.fake_stripe.subscriptions_api import WITHOUT_CARD, read_items

SHORTEST, LONGEST = 30 * 60, DAY  # how long a session may stay open, in seconds
MOST_OF_A_REFERENCE = 200
NO_EFFECT = (
    "allow_promotion_codes",
    "automatic_tax",
    "billing_address_collection",
    "consent_collection",
    "custom_text",
    "customer_update",
    "locale",
    "payment_method_types",
    "phone_number_collection",
    "saved_payment_method_options",
    "submit_type",
    "tax_id_collection",
)
FLOWS = ("payment_method_update", "subscription_cancel", "subscription_update", "subscription_update_confirm")


@endpoint("POST", "/checkout/sessions")
def create_checkout_session(account: Account, parameters: Parameters) -> Object:
    """For subscriptions, on Stripe's own page."""
    if parameters.required("mode") != "subscription":
        raise Refusal("This pretend Stripe knows Checkout with mode=subscription alone.", param="mode")
    parameters.choice("ui_mode", ("hosted", "hosted_page"))
    items = read_items(account, parameters, "line_items")
    urls = {name: parameters.url(name) for name in ("success_url", "cancel_url")}
    if not urls["success_url"]:
        raise Refusal("Missing required param: success_url.", code="parameter_missing", param="success_url")
    customer, email = parameters.text("customer"), parameters.text("customer_email")
    reference = parameters.text("client_reference_id")
    if len(reference or "") > MOST_OF_A_REFERENCE:
        raise Refusal("Invalid string: at most 200 characters", param="client_reference_id")
    if customer and email:
        raise Refusal("You may only specify one of these parameters: customer, customer_email.")
    expires_at = parameters.integer("expires_at") or account.now() + LONGEST
    if not SHORTEST - 60 <= expires_at - account.now() <= LONGEST:
        raise Refusal(
            "The `expires_at` timestamp must be from 30 minutes to 24 hours from Checkout Session creation.",
            param="expires_at",
        )
    collection = parameters.choice("payment_method_collection", ("always", "if_required"), "always")
    subscription = _subscription_data(parameters.child("subscription_data"))
    metadata = parameters.metadata()
    parameters.without_effect(*NO_EFFECT)
    parameters.finish()
    if customer:
        account.get("customer", customer, param="customer")
    total = sum(price["unit_amount"] * quantity for price, quantity in items)
    identifier = new_id("cs_test", 40)
    session = {
        "id": identifier,
        "object": "checkout.session",
        "amount_subtotal": total,
        "amount_total": total,
        "client_reference_id": reference,
        "created": account.now(),
        "currency": "usd",
        "customer": customer,
        "customer_details": {"email": email} if email else None,
        "customer_email": email,
        "expires_at": expires_at,
        "invoice": None,
        "livemode": False,
        "metadata": metadata,
        "mode": "subscription",
        "payment_method_collection": collection,
        "payment_status": "unpaid",
        "status": "open",
        "subscription": None,
        "ui_mode": "hosted_page",
        "url": f"{account.address}/c/{identifier}",
        **urls,
        "_line_items": _line_items(identifier, items),
        "_subscription_data": subscription,
    }
    return account.create(session)


def _subscription_data(parameters: Parameters) -> Object:
    data: Object = {
        "metadata": parameters.metadata(),
        "trial_period_days": parameters.integer("trial_period_days", least=1),
        "trial_end": parameters.integer("trial_end"),
    }
    behavior = parameters.child("trial_settings").child("end_behavior")
    data["without_card"] = behavior.choice("missing_payment_method", WITHOUT_CARD, "create_invoice")
    behavior.finish()
    parameters.without_effect("billing_mode", "description", "proration_behavior")
    parameters.finish()
    return data


def _line_items(session: str, items: list[tuple[Object, int]]) -> Object:
    data = [
        {
            "id": new_id("li"),
            "object": "item",
            "amount_subtotal": price["unit_amount"] * quantity,
            "amount_total": price["unit_amount"] * quantity,
            "currency": price["currency"],
            "price": price,
            "quantity": quantity,
        }
        for price, quantity in items
    ]
    url = f"/v1/checkout/sessions/{session}/line_items"
    return {"object": "list", "data": data, "has_more": False, "url": url}


@endpoint("GET", "/checkout/sessions")
def list_checkout_sessions(account: Account, parameters: Parameters) -> Object:
    wanted = {name: parameters.text(name) for name in ("customer", "status", "subscription")}
    found = [
        each
        for each in account.store.every("checkout.session")
        if all(value in {None, each[name]} for name, value in wanted.items())
    ]
    return page(account, found, parameters, "/checkout/sessions")


@endpoint("GET", "/checkout/sessions/{}")
def retrieve_checkout_session(account: Account, parameters: Parameters, identifier: str) -> Object:
    return account.get("checkout.session", identifier)


@endpoint("GET", "/checkout/sessions/{}/line_items")
def list_line_items(account: Account, parameters: Parameters, identifier: str) -> Object:
    parameters.without_effect("limit")
    found: Object = account.get("checkout.session", identifier)["_line_items"]
    return found


@endpoint("POST", "/checkout/sessions/{}/expire")
def expire_checkout_session(account: Account, parameters: Parameters, identifier: str) -> Object:
    session = account.get("checkout.session", identifier)
    parameters.finish()
    if session["status"] != "open":
        raise Refusal(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of '
            f"{session['status']}."
        )
    account.change(session, event="checkout.session.expired", status="expired", url=None)
    return session


@endpoint("POST", "/billing_portal/sessions")
def create_portal_session(account: Account, parameters: Parameters) -> Object:
    customer, return_url = parameters.required("customer"), parameters.url("return_url")
    flow = parameters.child("flow_data")
    kind = flow.choice("type", FLOWS)
    flow.without_effect(*FLOWS, "after_completion")
    flow.finish()
    parameters.without_effect("configuration", "locale")
    parameters.finish()
    account.get("customer", customer, param="customer")
    identifier = new_id("bps", 24)
    session = {
        "id": identifier,
        "object": "billing_portal.session",
        "configuration": "bpc_pretend",
        "created": account.now(),
        "customer": customer,
        "customer_account": None,
        "flow": {"type": kind} if kind else None,
        "livemode": False,
        "locale": None,
        "on_behalf_of": None,
        "return_url": return_url,
        "url": f"{account.address}/p/{identifier}",
    }
    return account.create(session)
