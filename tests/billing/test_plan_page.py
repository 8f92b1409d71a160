import datetime

import pytest
from django.utils import timezone

from orgs.models import Session
from orgs.plans import PlanLimitReached, require_room
from orgs.tenancy import tenant_scope
from tests.billing.in_memory_stripe import deliver
from tests.conftest import browser_of
from tests.factories import MembershipFactory, OrganizationFactory, PipelineFactory, UserFactory

PAGE = "/o/acme/settings/billing/"


def text_of(client, path=PAGE, **kwargs):
    answer = client.get(path, **kwargs)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


@pytest.mark.parametrize("client", ["alice_client", "vera_client"])
def test_every_member_sees_what_is_in_use_and_what_the_plans_allow(client, request, acme):
    page = request.getfixturevalue(client).get(PAGE)
    assert page.context["usage"] == [
        {"label": "Connections", "used": 0, "limit": 10},
        {"label": "Pipelines", "used": 0, "limit": 25},
    ]
    text = " ".join(page.content.decode().split())
    assert "Acme is on the Team plan." in text
    assert "<b> Unlimited </b> pipelines" in text
    assert all(f"<b>${price}</b>" in text for price in (0, 49, 199))


def test_without_keys_the_page_says_so_and_offers_nothing(acme, alice_client):
    text = text_of(alice_client)
    assert "it sells none" in text
    assert '<form method="post" action="/o/acme/settings/billing/' not in text


def test_an_owner_may_choose_a_plan_and_the_next_one_is_the_primary_button(acme, alice_client, stripe):
    text = text_of(alice_client)
    assert "Choose Business" in text
    assert "Choose Free" not in text
    assert "Choose Team" not in text
    assert text.count("btn-primary") == 1


def test_others_see_who_can(acme, alice, vera_client, stripe):
    text = text_of(vera_client)
    assert "Another one is chosen by alice" in text
    assert "Choose Business" not in text


def test_choosing_leads_to_stripe_by_a_page_that_needs_no_script(acme, alice_client, stripe):
    answer = alice_client.post(f"{PAGE}checkout", {"plan": "business"})
    (session,) = stripe.sessions.values()
    text = answer.content.decode()
    assert answer.status_code == 200
    assert f'<meta http-equiv="refresh" content="0;url={session["url"]}">' in text
    assert f'href="{session["url"]}"' in text
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("way", ["checkout", "portal"])
def test_an_open_browser_is_no_proof(way, acme, alice_client, stripe):
    long_ago = timezone.now() - datetime.timedelta(minutes=11)
    Session.objects.filter(session_key=alice_client.session.session_key).update(signed_in_at=long_ago)
    answer = alice_client.post(f"{PAGE}{way}", {"plan": "business"})
    assert answer["Location"] == "/prove?next=%2Fo%2Facme%2Fsettings%2Fbilling%2F"
    assert stripe.requests == []


def test_a_form_with_a_plan_that_is_not_sold_is_refused(acme, alice_client, stripe):
    answer = alice_client.post(f"{PAGE}checkout", {"plan": "enterprise"})
    assert answer.status_code == 400
    assert stripe.requests == []


def test_stripe_being_down_is_a_word_on_the_page_and_nothing_else_breaks(acme, alice_client, stripe):
    stripe.fault = lambda: (b"", 500, {})
    answer = alice_client.post(f"{PAGE}checkout", {"plan": "business"}, follow=True)
    assert "Stripe does not answer" in answer.content.decode()
    assert alice_client.get("/o/acme/pipelines/").status_code == 200


def test_a_customer_made_before_stripe_broke_down_is_kept(acme, alice_client, stripe):
    def break_down(method, path):
        stripe.before_answer = None
        stripe.fault = lambda: (b"", 500, {})

    stripe.before_answer = break_down
    alice_client.post(f"{PAGE}checkout", {"plan": "business"})
    acme.refresh_from_db()
    assert acme.stripe_customer_id in stripe.customers


def test_a_subscription_shows_when_it_renews_and_the_portal(acme, alice_client, stripe):
    customer = stripe.add_customer(acme)
    deliver(stripe.subscription_event(stripe.subscribe(customer)))
    text = text_of(alice_client)
    assert "Paid." in text
    assert "Renews" in text
    assert "Change to Business" in text
    answer = alice_client.post(f"{PAGE}portal")
    assert f"https://portal.invalid/{customer}" in answer.content.decode()


