"""The pretend Stripe's webhooks are signed, and sent until the site takes them."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import stripe

from billing.fake_stripe import delivery
from tests.billing.fake_stripe_visits import client_of, subscribed, switch, text_of, visit


class Receiver(HTTPServer):
    """A site that answers with the status it is told to."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, str]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), self.handler())

    def handler(self):
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                site.received.append((body, self.headers["Stripe-Signature"]))
                self.send_response(site.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        return Handler


@pytest.fixture
def site(fake, monkeypatch):
    """Takes webhooks; nothing is sent until the test says so."""
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, args=(0.02,))
        thread.start()
        # The running server must not send in the background what the test sends.
        sent = delivery.deliver_due
        monkeypatch.setattr(delivery, "deliver_due", lambda account: 0)
        receiver.deliver = lambda: sent(fake.account)
        fake.account.webhook_url = f"http://127.0.0.1:{receiver.server_address[1]}/webhooks/stripe"
        yield receiver
        fake.account.webhook_url = None
        receiver.shutdown()
        thread.join()


def test_every_event_is_posted_in_order_with_a_signature_that_verifies(fake, site):
    subscribed(fake)
    assert site.deliver() == len(site.received) > 5
    events = [
        stripe.Webhook.construct_event(body, signature, fake.account.webhook_secret)
        for body, signature in site.received
    ]
    assert [event.id for event in events] == [event["id"] for event in reversed(fake.account.store.every("event"))]
    assert events[0].api_version == stripe.api_version
    assert site.deliver() == 0


def test_another_secret_does_not_verify(fake, site):
    client_of(fake).customers.create({"name": "Acme"})
    site.deliver()
    [(body, signature)] = site.received
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, signature, "whsec_of_another")


@pytest.mark.parametrize("status", [503, 400, 302])
def test_what_the_site_does_not_take_is_sent_again_later(fake, site, status):
    v1 = client_of(fake)
    v1.customers.create({"name": "Acme"})
    site.status = status
    assert site.deliver() == 0
    assert site.deliver() == 0
    assert len(site.received) == 1, "the second attempt comes a second later"
    assert v1.events.list({"delivery_success": False}).data[0].pending_webhooks == 1
    fake.account.store.rows("UPDATE deliveries SET next_attempt = ?", time.time())
    site.status = 204
    assert site.deliver() == 1
    assert v1.events.list({"delivery_success": True}).data[0].pending_webhooks == 0


def test_a_site_that_is_down_gets_it_when_it_is_up(fake, site):
    url = fake.account.webhook_url
    fake.account.webhook_url = "http://127.0.0.1:1/webhooks/stripe"
    client_of(fake).customers.create({"name": "Acme"})
    assert site.deliver() == 0
    assert "not reached" in text_of(visit(f"{fake.url}/"))
    fake.account.webhook_url = url
    fake.account.store.rows("UPDATE deliveries SET next_attempt = ?", time.time())
    assert site.deliver() == 1


def test_after_the_last_attempt_it_is_given_up_until_somebody_sends_it_again(fake, site):
    client_of(fake).customers.create({"name": "Acme"})
    site.status = 500
    for _ in range(20):
        fake.account.store.rows("UPDATE deliveries SET next_attempt = 0 WHERE next_attempt IS NOT NULL")
        site.deliver()
    assert len(site.received) == len(delivery.SECONDS_BETWEEN_ATTEMPTS) + 1
    site.status = 200
    event = json.loads(site.received[0][0])["id"]
    assert switch(fake, "resend", event=event).status == 200
    assert site.deliver() == 1


def test_a_taken_event_can_be_sent_twice(fake, site):
    client_of(fake).customers.create({"name": "Acme"})
    site.deliver()
    switch(fake, "resend", event=json.loads(site.received[0][0])["id"])
    site.deliver()
    assert len(site.received) == 2
    assert site.received[0][0].replace(b'"pending_webhooks": 1', b'"pending_webhooks": 0') == site.received[1][0]
