"""The pretend Stripe can be unwell: the real client sees each fault as Stripe's own."""

from __future__ import annotations

import time

import pytest
import stripe

from billing.fake_stripe.faults import set_fault
from billing.fake_stripe.server import FakeStripe
from tests.billing.fake_stripe_visits import client_of, switch, visit


@pytest.fixture
def v1(fake):
    return client_of(fake)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("down", stripe.APIConnectionError),
        ("500", stripe.APIError),
        ("429", stripe.RateLimitError),
        ("garbage", stripe.APIError),
    ],
)
def test_a_fault_lasts_until_it_is_switched_off(fake, v1, kind, error):
    switch(fake, "fault", kind=kind)
    for _ in range(2):
        with pytest.raises(error):
            v1.customers.create({"name": "Acme"})
    switch(fake, "fault", kind="")
    assert v1.customers.list().data == []


def test_a_lost_answer_has_done_what_was_asked(fake, v1):
    switch(fake, "fault", kind="lost", count="1")
    with pytest.raises(stripe.APIConnectionError):
        v1.customers.create({"name": "Acme"}, {"idempotency_key": "once"})
    again = v1.customers.create({"name": "Acme"}, {"idempotency_key": "once"})
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert len(v1.customers.list().data) == 1


def test_slow_answers_come(fake, v1):
    set_fault(fake.account, "slow", seconds=0.2, count=1)
    began = time.monotonic()
    v1.customers.list()
    assert time.monotonic() - began >= 0.2


def test_a_fault_can_be_for_some_requests_only(fake, v1):
    switch(fake, "fault", kind="500", count="1")
    with pytest.raises(stripe.APIError):
        v1.customers.list()
    assert v1.customers.list().data == []


def test_a_stopped_server_refuses_connections():
    with FakeStripe() as gone:
        v1 = client_of(gone)
    with pytest.raises(stripe.APIConnectionError):
        v1.customers.list()


def test_the_switches_work_while_the_api_does_not(fake):
    switch(fake, "fault", kind="down")
    assert "Switched on: it ends every connection" in visit(f"{fake.url}/").text


@pytest.mark.parametrize(
    "form",
    [
        {"kind": "fire"},
        {"kind": "slow", "seconds": "999"},
        {"kind": "500", "count": "0"},
        {"kind": "500", "count": "x"},
    ],
    ids=str,
)
def test_a_fault_that_is_none_is_refused(fake, form):
    assert switch(fake, "fault", **form).status == 400
