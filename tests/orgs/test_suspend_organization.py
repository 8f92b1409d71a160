"""A suspended organization is read and exported, and nothing else; a reason stands everywhere."""

import pytest
from django.test import Client
from django.urls import resolve

from dataxpipe.problems import ValidationFailed
from orgs.actors import Actor
from orgs.models import AuditEvent, Membership, Organization, PlatformEvent
from orgs.services.suspension import StatusStandsInTheWay, resume_organization, suspend_organization
from orgs.tenancy import tenant_scope
from tests.conftest import api_of, browser_of
from tests.factories import InvitationFactory
from tests.routes import PLAN, every_route
from tests.routes.calls import call

STAFF = Actor(kind="staff", id="7", label="sam")
ROUTES = [route for route in every_route() if route.access.scope or route.access.roles]
API = [route for route in ROUTES if route.is_api and route.access.scope and not route.access.is_for_operators]
PAGES = [route for route in ROUTES if route.path.startswith("/o/")]
WRITES, READS = [r for r in API if r.method != "GET"], [r for r in API if r.method == "GET"]


@pytest.fixture
def suspended(acme, alice):
    return suspend_organization(organization=acme, reason="The bill of March is open", actor=STAFF)


def suspend(organization):
    Organization.objects.filter(pk=organization.pk).update(status="suspended", status_reason="The bill is open")


@pytest.mark.parametrize("route", WRITES, ids=str)
def test_every_write_to_the_api_is_refused_with_the_reason(route, acme):
    route.prepare(acme)
    values = route.filled(acme)
    suspend(acme)
    answer = call(Client(), route, values, **{"X-API-KEY": api_of(acme).api_key.text})
    if route.access is PLAN:
        assert answer.status < 400, answer.body
    else:
        assert answer.status == 403, answer.body
        assert "/problems/organization-suspended" in answer.body
        assert "The bill is open" in answer.body


@pytest.mark.parametrize("route", READS, ids=str)
def test_every_read_of_the_api_works(route, acme):
    route.prepare(acme)
    values = route.filled(acme)
    suspend(acme)
    answer = call(Client(), route, values, **{"X-API-KEY": api_of(acme).api_key.text})
    assert answer.status == route.answers if route.answers else answer.status < 400, answer.body


def path(route, values):
    return route.path.format(**values["path"])


@pytest.mark.parametrize("route", PAGES, ids=str)
def test_every_page_is_shown_with_a_banner_and_no_form_is_taken(route, acme, alice):
    route.prepare(acme)
    values = route.filled(acme)
    suspend(acme)
    answer = call(browser_of(alice), route, values)
    if route.method == "GET" or getattr(resolve(path(route, values)).func, "is_export", False):
        assert answer.status < 400
        assert "is suspended" in answer.body or "<main" not in answer.body
    else:
        assert answer.status == 403
        assert "The bill is open" in answer.body


def test_right_and_scope_are_asked_first(suspended):
    answer = api_of(suspended, scopes=["catalog:read"]).post("/api/v1/runs/", {})
    assert answer.json()["type"] == "/problems/forbidden"


def test_nobody_joins_it(suspended, gary):
    invitation = InvitationFactory(organization=suspended, email=gary.email)
    assert browser_of(gary).post(f"/invitations/{invitation.token}").status_code == 403
    assert not Membership.objects.filter(organization=suspended, user=gary).exists()


def test_owners_are_mailed_and_both_memories_hold_it(suspended, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        resume_organization(organization=suspended, reason="It was paid", actor=STAFF)
    assert [(mail.to, mail.subject) for mail in mailoutbox] == [(["alice@acme.example"], "Acme is in use again")]
    assert "It was paid" in mailoutbox[0].body
    with tenant_scope(suspended):
        told = AuditEvent.objects.order_by("id").values_list("action", "actor_kind", "after__reason")
        assert list(told) == [
            ("organization.suspended", "staff", "The bill of March is open"),
            ("organization.resumed", "staff", "It was paid"),
        ]
    remembered = PlatformEvent.objects.order_by("id").values_list("action", "actor_label", "organization_slug")
    assert list(remembered) == [
        ("organization.suspended", "sam", "acme"),
        ("organization.resumed", "sam", "acme"),
    ]


def test_it_becomes_what_it_was_before(acme):
    acme.status = "past_due"
    acme.save()
    suspended = suspend_organization(organization=acme, reason="Spam", actor=STAFF)
    assert resume_organization(organization=suspended, reason="Talked", actor=STAFF).status == "past_due"
    assert Organization.objects.get(pk=acme.pk).status_reason == ""


@pytest.mark.parametrize("reason", ["", " \n", "x" * 501])
def test_it_takes_a_reason(acme, reason):
    with pytest.raises(ValidationFailed):
        suspend_organization(organization=acme, reason=reason, actor=STAFF)


def test_only_what_is_in_use_is_suspended_and_only_what_is_suspended_resumed(acme, suspended):
    with pytest.raises(StatusStandsInTheWay):
        suspend_organization(organization=suspended, reason="Again", actor=STAFF)
    resumed = resume_organization(organization=suspended, reason="Paid", actor=STAFF)
    with pytest.raises(StatusStandsInTheWay):
        resume_organization(organization=resumed, reason="Paid", actor=STAFF)


def test_past_due_refuses_nothing(acme, api):
    acme.status = "past_due"
    acme.save()
    assert api.patch("/api/v1/organizations/me", {"name": "Acme Data"}).status_code == 200
