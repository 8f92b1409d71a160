"""Staff look into an organization as viewers: with a reason, for an hour, and its owners know at once."""

import datetime

import pytest
from django.utils import timezone

from dataxpipe.problems import Forbidden
from orgs.actors import Actor
from orgs.models import AuditEvent, PlatformEvent, SupportEntry
from orgs.services.support import close_ended_entries, enter_organization
from orgs.tenancy import tenant_scope
from tests.conftest import api_of, browser_of
from tests.factories import PipelineFactory, UserFactory
from tests.routes import every_route
from tests.routes.calls import call

PAGES = [route for route in every_route() if route.path.startswith("/o/")]
REASON = {"reason": "Ticket 4711: a run is missing"}


@pytest.fixture
def sam(db):
    return UserFactory(email="sam@platform.example", name="sam", is_staff=True)


@pytest.fixture
def staff(sam):
    return browser_of(sam)


@pytest.fixture
def entered(staff, acme, alice):
    assert staff.post(f"/admin/orgs/organization/{acme.pk}/enter/", REASON)["Location"] == "/o/acme/"
    return SupportEntry.objects.get()


def test_who_enters_without_a_required_second_factor_is_told_why_one_is_wanted(entered, staff, acme):
    acme.settings = {**acme.settings, "require_second_factor": "yes"}
    acme.save()
    page = staff.get("/o/acme/", follow=True)
    assert page.redirect_chain == [("/account/second-factor?next=/o/acme/", 302)]
    assert '<span class="strong">Acme</span>' in page.content.decode()


def actions(organization):
    with tenant_scope(organization):
        return list(AuditEvent.objects.order_by("id").values_list("action", "actor_kind", "person__label"))


def test_staff_see_pages_with_a_banner_and_a_way_out(entered, staff, acme):
    PipelineFactory(organization=acme, name="orders_sync")
    page = staff.get("/o/acme/pipelines/").content.decode()
    assert "orders_sync" in page
    assert "as support" in page
    assert REASON["reason"] in page
    assert staff.post(f"/support/{entered.pk}/leave").status_code == 302
    assert staff.get("/o/acme/pipelines/").status_code == 404


def test_owners_are_mailed_at_once(staff, acme, alice, bob, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        staff.post(f"/admin/orgs/organization/{acme.pk}/enter/", REASON)
    assert [mail.to for mail in mailoutbox] == [["alice@acme.example"]]
    assert "sam" in mailoutbox[0].body
    assert REASON["reason"] in mailoutbox[0].body


def test_it_stands_in_both_memories(entered, staff, acme):
    staff.post(f"/support/{entered.pk}/leave")
    staff.post(f"/support/{entered.pk}/leave")
    assert actions(acme) == [("support.entered", "staff", "sam"), ("support.left", "staff", "sam")]
    told = PlatformEvent.objects.order_by("id").values_list("action", "organization_slug", "actor_label")
    assert list(told) == [("support.entered", "acme", "sam"), ("support.left", "acme", "sam")]
    assert PlatformEvent.objects.first().after["reason"] == REASON["reason"]


@pytest.mark.parametrize("route", [route for route in PAGES if route.method != "GET"], ids=str)
def test_nothing_is_changed(route, entered, staff, acme):
    route.prepare(acme)
    before = actions(acme)
    answer = call(staff, route, route.filled(acme))
    assert answer.status == 403
    assert actions(acme) == before


@pytest.mark.parametrize("route", [route for route in PAGES if route.method == "GET"], ids=str)
def test_pages_are_those_of_a_viewer(route, entered, staff, acme):
    route.prepare(acme)
    status = call(staff, route, route.filled(acme)).status
    if "viewer" in route.access.roles:
        assert status < 400
    else:
        assert status == 403


def test_it_ends_by_itself_after_an_hour(entered, staff, acme):
    assert entered.ends_at - entered.entered_at == datetime.timedelta(minutes=60)
    SupportEntry.objects.update(ends_at=timezone.now())
    assert staff.get("/o/acme/").status_code == 404
    assert (close_ended_entries(), close_ended_entries()) == (1, 0)
    assert actions(acme)[-1] == ("support.left", "staff", "sam")
    assert SupportEntry.objects.get().left_at == SupportEntry.objects.get().ends_at


def test_it_opens_one_organization_for_one_person(entered, staff, globex):
    assert staff.get("/o/globex/").status_code == 404
    colleague = browser_of(UserFactory(is_staff=True))
    assert colleague.get("/o/acme/").status_code == 404
    assert colleague.post(f"/support/{entered.pk}/leave").status_code == 404


def test_who_is_no_staff_any_more_is_out(entered, staff, sam):
    sam.is_staff = False
    sam.save()
    assert staff.get("/o/acme/").status_code == 404


def test_entering_again_ends_the_earlier_entry(entered, staff, acme):
    staff.post(f"/admin/orgs/organization/{acme.pk}/enter/", {"reason": "Another look"})
    assert SupportEntry.objects.open().count() == 1
    assert [action for action, *_ in actions(acme)] == ["support.entered", "support.left", "support.entered"]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_it_takes_a_reason(staff, acme, reason):
    assert staff.post(f"/admin/orgs/organization/{acme.pk}/enter/", {"reason": reason}).status_code == 400
    assert not SupportEntry.objects.exists()
    assert staff.get("/o/acme/").status_code == 404


def test_only_staff_enter(acme, alice, gary, alice_client):
    assert alice_client.post(f"/admin/orgs/organization/{acme.pk}/enter/", REASON).status_code == 404
    actor = Actor(kind="person", id=str(gary.pk), label="gary")
    with pytest.raises(Forbidden):
        enter_organization(organization=acme, user=gary, reason="curious", actor=actor)


def test_it_opens_nothing_in_the_api(entered, staff, globex):
    assert staff.get("/api/v1/pipelines/").status_code == 401
    assert api_of(globex).get("/api/v1/organizations/acme").status_code in {403, 404}


def test_a_member_who_is_staff_is_a_member(staff, sam, acme):
    from tests.factories import MembershipFactory

    MembershipFactory(organization=acme, user=sam, role="owner")
    assert staff.get("/o/acme/settings/").status_code == 200


def test_unknown_and_foreign_addresses_cost_staff_the_same(staff, acme, django_assert_num_queries):
    staff.get("/o/acme/")
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for slug in ("acme", "nobody-is-called-this"):
        with CaptureQueriesContext(connection) as queries:
            assert staff.get(f"/o/{slug}/").status_code == 404
        counts.append(len(queries))
    assert counts[0] == counts[1]
