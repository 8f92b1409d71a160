"""Owners are taken to Checkout for a first subscription and to the portal for everything after."""

import datetime
import threading

import pytest
from django.db import connection
from django.utils import timezone

from billing.models import CheckoutSession
from billing.problems import BillingNotConfigured, BillingUnavailable
from billing.services.checkout import BilledThroughParent, NoCustomer, open_portal, start_checkout
from dataxpipe.problems import ValidationFailed
from orgs.actors import Actor
from orgs.models import AuditEvent, Organization
from orgs.tenancy import tenant_scope
from tests.billing.in_memory_stripe import deliver
from tests.factories import MembershipFactory, OrganizationFactory, UserFactory

ALICE = Actor(kind="person", id="1", label="alice")
PAGE = "http://localhost:8000/o/acme/settings/billing/"


def begin(organization, plan="business", **urls):
    with tenant_scope(organization):
        return start_checkout(plan_name=plan, actor=ALICE, **urls)


def test_checkout_opens_with_the_first_price_and_leads_back_to_the_plan(acme, alice, stripe, settings):
    settings.BASE_URL = "http://localhost:8000"
    url = begin(acme)
    (session,) = stripe.sessions.values()
    assert url == session["url"]
    assert session["price"] == "price_business"
    assert (session["success_url"], session["cancel_url"]) == (f"{PAGE}?checkout=paid", PAGE)
    acme.refresh_from_db()
    (customer,) = stripe.customers.values()
    assert (customer["id"], customer["name"], customer["email"]) == (acme.stripe_customer_id, "Acme", alice.email)
    with tenant_scope(acme):
        event = AuditEvent.objects.get()
        assert (event.action, event.actor_id) == ("checkout.started", "1")
        assert event.after == {"plan": "business", "price": "price_business"}


def test_every_request_names_the_pinned_version_and_every_post_an_idempotency_key(acme, stripe):
    begin(acme)
    assert {headers["Stripe-Version"] for _, _, headers in stripe.requests} == {"2026-10-28.endive"}
    assert all(headers.get("Idempotency-Key") for method, _, headers in stripe.requests if method == "post")


def test_an_open_checkout_is_gone_on_with(acme, stripe):
    assert begin(acme) == begin(acme)
    assert len(stripe.sessions) == 1
    with tenant_scope(acme):
        assert AuditEvent.objects.count() == 1


def test_choosing_another_plan_ends_the_open_checkout(acme, stripe):
    begin(acme, "team")
    begin(acme, "business")
    first, second = stripe.sessions.values()
    assert (first["status"], second["status"]) == ("expired", "open")
    assert CheckoutSession.objects.get().stripe_id == second["id"]


def test_a_checkout_that_ended_is_replaced(acme, stripe):
    begin(acme)
    (session,) = stripe.sessions.values()
    session |= {"status": "expired", "url": None}
    assert begin(acme) != session["url"]
    assert CheckoutSession.objects.count() == 1


@pytest.mark.parametrize("status", ["active", "trialing", "past_due", "unpaid", "paused"])
def test_who_has_a_subscription_is_taken_to_the_portal(status, acme, stripe):
    customer = stripe.add_customer(acme)
    stripe.subscribe(customer, status=status)
    assert begin(acme) == f"https://portal.invalid/{customer}"
    assert stripe.sessions == {}


@pytest.mark.parametrize("status", ["canceled", "incomplete", "incomplete_expired"])
def test_who_has_none_that_could_be_changed_is_taken_to_checkout(status, acme, stripe):
    stripe.subscribe(stripe.add_customer(acme), status=status)
    assert begin(acme).startswith("https://checkout.invalid/")


def test_a_customer_of_another_stripe_account_is_made_anew(acme, stripe):
    Organization.objects.filter(pk=acme.pk).update(stripe_customer_id="cus_of_test_mode")
    begin(acme)
    acme.refresh_from_db()
    assert acme.stripe_customer_id in stripe.customers


def test_a_sub_organization_is_sent_to_its_parent(acme, stripe):
    child = OrganizationFactory(slug="acme-unit", parent=acme)
    for way in (lambda: begin(child), lambda: _portal(child)):
        with pytest.raises(BilledThroughParent) as caught:
            way()
        assert caught.value.status == 403
        assert caught.value.extensions == {"parent": "acme"}
        assert "acme" in caught.value.detail
    assert stripe.requests == []


def _portal(organization, return_url=""):
    with tenant_scope(organization):
        return open_portal(return_url=return_url)


def test_the_portal_needs_a_customer(acme, stripe):
    with pytest.raises(NoCustomer):
        _portal(acme)
    customer = stripe.add_customer(acme)
    assert _portal(acme) == f"https://portal.invalid/{customer}"


def test_without_a_key_or_a_price_the_server_says_so(acme, stripe, settings):
    settings.STRIPE_PRICES = {"team": ["price_team"], "business": []}
    with pytest.raises(BillingNotConfigured, match="STRIPE_PRICE_BUSINESS"):
        begin(acme)
    settings.STRIPE_SECRET_KEY = ""
    with pytest.raises(BillingNotConfigured, match="STRIPE_SECRET_KEY"):
        begin(acme, "team")
    assert stripe.requests == []


