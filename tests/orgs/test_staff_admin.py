"""`/admin/` for staff: services behind every button, no raw field, no secret."""

from io import StringIO

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from orgs import keys
from orgs.admin_site import StaffModelAdmin
from orgs.models import AuditEvent, PlatformEvent, PlatformKey, SecondFactor, User
from orgs.services.deletion import request_deletion
from orgs.tenancy import tenant_scope
from tests.conftest import browser_of, platform_key
from tests.factories import ApiKeyFactory, UserFactory
from tests.routes import platform
from tests.routes.calls import call

SECRET_FIELDS = {"digest", "password", "salt", "limit_overrides", "settings", "args", "mac", "sealed", "secret"}
NOW = {"reason": "They asked for it"}


@pytest.fixture
def sam(db):
    return UserFactory(email="sam@platform.example", name="sam", is_staff=True)


@pytest.fixture
def staff(sam):
    return browser_of(sam)


def act(staff, row, name, **values):
    kind = row._meta.model_name
    response = staff.post(f"/admin/orgs/{kind}/{row.pk}/{name}/", {**NOW, **values})
    if response.status_code == 302:
        row.refresh_from_db()
    return response


def test_nobody_is_sent_to_our_own_login(client, db):
    assert client.get("/admin/")["Location"] == "/login?next=/admin/"


def test_the_first_page_names_what_there_is(staff):
    page = staff.get("/admin/").content.decode()
    assert "/admin/orgs/organization/" in page
    assert "/admin/procrastinate/procrastinatejob/" in page
    assert "Groups" not in page


def test_organizations_are_found(staff, acme, globex, alice):
    page = staff.get("/admin/orgs/organization/?q=alice@acme.example").content.decode()
    assert "acme" in page
    assert "globex" not in page


def test_the_plan_goes_through_the_service(staff, acme, sam):
    assert act(staff, acme, "plan", plan="business").status_code == 302
    assert acme.plan_name == "business"
    with tenant_scope(acme):
        event = AuditEvent.objects.get()
    assert (event.action, event.actor_kind, event.after["reason"]) == (
        "organization.plan_changed",
        "staff",
        "They asked for it",
    )
    assert PlatformEvent.objects.get().actor_id == str(sam.pk)


def test_it_is_suspended_and_resumed(staff, acme):
    act(staff, acme, "suspend")
    assert (acme.status, acme.status_reason) == ("suspended", "They asked for it")
    assert "Resume" in staff.get(f"/admin/orgs/organization/{acme.pk}/change/").content.decode()
    assert act(staff, acme, "suspend").status_code == 404
    act(staff, acme, "resume")
    assert acme.status == "active"


def test_limits_are_agreed_and_ended(staff, acme):
    act(staff, acme, "limit", resource="pipelines", limit="50", ends_at="2099-06-01 12:00")
    assert acme.limit_overrides["pipelines"]["limit"] == 50
    act(staff, acme, "end-limit", resource="pipelines")
    assert acme.limit_overrides == {}
    assert act(staff, acme, "limit", resource="pipelines", limit="-1").status_code == 400


def test_a_deletion_is_undone(staff, acme, sam):
    request_deletion(organization=acme, actor=platform_actor())
    acme.refresh_from_db()
    act(staff, acme, "undo-deletion")
    assert acme.status == "active"


def platform_actor():
    from orgs.actors import Actor

    return Actor(kind="platform", id="1", label="terraform")


def test_an_account_is_closed_and_opened(staff, alice, alice_client):
    assert alice_client.get("/o/acme/").status_code == 200
    act(staff, alice, "deactivate")
    assert alice_client.get("/o/acme/").status_code == 302
    act(staff, alice, "reactivate")
    assert alice.is_active
    told = PlatformEvent.objects.order_by("id").values_list("action", "target_label")
    assert list(told) == [("person.deactivated", alice.email), ("person.reactivated", alice.email)]


def test_a_lost_second_factor_is_reset(staff, acme, alice, mailoutbox, django_capture_on_commit_callbacks):
    assert act(staff, alice, "reset-second-factor").status_code == 404
    SecondFactor.objects.create(user=alice, key_id="1", sealed=b"sealed", enabled_at=timezone.now(), last_step=0)
    with django_capture_on_commit_callbacks(execute=True):
        assert act(staff, alice, "reset-second-factor").status_code == 302
    assert not SecondFactor.objects.exists()
    assert [mail.to for mail in mailoutbox] == [[alice.email]]
    with tenant_scope(acme):
        assert AuditEvent.objects.get().action == "member.second_factor_disabled"
    assert PlatformEvent.objects.filter(action="person.second_factor_reset", target_label=alice.email).exists()


