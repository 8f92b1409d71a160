"""`/v1/customers`, `/v1/products`, `/v1/prices`, `/v1/payment_methods`."""

from __future__ import annotations

from billing.fake_stripe.account import Account, price, product
from billing.fake_stripe.cards import FAILING_LATER, WORKING, attach_card
from billing.fake_stripe.endings import ENDED, end_subscription
from billing.fake_stripe.errors import Refusal, missing
from billing.fake_stripe.parameters import Parameters
from billing.fake_stripe.routing import endpoint, page
from billing.fake_stripe.store import Object, new_id
from billing.fake_stripe.subscriptions import subscriptions_of

TEXTS = ("description", "email", "name", "phone")
MOST_OF_AN_EMAIL = 512
TEST_METHODS = {"pm_card_visa": WORKING, "pm_card_chargeCustomerFail": FAILING_LATER}


def make_customer(account: Account, **more: object) -> Object:
    """Stored and told."""
    customer = {
        "id": new_id("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": account.now(),
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": None,
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None},
        "livemode": False,
        "metadata": {},
        "name": None,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
        **more,
    }
    return account.create(customer, event="customer.created")


def _read_customer(account: Account, parameters: Parameters, before: Object) -> Object:
    changes: Object = {name: parameters.text(name) for name in TEXTS if name in parameters}
    if "@" not in (changes.get("email") or "@") or len(changes.get("email") or "") > MOST_OF_AN_EMAIL:
        raise Refusal(f"Invalid email address: {changes['email']}", code="email_invalid", param="email")
    changes["metadata"] = parameters.metadata(before.get("metadata"))
    settings = parameters.child("invoice_settings")
    if "default_payment_method" in settings:
        changes["invoice_settings"] = {
            **before["invoice_settings"],
            "default_payment_method": settings.text("default_payment_method"),
        }
    settings.without_effect("custom_fields", "footer", "rendering_options")
    settings.finish()
    parameters.without_effect("address", "preferred_locales", "shipping", "tax", "tax_exempt", "balance")
    return changes


@endpoint("POST", "/customers")
def create_customer(account: Account, parameters: Parameters) -> Object:
    changes = _read_customer(account, parameters, {"invoice_settings": {}})
    payment_method = parameters.text("payment_method")
    parameters.finish()
    changes.pop("invoice_settings", None)
    customer = make_customer(account, **changes)
    if payment_method:
        attach_card(account, customer["id"], _test_card(payment_method))
    return account.get("customer", customer["id"])


@endpoint("GET", "/customers")
def list_customers(account: Account, parameters: Parameters) -> Object:
    email = parameters.text("email")
    found = [each for each in account.store.every("customer") if email in {None, each["email"]}]
    return page(account, found, parameters, "/customers")


@endpoint("GET", "/customers/{}")
def retrieve_customer(account: Account, parameters: Parameters, identifier: str) -> Object:
    """A deleted customer is told as a stub."""
    found = account.store.find(identifier, "customer")
    if found is None:
        raise missing("customer", identifier)
    if found.get("deleted"):
        return found
    own = subscriptions_of(account, identifier)
    listed = {
        "object": "list",
        "data": [each for each in own if each["status"] not in ENDED],
        "has_more": False,
        "url": f"/v1/customers/{identifier}/subscriptions",
    }
    return {**found, "_subscriptions": listed}


@endpoint("POST", "/customers/{}")
def update_customer(account: Account, parameters: Parameters, identifier: str) -> Object:
    customer = account.get("customer", identifier)
    changes = _read_customer(account, parameters, customer)
    parameters.finish()
    account.change(customer, event="customer.updated", **changes)
    return customer


@endpoint("DELETE", "/customers/{}")
def delete_customer(account: Account, parameters: Parameters, identifier: str) -> Object:
    """Ends the customer's subscriptions, as Stripe does."""
    customer = account.get("customer", identifier)
    parameters.finish()
    for subscription in subscriptions_of(account, identifier):
        if subscription["status"] not in ENDED:
            end_subscription(account, subscription)
    stub = {"id": identifier, "object": "customer", "deleted": True}
    account.store.save(stub)
    account.emit("customer.deleted", customer)
    return stub


