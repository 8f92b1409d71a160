"""Staff see what was set aside with its reason, and apply it again."""

import pytest

from billing.models import StripeEvent
from orgs.models import PlatformEvent
from tests.billing.in_memory_stripe import deliver
from tests.conftest import browser_of
from tests.factories import UserFactory

EVENTS = "/admin/billing/stripeevent/"


@pytest.fixture
def staff_client(db):
    return browser_of(UserFactory(is_staff=True))


@pytest.fixture
def quarantined(free_org, stripe):
    deliver(stripe.subscription_event(stripe.subscribe(stripe.add_customer(free_org), "price_new")))
    return StripeEvent.objects.get()


def test_quarantined_events_are_listed_with_their_reasons(quarantined, staff_client):
    page = staff_client.get(f"{EVENTS}?state__exact=quarantined")
    assert page.status_code == 200
    assert "price_new" in page.content.decode()
    assert "price_new" not in staff_client.get(f"{EVENTS}?state__exact=applied").content.decode()


def test_staff_replay_an_event_once_its_price_is_listed(quarantined, staff_client, free_org, settings):
    settings.STRIPE_PRICES = {"team": ["price_new"], "business": []}
    page = f"{EVENTS}{quarantined.pk}/change/"
    assert "Replay" in staff_client.get(page).content.decode()
    answer = staff_client.post(f"{EVENTS}{quarantined.pk}/replay/", follow=True)
    assert f"Event {quarantined.event_id} is applied." in answer.content.decode()
    free_org.refresh_from_db()
    assert free_org.plan_name == "team"
    remembered = PlatformEvent.objects.get(action="stripe_event.replayed")
    assert (remembered.target_label, remembered.after["state"]) == (quarantined.event_id, "applied")
    assert staff_client.get(f"{EVENTS}{quarantined.pk}/replay/").status_code == 404


def test_while_stripe_is_down_the_form_says_so(quarantined, staff_client, stripe):
    stripe.fault = lambda: (b"", 500, {})
    answer = staff_client.post(f"{EVENTS}{quarantined.pk}/replay/")
    assert answer.status_code == 400
    assert "Stripe does not answer" in answer.content.decode()
    assert not PlatformEvent.objects.exists()


def test_subscriptions_are_listed_and_shown(quarantined, staff_client, free_org):
    listed = staff_client.get("/admin/billing/subscription/").content.decode()
    assert free_org.slug in listed
    shown = staff_client.get(f"/admin/billing/subscription/{free_org.subscriptions.get().pk}/change/").content.decode()
    assert "price_new" in shown


@pytest.mark.parametrize("path", [EVENTS, "/admin/billing/subscription/"])
def test_nobody_else_finds_it(path, alice_client):
    assert alice_client.get(path).status_code == 404
