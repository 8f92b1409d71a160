"""The pretend Stripe's API satisfies the real client library, and refuses as Stripe does."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest
import stripe

from tests.billing.fake_stripe_visits import client_of, open_checkout, subscribed, visit


@pytest.fixture
def v1(fake):
    return client_of(fake)


def test_a_customer_is_made_read_changed_and_listed(v1):
    made = v1.customers.create({"name": "Acme", "email": "alice@acme.test", "metadata": {"organization": "acme"}})
    v1.customers.update(made.id, {"name": "Acme Corp", "metadata": {"organization": "", "slug": "acme"}})
    read = v1.customers.retrieve(made.id)
    assert (read.name, read.email, read.metadata.to_dict()) == ("Acme Corp", "alice@acme.test", {"slug": "acme"})
    assert [each.id for each in v1.customers.list({"email": "alice@acme.test"}).data] == [made.id]
    assert v1.customers.list({"email": "gary@globex.test"}).data == []


def test_a_deleted_customer_is_a_stub_whose_subscriptions_have_ended(fake, v1):
    subscription = subscribed(fake)
    assert v1.customers.delete(subscription.customer).deleted
    assert v1.customers.retrieve(subscription.customer).deleted
    assert v1.customers.list().data == []
    assert v1.subscriptions.retrieve(subscription.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        v1.customers.update(subscription.customer, {"name": "Again"})


def test_plans_have_prices_by_the_month_and_the_year_and_a_legacy_one(v1):
    prices = {each.id: each for each in v1.prices.list({"limit": 100, "expand": ["data.product"]}).data}
    assert {(each.product.name, each.recurring.interval, each.unit_amount) for each in prices.values()} == {
        ("Team", "month", 4900),
        ("Team", "year", 49000),
        ("Team", "month", 3900),
        ("Business", "month", 19900),
        ("Business", "year", 199000),
    }
    assert not prices["price_team_legacy"].active
    assert len(v1.products.list({"active": True}).data) == 2


def test_new_prices_can_be_made_and_withdrawn(v1):
    product = v1.products.create({"name": "Enterprise"})
    price = v1.prices.create(
        {"product": product.id, "currency": "usd", "unit_amount": 99900, "recurring": {"interval": "year"}}
    )
    assert v1.prices.update(price.id, {"active": False}).active is False
    assert [each.id for each in v1.prices.list({"product": product.id, "active": False}).data] == [price.id]


def test_the_same_idempotency_key_makes_one_customer(v1):
    first = v1.customers.create({"name": "Acme"}, {"idempotency_key": "once"})
    again = v1.customers.create({"name": "Acme"}, {"idempotency_key": "once"})
    assert again.id == first.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert len(v1.customers.list().data) == 1


def test_an_idempotency_key_with_other_parameters_is_refused(v1):
    v1.customers.create({"name": "Acme"}, {"idempotency_key": "once"})
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        v1.customers.create({"name": "Globex"}, {"idempotency_key": "once"})


def test_a_refused_request_does_not_use_up_its_idempotency_key(v1):
    with pytest.raises(stripe.InvalidRequestError):
        v1.customers.create({"email": "nobody"}, {"idempotency_key": "once"})
    assert v1.customers.create({"email": "alice@acme.test"}, {"idempotency_key": "once"}).email == "alice@acme.test"


@pytest.mark.parametrize("key", ["sk_test_of_somebody_else", "rk_live_x"])
def test_another_key_is_401(fake, key):
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key"):
        client_of(fake, key=key).customers.list()


def test_no_key_is_401_in_stripes_shape(fake):
    page = visit(f"{fake.url}/v1/customers")
    assert page.status == 401
    assert '"type": "invalid_request_error"' in page.text


@pytest.mark.parametrize(
    ("path", "parameters", "param"),
    [
        ("customers", {"nme": "Acme"}, "nme"),
        ("customers", {"email": "no address"}, "email"),
        ("customers", {"metadata": ["a"]}, "metadata"),
        ("prices", {"product": "prod_team", "currency": "usd"}, "unit_amount"),
        ("checkout.sessions", {"mode": "payment"}, "mode"),
        ("checkout.sessions", {"mode": "subscription"}, "line_items"),
        ("subscriptions", {"customer": "cus_x", "items": [{"price": "price_x"}]}, "items[0][price]"),
        ("subscriptions", {"customer": "cus_x", "items": [{"price": "price_team_monthly"}]}, "customer"),
        ("billing_portal.sessions", {"customer": "cus_x"}, "customer"),
        ("billing_portal.sessions", {"customer": "cus_x", "return_url": "javascript:alert(1)"}, "return_url"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_wrong_parameter_is_named(v1, path, parameters, param):
    service = v1
    for name in path.split("."):
        service = getattr(service, name)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        service.create(parameters)
    assert refusal.value.param == param


@pytest.mark.parametrize("kind", ["customers", "subscriptions", "invoices", "events", "prices", "products"])
def test_an_unknown_id_is_404(v1, kind):
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        getattr(v1, kind).retrieve("x_unknown")
    assert (refusal.value.http_status, refusal.value.code) == (404, "resource_missing")


def test_an_inactive_price_is_not_sold(fake):
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        open_checkout(fake, price="price_team_legacy")


def test_lists_are_walked_page_by_page_in_both_directions(v1):
    made = [v1.customers.create({"name": f"{number}"}).id for number in range(5)]
    first = v1.customers.list({"limit": 2})
    assert [each.id for each in first.data] == made[:2:-1]
    assert first.has_more
    assert [each.id for each in first.auto_paging_iter()] == made[::-1]
    back = v1.customers.list({"limit": 2, "ending_before": made[0]})
    assert [each.id for each in back.data] == [made[2], made[1]]
    assert not v1.customers.list({"starting_after": made[1], "limit": 1}).has_more


def test_lists_can_be_limited_in_time(v1):
    now = v1.customers.create({"name": "Acme"}).created
    assert len(v1.customers.list({"created": {"gte": now, "lt": now + 60}}).data) == 1
    assert v1.customers.list({"created": {"gt": now + 60}}).data == []


@pytest.mark.parametrize(
    "parameters", [{"limit": 0}, {"limit": 101}, {"starting_after": "cus_x"}, {"page": 2}], ids=str
)
def test_a_page_that_cannot_be_is_refused(v1, parameters):
    with pytest.raises(stripe.InvalidRequestError):
        v1.customers.list(parameters)


def test_what_is_named_can_be_expanded_and_nothing_else(fake, v1):
    subscription = subscribed(fake)
    expand = ["customer", "latest_invoice", "items.data.price.product", "default_payment_method"]
    read = v1.subscriptions.retrieve(subscription.id, {"expand": expand})
    assert read.customer.name == "Acme"
    assert read.latest_invoice.status == "paid"
    assert read["items"].data[0].price.product.name == "Team"
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        v1.subscriptions.retrieve(subscription.id, {"expand": ["status"]})


def test_nothing_private_is_told(fake, v1):
    subscription = subscribed(fake)
    [method] = v1.customers.payment_methods.list(subscription.customer).data
    assert "_number" not in method.to_dict()
    assert method.card.last4 == "4242"
    assert "4242424242424242" not in str(v1.events.list({"limit": 100}))


def test_the_version_of_the_request_is_answered(fake, v1):
    answer = v1.customers.list().last_response
    assert answer.headers["Stripe-Version"] == stripe.api_version
    assert answer.headers["Request-Id"].startswith("req_")


def test_only_the_names_of_this_machine_are_answered(fake):
    assert visit(f"{fake.url}/", Host="stripe.example.com").status == 403
    assert fake.server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "body",
    [
        "a[b=1",
        "a=1&a[b]=2",
        "a[b]=1&a=2",
        "a[b]=1&a[b][c]=2",
        "&".join(f"a{n}=1" for n in range(1200)),
        "[]=1",
        "%00=1",
    ],
    ids=["open bracket", "hash of text", "text of hash", "deeper", "many", "nameless", "nul"],
)
def test_a_garbled_body_is_400(fake, body):
    headers = {"Authorization": f"Bearer {fake.account.api_key}"}
    request = urllib.request.Request(f"{fake.url}/v1/customers", body.encode(), headers)  # noqa: S310
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=5)  # noqa: S310
    with refusal.value as answer:
        assert answer.status == 400
        assert b"invalid_request_error" in answer.read()
