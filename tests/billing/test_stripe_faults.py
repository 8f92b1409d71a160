"""Stripe down, slow, broken or talking nonsense: a Problem each, nothing half done, everything else works."""

import pytest
import requests
import stripe as sdk

from billing import gateway
from billing.models import EventState, StripeEvent, Subscription
from billing.problems import BillingUnavailable
from billing.services.checkout import open_portal, start_checkout
from billing.services.reconciliation import confirm_checkouts, reconcile_subscriptions
from orgs.actors import Actor
from orgs.tenancy import tenant_scope
from tests.billing.in_memory_stripe import deliver

OWNER = Actor(kind="person", id="1", label="alice")


def raising(error):
    def fault():
        raise sdk.APIConnectionError(str(error), should_retry=isinstance(error, requests.exceptions.Timeout))

    return fault


def answering(status, body, **headers):
    return lambda: (body, status, headers)


FAULTS = {
    "down": raising(requests.exceptions.ConnectionError("refused")),
    "slow": raising(requests.exceptions.ReadTimeout("6 seconds")),
    "500 in words": answering(500, b"<h1>Internal error</h1>"),
    "500 in JSON": answering(500, b'{"error": {"type": "api_error", "message": "broken"}}'),
    "502 without a body": answering(502, b""),
    "503": answering(503, b'{"error": {"type": "api_error"}}'),
    "409 while another request runs": answering(409, b'{"error": {"type": "idempotency_error"}}'),
    "429": answering(429, b'{"error": {"type": "invalid_request_error"}}', **{"retry-after": "7"}),
    "401": answering(401, b'{"error": {"type": "invalid_request_error", "message": "Invalid API Key"}}'),
    "403": answering(403, b'{"error": {"type": "invalid_request_error"}}'),
    "400": answering(400, b'{"error": {"type": "invalid_request_error", "message": "no", "param": "price"}}'),
    "402": answering(402, b'{"error": {"type": "card_error", "message": "declined", "param": "", "code": "x"}}'),
    "an error that is a word": answering(400, b'{"error": "invalid_grant"}'),
    "an error that is a list": answering(400, b'{"error": []}'),
    "an error that is nothing": answering(400, b'{"error": null}'),
    "a page of a proxy": answering(200, b"<html>Please log in</html>"),
    "bytes": answering(200, b"\xff\x00\xfe"),
    "nothing": answering(200, b""),
    "null": answering(200, b"null"),
    "a list": answering(200, b"[]"),
    "a number": answering(200, b"5"),
    "an empty object": answering(200, b"{}"),
    "rows that are none": answering(200, b'{"object": "list", "data": [null], "has_more": false}'),
    "rows without items": answering(200, b'{"object": "list", "data": [{"id": "sub_1"}], "has_more": false}'),
    "rows of a wrong shape": answering(
        200,
        b'{"object": "list", "data": [{"id": 5, "status": [], "items": {"data": [{"price": null}]}, "created": "x"}],'
        b' "has_more": false, "id": 7, "url": "javascript:alert(1)"}',
    ),
    "moments beyond all time": answering(
        200,
        b'{"object": "list", "data": [{"id": "sub_1", "status": "active", "created": 99999999999999,'
        b' "items": {"data": []}}], "has_more": false, "id": "cus_1", "url": ""}',
    ),
}
EVERY_FAULT = pytest.mark.parametrize("fault", FAULTS)


@EVERY_FAULT
def test_the_portal_and_checkout_are_unavailable_and_the_reason_stays_in_the_log(fault, acme, stripe, caplog):
    stripe.add_customer(acme)
    stripe.fault = FAULTS[fault]
    for way in (open_portal, lambda: start_checkout(plan_name="business", actor=OWNER)):
        with tenant_scope(acme), pytest.raises(BillingUnavailable) as caught:
            way()
        assert caught.value.status == 503
        assert int(caught.value.headers["Retry-After"]) > 0
        assert "sk_test" not in caught.value.detail + caplog.text
    assert caplog.records


@EVERY_FAULT
def test_a_webhook_waits_until_stripe_answers_and_then_takes_effect_once(fault, free_org, stripe):
    event = stripe.subscription_event(stripe.subscribe(stripe.add_customer(free_org)))
    stripe.fault = FAULTS[fault]
    answer = deliver(event)
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert StripeEvent.objects.get().state == EventState.RECEIVED
    assert not Subscription.objects.exists()
    stripe.fault = None
    assert deliver(event).json()["state"] == "applied"
    free_org.refresh_from_db()
    assert free_org.plan_name == "team"


@EVERY_FAULT
def test_the_worker_goes_on_another_time(fault, free_org, stripe):
    deliver(stripe.subscription_event(stripe.subscribe(stripe.add_customer(free_org))))
    Subscription.objects.update(read_at="2026-01-01T00:00:00Z")
    stripe.fault = FAULTS[fault]
    assert reconcile_subscriptions() == 0
    assert confirm_checkouts() == 0
    free_org.refresh_from_db()
    assert free_org.plan_name == "team"


def test_a_hint_when_to_come_back_is_passed_on(acme, stripe):
    stripe.add_customer(acme)
    stripe.fault = FAULTS["429"]
    with tenant_scope(acme), pytest.raises(BillingUnavailable) as caught:
        open_portal()
    assert caught.value.headers == {"Retry-After": "7"}


def test_what_may_pass_is_asked_for_once_more_with_the_same_key(acme, stripe):
    stripe.add_customer(acme)
    stripe.fault = FAULTS["503"]
    with tenant_scope(acme), pytest.raises(BillingUnavailable):
        open_portal()
    assert len(stripe.requests) == 2
    assert len({headers["Idempotency-Key"] for _, _, headers in stripe.requests}) == 1


def test_an_answer_that_was_lost_is_had_again_and_nothing_is_made_twice(acme, stripe):
    lost = iter([True])

    def lose(method, path):
        if path.endswith("/customers") and next(lost, False):
            raise sdk.APIConnectionError("lost", should_retry=True)

    stripe.before_answer = lose
    with tenant_scope(acme):
        start_checkout(plan_name="team", actor=OWNER)
    assert len(stripe.customers) == 1


def test_time_outs_are_set_and_retries_few():
    gateway._client_of.cache_clear()
    client = gateway._client_of("sk_test_1", "http://127.0.0.1:9")
    requestor = client._requestor
    assert requestor._client._timeout == (3.0, 6.0)
    assert requestor._options.max_network_retries == 1
    gateway._client_of.cache_clear()