def test_a_cancelled_subscription_shows_its_end(acme, alice_client, stripe):
    subscription = stripe.subscribe(stripe.add_customer(acme))
    stripe.change(subscription, cancel_at_period_end=True)
    deliver(stripe.subscription_event(subscription))
    end = timezone.now() + datetime.timedelta(days=30)
    text = text_of(alice_client, f"{PAGE}?portal=back")
    assert "Cancelled." in text
    assert f"{end:%Y-%m-%d}" in text
    assert 'hx-get="/o/acme/settings/billing/?portal=back&amp;look=1"' in text
    acme.refresh_from_db()
    assert acme.plan_name == "team"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("past_due", "The plan ends"),
        ("unpaid", "Not paid."),
        ("paused", "Paused."),
        ("incomplete", "Waiting for the first payment."),
        ("canceled", "Ended"),
        ("trialing", "On trial."),
    ],
)
def test_each_state_is_told_in_words(status, words, acme, alice_client, stripe):
    subscription = stripe.subscribe(stripe.add_customer(acme), status=status)
    stripe.change(subscription, ended_at=1_790_000_000 if status == "canceled" else None)
    deliver(stripe.subscription_event(subscription))
    assert words in text_of(alice_client)


def test_a_failed_payment_shows_on_every_page(acme, alice_client, vera_client, stripe):
    deliver(stripe.subscription_event(stripe.subscribe(stripe.add_customer(acme), status="past_due")))
    assert "A payment of Acme failed." in text_of(alice_client, "/o/acme/pipelines/")
    assert "Look at the payment method" in text_of(alice_client, "/o/acme/pipelines/")
    assert "A payment of Acme failed." not in text_of(alice_client)  # which says it below, with the day
    assert "See until when" in text_of(vera_client, "/o/acme/pipelines/")


def test_a_plan_that_grows_takes_the_banner_of_its_limit_away(free_org, stripe):
    free_org.usage_levels = {"pipelines": 3}
    free_org.save()
    user = MembershipFactory(organization=free_org, user=UserFactory(), role="owner").user
    client, page = browser_of(user), "/o/initech/settings/billing/?portal=back"
    assert "3 of 3 pipelines are in use" in " ".join(client.get(page).content.decode().split())
    free_org.plan_name = "team"
    free_org.save()
    looked_again = client.get(f"{page}&look=1", headers={"HX-Request": "true"}).content.decode()
    assert 'id="near-limits" hx-swap-oob="true"' in " ".join(looked_again.split())
    assert "are in use" not in looked_again


def test_a_sub_organization_points_to_its_parent(acme, stripe):
    acme.plan_name = "business"
    acme.save()
    child, person = OrganizationFactory(slug="acme-unit", name="Unit", parent=acme), UserFactory()
    MembershipFactory(organization=child, user=person)
    browser = browser_of(person)
    text = text_of(browser, "/o/acme-unit/settings/billing/")
    assert "It belongs to Acme, whose owners choose the plan." in text
    assert "Choose" not in text
    answer = browser.post("/o/acme-unit/settings/billing/checkout", {"plan": "team"})
    assert answer.status_code == 403
    assert "acme" in answer.content.decode()


def test_odd_queries_are_ignored(acme, alice_client, stripe):
    for query in ("checkout=paid", "checkout=paid&look=-1", "portal=1&look=99999999", "look=x", "checkout=%00"):
        assert alice_client.get(f"{PAGE}?{query}").status_code == 200


def test_a_refusal_for_want_of_room_leads_here(free_org):
    user = UserFactory()
    MembershipFactory(organization=free_org, user=user, role="viewer")
    PipelineFactory.create_batch(3, organization=free_org)
    with tenant_scope(free_org), pytest.raises(PlanLimitReached) as caught:
        require_room("pipelines")
    assert browser_of(user).get(caught.value.extensions["upgrade_url"]).status_code == 200


def full(free_org, role):
    user = UserFactory()
    MembershipFactory(organization=free_org, user=user, role=role)
    PipelineFactory.create_batch(3, organization=free_org)
    archived = PipelineFactory(organization=free_org, archived_at=timezone.now())
    return browser_of(user).post(f"/o/initech/pipelines/{archived.pk}/unarchive/")


def test_a_refusal_in_the_browser_is_a_card_that_leads_an_owner_to_checkout(free_org, stripe):
    answer = full(free_org, "owner")
    text = " ".join(answer.content.decode().split())
    assert answer.status_code == 403
    assert "3 of 3" in text
    assert "Free" in text
    assert "Team, $49 a month" in text
    assert 'action="/o/initech/settings/billing/checkout"' in text
    assert "Upgrade to Team" in text
    assert "csrfmiddlewaretoken" in text


@pytest.mark.parametrize("role", ["editor", "admin"])
def test_others_are_led_to_the_plans(role, free_org, stripe):
    text = full(free_org, role).content.decode()
    assert "Upgrade to Team" not in text
    assert 'href="/o/initech/settings/billing/"' in text


def test_where_nothing_is_sold_the_card_leads_to_the_plans(free_org):
    text = full(free_org, "owner").content.decode()
    assert "Upgrade to Team" not in text
    assert 'href="/o/initech/settings/billing/"' in text