@endpoint("GET", "/customers/{}/payment_methods")
def list_payment_methods(account: Account, parameters: Parameters, identifier: str) -> Object:
    account.get("customer", identifier)
    parameters.without_effect("type", "allow_redisplay")
    found = [each for each in account.store.every("payment_method") if each["customer"] == identifier]
    return page(account, found, parameters, f"/customers/{identifier}/payment_methods")


@endpoint("POST", "/payment_methods/{}/attach")
def attach_payment_method(account: Account, parameters: Parameters, identifier: str) -> Object:
    """Stripe's test methods `pm_card_visa` and `pm_card_chargeCustomerFail`."""
    customer = parameters.required("customer")
    parameters.finish()
    account.get("customer", customer, param="customer")
    return attach_card(account, customer, _test_card(identifier))


@endpoint("GET", "/payment_methods/{}")
def retrieve_payment_method(account: Account, parameters: Parameters, identifier: str) -> Object:
    return account.get("payment_method", identifier, param="payment_method")


def _test_card(name: str) -> str:
    if name not in TEST_METHODS:
        raise missing("payment_method", name, param="payment_method")
    return TEST_METHODS[name]


@endpoint("POST", "/products")
def create_product(account: Account, parameters: Parameters) -> Object:
    identifier = parameters.text("id") or new_id("prod")
    name = parameters.required("name")
    more: Object = {"description": parameters.text("description"), "metadata": parameters.metadata()}
    more["active"] = parameters.flag("active", True)
    parameters.finish()
    if account.store.find(identifier):
        raise Refusal(f"Product already exists: {identifier}", code="resource_already_exists", param="id")
    return account.create(product(identifier, name, created=account.now(), **more), event="product.created")


@endpoint("GET", "/products")
def list_products(account: Account, parameters: Parameters) -> Object:
    active = parameters.flag("active")
    found = [each for each in account.store.every("product") if active in {None, each["active"]}]
    return page(account, found, parameters, "/products")


@endpoint("GET", "/products/{}")
def retrieve_product(account: Account, parameters: Parameters, identifier: str) -> Object:
    return account.get("product", identifier)


@endpoint("POST", "/prices")
def create_price(account: Account, parameters: Parameters) -> Object:
    """Recurring prices in dollars."""
    amount = parameters.integer("unit_amount", least=0)
    parameters.choice("currency", ("usd",), "usd")
    recurring = parameters.child("recurring")
    interval = recurring.choice("interval", ("day", "week", "month", "year"))
    recurring.without_effect("usage_type")
    recurring.finish()
    belongs_to = parameters.required("product")
    more = {name: parameters.text(name) for name in ("lookup_key", "nickname")}
    metadata, active = parameters.metadata(), parameters.flag("active", True)
    parameters.finish()
    account.get("product", belongs_to, param="product")
    if amount is None or interval is None:
        wanting = "unit_amount" if amount is None else "recurring[interval]"
        raise Refusal(f"Missing required param: {wanting}.", code="parameter_missing", param=wanting)
    made = price(
        new_id("price", 24),
        belongs_to,
        amount,
        interval,
        created=account.now(),
        active=active,
        metadata=metadata,
        **more,
    )
    return account.create(made, event="price.created")


@endpoint("GET", "/prices")
def list_prices(account: Account, parameters: Parameters) -> Object:
    active, belongs_to = parameters.flag("active"), parameters.text("product")
    keys = parameters.texts("lookup_keys")
    parameters.without_effect("currency", "type", "recurring")
    found = [
        each
        for each in account.store.every("price")
        if active in {None, each["active"]}
        and belongs_to in {None, each["product"]}
        and (not keys or each["lookup_key"] in keys)
    ]
    return page(account, found, parameters, "/prices")


@endpoint("GET", "/prices/{}")
def retrieve_price(account: Account, parameters: Parameters, identifier: str) -> Object:
    return account.get("price", identifier)


@endpoint("POST", "/prices/{}")
def update_price(account: Account, parameters: Parameters, identifier: str) -> Object:
    found = account.get("price", identifier)
    changes: Object = {"metadata": parameters.metadata(found["metadata"])}
    changes["active"] = parameters.flag("active", found["active"])
    changes["nickname"] = parameters.text("nickname", found["nickname"])
    parameters.finish()
    account.change(found, event="price.updated", **changes)
    return found
