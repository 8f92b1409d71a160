"""The pretend Checkout page: pay, be declined, cancel; and what Stripe tells of it afterwards."""

from __future__ import annotations

import time

import pytest
import stripe

from tests.billing.fake_stripe_visits import SITE, client_of, open_checkout, subscribed, text_of, told, visit

DECLINED = "4000 0000 0000 0002"
CARD = "4242 4242 4242 4242"


@pytest.fixture
def v1(fake):
    return client_of(fake)


def test_paying_begins_a_subscription_and_leads_back(fake, v1):
    session = open_checkout(fake, client_reference_id="acme", customer_email="alice@acme.test")
    assert (
        visit(session.url, {"card": CARD, "email": "alice@acme.test"}).location == f"{SITE}/done?session={session.id}"
    )
    paid = v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription", "line_items"]})
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert paid.client_reference_id == "acme"
    assert paid.line_items.data[0].price.id == "price_team_monthly"
    assert paid.subscription.status == "active"
    assert paid.subscription.customer == paid.customer
    [item] = paid.subscription["items"].data
    assert 28 * 86_400 <= item.current_period_end - item.current_period_start <= 31 * 86_400


def test_stripe_tells_of_it_in_order(fake):
    subscribed(fake)
    kinds = told(fake)
    assert kinds.index("customer.subscription.created") < kinds.index("invoice.paid")
    assert kinds[-1] == "checkout.session.completed"


def test_the_page_says_what_is_paid_and_that_it_is_pretended(fake, v1):
    customer = v1.customers.create({"email": "alice@acme.test"})
    page = text_of(visit(open_checkout(fake, customer.id, "price_business_yearly").url))
    assert "Pretend Stripe." in page
    assert "nothing is charged" in page
    assert "Business $1,990.00 a year" in page
    assert "alice@acme.test" in page


def test_the_card_is_filled_in(fake):
    assert f'value="{CARD}"' in visit(open_checkout(fake).url).text


@pytest.mark.parametrize(
    ("card", "why"),
    [(DECLINED, "was declined"), ("4000 0000 0000 9995", "not enough money"), ("4111 1111 1111 1111", "test cards")],
)
def test_a_declined_card_leaves_the_session_open_for_another(fake, v1, card, why):
    session = open_checkout(fake)
    page = visit(session.url, {"card": card, "email": "alice@acme.test"})
    assert page.status == 402
    assert why in text_of(page)
    assert v1.checkout.sessions.retrieve(session.id).status == "open"
    assert v1.customers.list().data == []
    assert visit(session.url, {"card": CARD, "email": "alice@acme.test"}).status == 303


def test_cancel_leads_back_and_leaves_the_session_open(fake, v1):
    session = open_checkout(fake)
    assert f'href="{SITE}/canceled"' in visit(session.url).text
    assert v1.checkout.sessions.retrieve(session.id).status == "open"


def test_a_session_is_paid_once(fake, v1):
    session = open_checkout(fake)
    form = {"card": CARD, "email": "alice@acme.test"}
    assert [visit(session.url, form).status for _ in range(2)] == [303, 410]
    assert len(v1.subscriptions.list().data) == 1


def test_an_expired_session_takes_no_payment(fake, v1):
    session = open_checkout(fake)
    assert v1.checkout.sessions.expire(session.id).status == "expired"
    assert visit(session.url, {"card": CARD}).status == 410
    assert told(fake)[-1] == "checkout.session.expired"
    with pytest.raises(stripe.InvalidRequestError, match="expired"):
        v1.checkout.sessions.expire(session.id)


def test_sessions_are_listed_by_customer_and_status(fake, v1):
    customer = v1.customers.create({"name": "Acme"})
    session, _ = open_checkout(fake, customer.id), open_checkout(fake)
    assert [each.id for each in v1.checkout.sessions.list({"customer": customer.id, "status": "open"}).data] == [
        session.id
    ]


def test_a_session_lives_from_half_an_hour_to_a_day(fake):
    for seconds in (60, 2 * 86_400):
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            open_checkout(fake, expires_at=int(time.time()) + seconds)
        assert refusal.value.param == "expires_at"


def test_a_trial_may_begin_without_a_card(fake, v1):
    session = open_checkout(
        fake,
        payment_method_collection="if_required",
        subscription_data={
            "trial_period_days": 14,
            "metadata": {"slug": "acme"},
            "trial_settings": {"end_behavior": {"missing_payment_method": "pause"}},
        },
    )
    assert visit(session.url, {"card": "", "email": "alice@acme.test"}).status == 303
    [trial] = v1.subscriptions.list({"status": "trialing"}).data
    assert trial["items"].data[0].current_period_end == trial.trial_end
    assert trial.metadata.to_dict() == {"slug": "acme"}
    assert v1.checkout.sessions.retrieve(session.id).payment_status == "no_payment_required"


def test_names_are_text_on_every_page(fake, v1):
    script = "<script>alert(1)</script>"
    customer = v1.customers.create({"name": script, "email": '"><img@x.test'})
    v1.products.create({"id": "prod_script", "name": script})
    price = v1.prices.create(
        {"product": "prod_script", "currency": "usd", "unit_amount": 1, "recurring": {"interval": "month"}}
    )
    session = open_checkout(fake, customer.id, price.id, cancel_url=f'{SITE}/"><script>')
    pages = [visit(session.url), visit(session.url, {"card": '"><script>'})]
    visit(session.url, {"card": CARD})
    portal = v1.billing_portal.sessions.create({"customer": customer.id, "return_url": f"{SITE}/?<script>"})
    pages += [visit(portal.url), visit(fake.account.address)]
    for page in pages:
        assert "<script" not in page.text
        assert "<img" not in page.text
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_forms_of_other_sites_are_not_taken(fake, v1):
    session = open_checkout(fake)
    assert visit(session.url, {"card": CARD, "email": "a@b.test"}, Origin="http://evil.test").status == 403
    assert visit(f"{fake.url}/control/begin-anew", {}, Origin="null").status == 403
    assert v1.checkout.sessions.retrieve(session.id).status == "open"
    assert visit(f"{fake.url}/control/begin-anew", {}, Origin=fake.url).status == 303