def test_nobody_closes_the_own_account(staff, sam):
    assert act(staff, sam, "deactivate").status_code == 400
    assert User.objects.get(pk=sam.pk).is_active


@pytest.mark.parametrize("name", ["plan", "suspend", "limit", "enter"])
def test_every_act_takes_a_reason(staff, acme, name):
    values = {"reason": "", "plan": "business", "resource": "pipelines", "limit": "50"}
    assert act(staff, acme, name, **values).status_code == 400
    assert not PlatformEvent.objects.exists()


def test_an_act_that_is_none_is_not_found(staff, acme):
    assert staff.get(f"/admin/orgs/organization/{acme.pk}/delete/").status_code == 404
    assert staff.get("/admin/orgs/organization/0/plan/").status_code == 404


@pytest.mark.parametrize("route", [r for r in platform.ADMIN if r.method == "GET"], ids=str)
def test_no_page_can_be_posted_raw(route, staff, acme):
    if "{act}" in route.path:
        return
    route.prepare(acme)
    values = route.filled(acme)
    path = route.path.format(**{name: str(value) for name, value in values["path"].items()})
    assert staff.post(path, {"plan_name": "business", "is_superuser": "on"}).status_code == 405


@pytest.mark.parametrize("path", ["add/", "1/delete/", "1/history/", "1/password/"])
@pytest.mark.parametrize("model", ["organization", "user", "apikey", "platformkey", "platformevent"])
def test_nothing_is_added_deleted_or_edited(staff, model, path):
    assert staff.get(f"/admin/orgs/{model}/{path}").status_code == 404


def test_everything_that_is_registered_is_a_window():
    assert all(isinstance(one, StaffModelAdmin) for one in admin.site._registry.values())


def test_no_page_names_a_field_that_holds_a_secret():
    for model, one in admin.site._registry.items():
        shown = {*one.fields, *one.list_display, *one.search_fields}
        assert not shown & SECRET_FIELDS, model


def test_no_page_shows_a_secret(staff, acme, alice):
    key, operator_key = ApiKeyFactory(organization=acme), platform_key()
    secrets = [key.text, operator_key, alice.password, bytes(key.digest).hex(), keys.digest(operator_key).hex()]
    platform_row = PlatformKey.objects.get()
    for path in (
        "apikey/",
        f"apikey/{key.pk}/change/",
        "platformkey/",
        f"platformkey/{platform_row.pk}/change/",
        f"user/{alice.pk}/change/",
        "platformevent/",
    ):
        page = staff.get(f"/admin/orgs/{path}").content.decode()
        assert not [secret for secret in secrets if secret in page], path
    assert key.hint in staff.get("/admin/orgs/apikey/").content.decode()


@pytest.mark.parametrize("route", [r for r in platform.ADMIN if r.method == "GET"], ids=str)
def test_no_page_has_a_script_or_a_style_of_its_own(route, staff, acme):
    route.prepare(acme)
    answer = call(staff, route, route.filled(acme))
    assert "<script>" not in answer.body
    assert "<style" not in answer.body
    assert "style=" not in answer.body
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_staff_are_made_and_unmade_on_the_server(alice):
    out = StringIO()
    call_command("grant_staff", "Alice@acme.example", stdout=out)
    assert User.objects.get(pk=alice.pk).is_staff
    call_command("grant_staff", alice.email, revoke=True, stdout=out)
    assert not User.objects.get(pk=alice.pk).is_staff
    told = PlatformEvent.objects.order_by("id").values_list("action", "target_label")
    assert list(told) == [("staff.granted", alice.email), ("staff.revoked", alice.email)]
    with pytest.raises(CommandError, match="Nobody has an account"):
        call_command("grant_staff", "nobody@example.com")


def test_no_column_is_guessed_through_the_filters_of_a_list(staff, alice):
    for guess in ("user/?password__startswith=pbkdf2", "apikey/?digest__gt=a", "user/?second_factor__key_id=a"):
        assert staff.get(f"/admin/orgs/{guess}").status_code in {302, 400}, guess
    assert staff.get("/admin/procrastinate/procrastinatejob/?args__icontains=alice").status_code in {302, 400}
    assert staff.get("/admin/orgs/user/?is_active__exact=1").status_code == 200


def test_who_is_let_in_again_has_to_log_in_again(staff, alice):
    theirs = browser_of(alice)
    act(staff, alice, "deactivate")
    act(staff, alice, "reactivate")
    assert theirs.get("/account/").status_code == 302
    assert not alice.sessions.exists()