@pytest.mark.parametrize("plan", ["free", "enterprise", "", "TEAM", "price_team", "team\0"])
def test_a_plan_that_is_not_sold_is_refused(plan, acme, stripe):
    with pytest.raises(ValidationFailed) as caught:
        begin(acme, plan)
    assert caught.value.errors[0].pointer == "/plan"
    assert stripe.requests == []


FOREIGN = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "https://catalog.example.com.evil.example/",
    "https://catalog.example.com@evil.example/",
    "https://alice@catalog.example.com/",
    "https://catalog.example.com:444/",
    "http://catalog.example.com/",
    "ftp://catalog.example.com/",
    "javascript:alert(1)",
    "data:text/html,x",
    "https:catalog.example.com",
    "https:///catalog.example.com/",
    "https://catalog.example.com\\@evil.example/",
    "https://catalog.example.com\t/",
    "https://catalog.example.com/ x",
    "\thttps://catalog.example.com/",
    "catalog.example.com/",
    "o/acme/",
    "https://[::1/",
    "/" + "x" * 3_000,
    "/\r\nLocation: https://evil.example/",
    "/\u202e",
]


@pytest.mark.parametrize("url", FOREIGN, ids=range(len(FOREIGN)))
@pytest.mark.parametrize("name", ["success_url", "cancel_url"])
def test_a_return_url_that_leads_away_is_refused(name, url, acme, stripe, settings):
    settings.BASE_URL = "https://catalog.example.com"
    with pytest.raises(ValidationFailed) as caught:
        begin(acme, **{name: url})
    assert caught.value.errors[0].pointer == f"/{name}"
    assert stripe.requests == []


@pytest.mark.parametrize("url", FOREIGN, ids=range(len(FOREIGN)))
def test_the_portal_never_leads_away_either(url, acme, stripe, settings):
    settings.BASE_URL = "https://catalog.example.com"
    stripe.add_customer(acme)
    with pytest.raises(ValidationFailed):
        _portal(acme, url)


@pytest.mark.parametrize("url", ["/o/acme/pipelines/?tag=pii", "https://catalog.example.com/o/acme/pipelines/?tag=pii"])
def test_a_return_url_of_our_own_is_taken_as_path_or_whole(url, acme, stripe, settings):
    settings.BASE_URL = "https://catalog.example.com"
    begin(acme, success_url=url)
    (session,) = stripe.sessions.values()
    assert session["success_url"] == "https://catalog.example.com/o/acme/pipelines/?tag=pii"


@pytest.mark.django_db(transaction=True)
def test_six_at_once_make_one_customer_and_one_checkout(stripe):
    organization = OrganizationFactory(slug="acme")
    MembershipFactory(organization=organization, user=UserFactory())
    barrier, urls, refused = threading.Barrier(6), [], []

    def click():
        barrier.wait()
        try:
            urls.append(begin(organization))
        except Exception as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == []
    assert len(set(urls)) == len(stripe.customers) == len(stripe.sessions) == 1


@pytest.mark.django_db(transaction=True)
def test_a_customer_made_before_stripe_broke_down_is_the_same_at_the_next_try(stripe):
    organization = OrganizationFactory(slug="acme")

    def break_down(method, path):
        stripe.before_answer = None
        stripe.fault = lambda: (b"", 500, {})

    stripe.before_answer = break_down
    with pytest.raises(BillingUnavailable):
        begin(organization)
    organization.refresh_from_db()
    assert organization.stripe_customer_id is None
    stripe.fault = None
    begin(organization)
    assert len(stripe.customers) == 1


def test_paying_makes_the_plan_whether_the_webhook_or_the_person_comes_first(acme, alice_client, stripe):
    begin(acme)
    (session,) = stripe.sessions
    subscription = stripe.pay(session)
    back = alice_client.get("/o/acme/settings/billing/?checkout=paid").content.decode()
    assert "is being confirmed" in back
    assert 'hx-get="/o/acme/settings/billing/?checkout=paid&amp;look=1"' in back
    deliver(stripe.event("checkout.session.completed", stripe.sessions[session]))
    deliver(stripe.subscription_event(subscription, "created"))
    after = alice_client.get("/o/acme/settings/billing/?checkout=paid&look=1", headers={"HX-Request": "true"})
    text = after.content.decode()
    assert "Acme is on the Business plan now" in text
    assert "<html" not in text
    assert "hx-get" not in text
    assert not CheckoutSession.objects.exists()


def test_the_page_stops_asking_after_a_while_and_says_so(acme, alice_client, stripe):
    begin(acme)
    page = alice_client.get("/o/acme/settings/billing/?checkout=paid&look=30").content.decode()
    assert "takes longer than usual" in page
    assert "hx-get" not in page


def test_a_checkout_row_is_told_from_another_by_what_it_is_for(acme, stripe):
    begin(acme)
    session = CheckoutSession.objects.get()
    assert session.expires_at > timezone.now() + datetime.timedelta(minutes=30)
    assert session.plan_name == "business"
