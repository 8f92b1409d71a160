"""The API's billing is for people: every key is refused, an owner with a token of the identity provider is served."""

import ipaddress

import orjson
import pytest
from rest_framework.test import APIRequestFactory, force_authenticate

from billing.api import BillingViewSet
from orgs import issuers
from orgs.actors import Actor
from orgs.models import AuditEvent, OidcIdentity, Organization
from orgs.permissions import Role
from orgs.tenancy import tenant_scope
from tests.billing.in_memory_stripe import deliver
from tests.conftest import ApiClient
from tests.factories import OrganizationFactory
from tests.factories.issuer import Issuer

ACTIONS = {"checkout": "post", "portal": "post", "subscription": "get"}


def ask(organization, user, action, body=None, *, role=Role.OWNER, **headers):
    factory = APIRequestFactory()
    path = f"/api/v1/billing/{action}"
    request = (
        factory.post(path, orjson.dumps(body), content_type="application/json", headers=headers)
        if ACTIONS[action] == "post"
        else factory.get(path)
    )
    request.organization = Organization.objects.get(pk=organization.pk)
    actor = Actor(kind="person", id=str(user.pk), label=user.label, role=role)
    force_authenticate(request, user=user, token=actor)
    response = BillingViewSet.as_view({ACTIONS[action]: action})(request)
    return response.status_code, response.data


@pytest.mark.parametrize("action", ACTIONS)
def test_a_key_with_every_scope_is_told_to_use_the_browser(action, api, stripe):
    answer = api.request(ACTIONS[action].upper(), f"/api/v1/billing/{action}", {"plan": "team"})
    assert answer.status_code == 403
    assert answer.json()["detail"] == "This needs an owner in the browser."
    assert stripe.requests == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR, Role.ADMIN])
@pytest.mark.parametrize("action", ACTIONS)
def test_below_owner_nobody_may(action, role, acme, alice, stripe):
    assert ask(acme, alice, action, {}, role=role)[0] == 403


def test_checkout_and_portal_answer_an_url(acme, alice, stripe):
    status, data = ask(acme, alice, "checkout", {"plan": "business"})
    (session,) = stripe.sessions.values()
    assert (status, data) == (200, {"url": session["url"]})
    acme.refresh_from_db()
    assert ask(acme, alice, "portal", {}) == (200, {"url": f"https://portal.invalid/{acme.stripe_customer_id}"})


def test_checkout_with_the_same_idempotency_key_is_answered_again(acme, alice, stripe):
    headers = {"Idempotency-Key": "once"}
    first = ask(acme, alice, "checkout", {"plan": "team"}, **headers)
    asked = len(stripe.requests)
    assert ask(acme, alice, "checkout", {"plan": "team"}, **headers) == first
    assert len(stripe.requests) == asked
    assert ask(acme, alice, "checkout", {"plan": "business"}, **headers)[0] == 422


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/plan"),
        ({"plan": "free"}, "/plan"),
        ({"plan": "enterprise"}, "/plan"),
        ({"plan": ["team"]}, "/plan"),
        ({"plan": "team", "price": "price_1"}, "/price"),
        ({"plan": "team", "customer": "cus_of_others"}, "/customer"),
        ({"plan": "team", "organization": "globex"}, "/organization"),
        ({"plan": "team", "success_url": "https://evil.example/"}, "/success_url"),
        ({"plan": "team", "cancel_url": 5}, "/cancel_url"),
    ],
    ids=str,
)
def test_bad_input_is_refused_with_its_place(body, pointer, acme, alice, stripe):
    status, data = ask(acme, alice, "checkout", body)
    assert status == 400
    assert [error["pointer"] for error in data["errors"]] == [pointer]
    assert stripe.requests == []


def test_the_portal_leads_back_here_alone(acme, alice, stripe):
    stripe.add_customer(acme)
    assert ask(acme, alice, "portal", {"return_url": "https://evil.example/"})[0] == 400


def test_the_subscription_is_told(acme, alice, stripe):
    assert ask(acme, alice, "subscription")[1] == {"plan": "team", "is_configured": True, "subscription": None}
    subscription = stripe.subscribe(stripe.add_customer(acme), "price_business", "past_due")
    deliver(stripe.subscription_event(subscription))
    status, data = ask(acme, alice, "subscription")
    assert (status, data["plan"]) == (200, "business")
    assert (data["subscription"]["status"], data["subscription"]["plan"]) == ("past_due", "business")
    assert data["subscription"]["grace_ends_at"] is not None


def test_a_sub_organization_is_told_who_pays(acme, alice, stripe):
    child = OrganizationFactory(slug="acme-unit", parent=acme)
    status, data = ask(child, alice, "checkout", {"plan": "team"})
    assert (status, data["type"], data["parent"]) == (403, "/problems/billed-through-parent", "acme")


def test_stripe_being_down_is_503_with_a_time_to_come_back(acme, alice, stripe):
    stripe.fault = lambda: (b"", 500, {})
    status, data = ask(acme, alice, "checkout", {"plan": "team"})
    assert (status, data["type"]) == (503, "/problems/billing-unavailable")


@pytest.fixture
def identity_provider(settings):
    """Of which alice has an identity, and whose tokens the API takes."""
    settings.OUTBOUND_ALLOWED = [ipaddress.ip_network("127.0.0.1")]
    issuers.forget_keys()
    provider = Issuer()
    settings.OIDC_ISSUER, settings.OIDC_API_AUDIENCES = provider.url, ["https://catalog.example.com"]
    settings.OIDC_RP_CLIENT_ID, settings.OIDC_RP_CLIENT_SECRET = "dataxpipe-web", "secret"
    yield provider
    provider.close()


def test_an_owner_buys_with_a_token_of_the_identity_provider(acme, alice, stripe, identity_provider):
    OidcIdentity.objects.create(user=alice, issuer=identity_provider.url, subject="alice-1")
    api = ApiClient()
    api.headers = {"Authorization": f"Bearer {identity_provider.token(sub='alice-1')}"}
    answer = api.post("/api/v1/billing/checkout", {"plan": "business"}, headers={"Idempotency-Key": "once"})
    (session,) = stripe.sessions.values()
    assert (answer.status_code, answer.json()) == (200, {"url": session["url"]})
    stripe.pay(session["id"])
    deliver(stripe.event("checkout.session.completed", stripe.sessions[session["id"]]))
    told = api.get("/api/v1/billing/subscription").json()
    assert (told["plan"], told["subscription"]["status"]) == ("business", "active")
    assert api.post("/api/v1/billing/portal", {}).json()["url"].startswith("https://portal.invalid/")
    with tenant_scope(acme):
        event = AuditEvent.objects.get(action="checkout.started")
    assert (event.actor_kind, event.actor_id) == ("person", str(alice.pk))
