"""Only what Stripe signed over the raw body within five minutes is believed."""

import hashlib
import hmac
import time

import orjson
import pytest

from billing.models import StripeEvent
from tests.billing.in_memory_stripe import SECRET, deliver, signed

BODY = orjson.dumps(
    {
        "id": "evt_1",
        "type": "invoice.paid",
        "created": 1_790_000_000,
        "data": {"object": {"id": "in_1", "customer": "cus_1"}},
    }
)


def sha(secret: str, text: str, digest=hashlib.sha256) -> str:
    return hmac.new(secret.encode(), text.encode(), digest).hexdigest()


def at(seconds: float) -> str:
    return signed(BODY, SECRET, at=time.time() + seconds)


def parts() -> tuple[str, str]:
    moment, signature = at(0).split(",")
    return moment, signature.removeprefix("v1=")


FORGED = {
    "no header": lambda: "",
    "blank": lambda: "   ",
    "words": lambda: "not a signature",
    "another secret": lambda: signed(BODY, "whsec_of_somebody_else"),
    "the secret without its prefix": lambda: signed(BODY, SECRET.removeprefix("whsec_")),
    "an empty secret": lambda: f"{parts()[0]},v1={sha('', parts()[0][2:] + '.' + BODY.decode())}",
    "another body": lambda: signed(BODY + b" ", SECRET),
    "a body of another customer": lambda: signed(BODY.replace(b"cus_1", b"cus_2"), SECRET),
    "the body parsed and written again": lambda: signed(
        orjson.dumps(orjson.loads(BODY), option=orjson.OPT_INDENT_2), SECRET
    ),
    "without the moment in what is signed": lambda: f"{parts()[0]},v1={sha(SECRET, BODY.decode())}",
    "another moment than was signed": lambda: f"t={int(time.time()) - 1},v1={parts()[1]}",
    "no moment": lambda: f"v1={parts()[1]}",
    "a moment in words": lambda: f"t=now,v1={parts()[1]}",
    "an endless moment": lambda: f"t={'9' * 5_000},v1={parts()[1]}",
    "no signature": lambda: parts()[0],
    "an empty signature": lambda: f"{parts()[0]},v1=",
    "the scheme of test events": lambda: f"{parts()[0]},v0={parts()[1]}",
    "an unknown scheme": lambda: f"{parts()[0]},v2={parts()[1]}",
    "half of the signature": lambda: f"{parts()[0]},v1={parts()[1][:32]}",
    "the signature in capitals": lambda: f"{parts()[0]},v1={parts()[1].upper()}",
    "the signature by SHA-1": lambda: (
        f"{parts()[0]},v1={sha(SECRET, parts()[0][2:] + '.' + BODY.decode(), hashlib.sha1)}"
    ),
    "letters that are none of ASCII": lambda: f"{parts()[0]},v1=\xe9{parts()[1][1:]}",
    "five minutes and a second old": lambda: at(-301),
    "a day old": lambda: at(-86_400),
    "of the year 1970": lambda: signed(BODY, SECRET, at=1),
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_or_old_signature_is_refused_and_nothing_is_stored(kind, stripe, db):
    answer = deliver(BODY, signature=FORGED[kind]())
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/webhook-signature-invalid"
    assert not StripeEvent.objects.exists()
    assert stripe.requests == []


def test_there_are_25_ways_to_forge():
    assert len(FORGED) == 25


@pytest.mark.parametrize("secret", ["whsec_former", SECRET])
def test_each_of_several_secrets_is_believed_so_that_they_can_be_rotated(secret, stripe, db):
    assert deliver(BODY, secret).status_code == 200


def test_a_signature_of_five_minutes_is_believed(stripe, db):
    assert deliver(BODY, signature=at(-295)).status_code == 200


def test_several_signatures_in_one_header_are_believed_if_one_fits(stripe, db):
    moment, signature = parts()
    assert deliver(BODY, signature=f"{moment},v1={'0' * 64},v1={signature}").status_code == 200


def test_without_a_configured_secret_the_server_says_so(stripe, settings, db):
    settings.STRIPE_WEBHOOK_SECRETS = []
    answer = deliver(BODY)
    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/billing-not-configured"
    assert "STRIPE_WEBHOOK_SECRET" in answer.json()["detail"]


@pytest.mark.parametrize("size", [1024**2 + 1, 10 * 1024**2, 10 * 1024**2 + 1])
def test_a_body_over_a_mebibyte_is_refused(size, stripe, db):
    answer = deliver(b" " * size, signature="t=1,v1=0")
    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/body-too-large"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"id": "evt_1"}',
        b'{"id": 1, "type": "invoice.paid", "created": 1, "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "invoice.paid", "created": "now", "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "invoice.paid", "created": 1, "data": []}',
        b'{"id": "evt_1", "type": "invoice.paid", "created": 1, "data": {"object": {"customer": 5}}}',
        b'{"id": "' + b"e" * 300 + b'", "type": "invoice.paid", "created": 1, "data": {"object": {}}}',
        b"[" * 200 + b"]" * 200,
    ],
    ids=range(13),
)
def test_a_signed_body_that_is_no_event_is_refused(body, stripe, db):
    answer = deliver(body)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert not StripeEvent.objects.exists()


def test_a_signed_body_that_is_no_text_is_refused(stripe, db):
    body = b"\xff\xfe"
    moment = int(time.time())
    signature = hmac.new(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    assert deliver(body, signature=f"t={moment},v1={signature}").status_code == 400


def test_other_methods_are_not_offered(client, db):
    assert client.get("/webhooks/stripe").status_code == 405
    assert client.delete("/webhooks/stripe/").status_code == 405
