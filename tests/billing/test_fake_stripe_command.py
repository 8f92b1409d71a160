"""`manage.py fake_stripe`: in development, without a key of Stripe's, for this machine; its state survives."""

from __future__ import annotations

import socket
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from billing.fake_stripe.account import Account
from billing.fake_stripe.server import FakeStripe
from tests.billing.fake_stripe_visits import client_of, subscribed


@pytest.fixture
def development(settings, tmp_path):
    settings.DEBUG, settings.STRIPE_SECRET_KEY, settings.DATA_DIR = True, "", tmp_path
    settings.BASE_URL = "http://localhost:8000"
    return settings


def printed_environment(port=18000):
    printed = StringIO()
    call_command("fake_stripe", "--print-environment", "--port", str(port), stdout=printed)
    return dict(line.split("=", 1) for line in printed.getvalue().splitlines())


def test_it_prints_what_leads_to_it_and_the_same_every_time(development, tmp_path):
    environment = printed_environment(18123)
    assert environment["STRIPE_API_BASE"] == "http://127.0.0.1:18123"
    assert environment["STRIPE_PRICE_TEAM"] == "price_team_monthly,price_team_yearly,price_team_legacy"
    assert environment["STRIPE_PRICE_BUSINESS"] == "price_business_monthly,price_business_yearly"
    assert environment["STRIPE_SECRET_KEY"].startswith("sk_test_")
    assert environment["STRIPE_WEBHOOK_SECRET"].startswith("whsec_")
    assert printed_environment(18123) == environment
    assert (tmp_path / "fake_stripe.sqlite3").stat().st_mode & 0o777 == 0o600


def test_production_has_no_pretend_stripe(development):
    development.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG=true"):
        call_command("fake_stripe")


def test_who_has_a_key_of_stripe_has_no_pretend_stripe(development):
    development.STRIPE_SECRET_KEY = "sk_test_real"
    with pytest.raises(CommandError, match="STRIPE_SECRET_KEY is set"):
        call_command("fake_stripe")


@pytest.mark.parametrize("url", ["https://catalog.example.com", "http://10.0.0.5:8000", "http://localhost.evil.test"])
def test_a_site_on_another_machine_has_no_pretend_stripe(development, url):
    development.BASE_URL = url
    with pytest.raises(CommandError, match="DATAXPIPE_BASE_URL"):
        call_command("fake_stripe")


def test_a_port_that_is_taken_is_one_clear_line(development):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"cannot listen on port {port}"):
            call_command("fake_stripe", "--port", str(port))


def test_what_it_knows_survives_a_restart(tmp_path):
    state = tmp_path / "state.sqlite3"
    with FakeStripe(state) as before:
        subscription = subscribed(before)
        key = before.account.api_key
    with FakeStripe(state) as after:
        assert client_of(after, key=key).subscriptions.retrieve(subscription.id).status == "active"


def test_reset_forgets_all_but_the_keys(tmp_path):
    account = Account(tmp_path / "state.sqlite3")
    key = account.api_key
    account.store.insert({"id": "cus_x", "object": "customer"})
    account.reset()
    assert account.store.every("customer") == []
    assert len(account.store.every("price")) == 5
    account.store.close()
    again = Account(tmp_path / "state.sqlite3")
    assert again.api_key == key
    again.store.close()
