"""Deleting an organization: closed at once, undone within 14 days, then purged to the last row, and nobody else's."""

import datetime

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, ProgrammingError, connection, transaction
from django.test import Client
from django.utils import timezone

from dataxpipe.problems import Problem
from orgs.actors import Actor
from orgs.models import ApiKey, AuditEvent, Organization, OrganizationSlug, PlatformEvent, UsageCount, User
from orgs.services import deletion, purge
from orgs.services.audit import seal_pending
from orgs.services.deletion import DeletionIsFinal, HasSubOrganizations, request_deletion, undo_deletion
from orgs.services.organizations import SlugTaken, create_organization, rename_slug
from orgs.services.purge import purge_deleted_organizations
from orgs.services.suspension import StatusStandsInTheWay, suspend_organization
from orgs.tenancy import tenant_scope
from tests.conftest import _member, api_of, browser_of
from tests.factories import ApiKeyFactory, InvitationFactory, OrganizationFactory, RunFactory
from tests.factories.rows import fill, fingerprint, mirror
from tests.routes import every_route
from tests.routes.calls import call

ALICE = Actor(kind="person", id="1", label="alice")
ROUTES = [route for route in every_route() if route.access.scope or route.access.roles]
API = [route for route in ROUTES if route.is_api and route.access.scope and not route.access.is_for_operators]
CLOSED = [route for route in ROUTES if route.path.startswith("/o/") and "deletion" not in route.path]


def delete(organization, *, is_over=False):
    organization = request_deletion(organization=organization, actor=ALICE)
    if is_over:
        past = timezone.now() - datetime.timedelta(seconds=1)
        Organization.objects.filter(pk=organization.pk).update(deletion_at=past)
    return Organization.objects.get(pk=organization.pk)


def fill_everything(organization):
    """A row in every tenant table and in the control tables, with the circles and chains that rows really form."""
    rows = fill(organization)
    with tenant_scope(organization):
        for model, row in rows.items():
            for field in model._meta.local_fields:
                if field.null and field.is_relation and field.remote_field.model is model:
                    model.objects.filter(pk=row.pk).update(**{field.attname: row.pk})
        seal_pending()
    key = ApiKeyFactory(organization=organization)
    ApiKeyFactory(organization=organization, successor=key)
    InvitationFactory(organization=organization)
    UsageCount.objects.create(organization=organization, starts_at=timezone.now(), period="hour", api_key_id=key.pk)


def tables_with_rows(organization):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relkind IN ('r', 'p')"
            " AND a.attname = 'organization_id' AND c.relnamespace = current_schema()::regnamespace"
        )
        tables = [name for (name,) in cursor.fetchall()]
        with transaction.atomic():
            cursor.execute("SELECT set_config('dataxpipe.organization_id', %s, true)", [str(organization.pk)])
            found = []
            for table in tables:
                cursor.execute(f"SELECT count(*) FROM {table} WHERE organization_id = %s", [organization.pk])
                found += [table] if cursor.fetchone()[0] else []
            cursor.execute("SELECT set_config('dataxpipe.organization_id', '', true)")
    return found


@pytest.mark.parametrize("route", API, ids=str)
def test_the_api_is_closed_from_the_next_request_on(route, acme):
    route.prepare(acme)
    values = route.filled(acme)
    Organization.objects.update(status="deleting", deletion_at=timezone.now() + datetime.timedelta(days=14))
    answer = call(Client(), route, values, **{"X-API-KEY": api_of(acme).api_key.text})
    assert answer.status == 403
    assert "/problems/organization-deleting" in answer.body


@pytest.mark.parametrize("route", CLOSED, ids=str)
def test_every_page_leads_to_the_one_that_tells_and_undoes(route, acme, alice):
    route.prepare(acme)
    values = route.filled(acme)
    Organization.objects.update(status="deleting", deletion_at=timezone.now() + datetime.timedelta(days=14))
    answer = call(browser_of(alice), route, values)
    if route.method == "GET":
        assert (answer.status, answer.headers["location"]) == (302, "/o/acme/deletion/")
    else:
        assert answer.status == 403


def test_everything_is_there_again_after_an_undo(acme, api, alice, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        deleted = delete(acme)
        assert api.get("/api/v1/organizations/me").status_code == 403
        assert undo_deletion(organization=deleted, actor=ALICE).status == "active"
    assert api.get("/api/v1/organizations/me").status_code == 200
    assert [mail.subject for mail in mailoutbox] == ["Acme is being deleted", "Acme is not deleted"]
    assert all(mail.to == ["alice@acme.example"] and "alice" in mail.body for mail in mailoutbox)
    with tenant_scope(acme):
        assert list(AuditEvent.objects.order_by("id").values_list("action", flat=True)) == [
            "organization.deletion_requested",
            "organization.deletion_undone",
        ]


def test_an_undo_tells_the_plan_and_the_list_what_is_being_deleted(acme, alice_client):
    delete(acme)
    assert "is being deleted" in alice_client.get("/organizations").content.decode()
    page = alice_client.post("/o/acme/deletion/undo", follow=True).content.decode()
    assert "as before, on the Team plan" in page
    assert "is being deleted" not in alice_client.get("/organizations").content.decode()


def test_a_suspended_one_is_suspended_again(acme):
    suspended = suspend_organization(organization=acme, reason="Spam", actor=ALICE)
    deleted = delete(suspended)
    undone = undo_deletion(organization=deleted, actor=ALICE)
    assert (undone.status, undone.status_reason) == ("suspended", "Spam")


def test_what_is_owed_outside_is_settled_first_and_may_refuse(acme, monkeypatch):
    def refuse(*, organization):
        raise Problem("Stripe is down")

    monkeypatch.setattr(deletion, "_endings", [refuse])
    with pytest.raises(Problem, match="Stripe is down"):
        delete(acme)
    assert Organization.objects.get().status == "active"


def test_sub_organizations_go_first(acme):
    child = OrganizationFactory(slug="acme-unit", parent=acme)
    with pytest.raises(HasSubOrganizations) as refusal:
        delete(acme)
    assert refusal.value.extensions == {"sub_organizations": ["acme-unit"]}
    delete(child, is_over=True)
    delete(acme, is_over=True)
    assert purge_deleted_organizations() == 2


@pytest.mark.parametrize("status", ["moving", "deleting"])
def test_what_moves_or_goes_already_is_not_deleted(acme, status):
    Organization.objects.update(status=status, deletion_at=timezone.now())
    with pytest.raises(StatusStandsInTheWay):
        request_deletion(organization=acme, actor=ALICE)


def test_only_what_is_being_deleted_is_undone_and_only_in_time(acme):
    with pytest.raises(StatusStandsInTheWay):
        undo_deletion(organization=acme, actor=ALICE)
    over = delete(acme, is_over=True)
    with pytest.raises(DeletionIsFinal):
        undo_deletion(organization=over, actor=ALICE)


def test_nothing_is_purged_before_its_time(acme):
    RunFactory(organization=acme)
    delete(acme)
    before = fingerprint(acme)
    assert purge_deleted_organizations() == 0
    assert fingerprint(acme) == before


@pytest.mark.django_db(transaction=True)
def test_no_row_is_left_and_no_row_of_others_goes(mailoutbox):
    acme, globex = (create_organization(name=slug.title(), slug=slug, actor=ALICE) for slug in ("acme", "globex"))
    alice = _member(acme, "alice", "owner")
    fill_everything(acme)
    mirror(acme, globex)
    InvitationFactory(organization=globex)
    ApiKeyFactory(organization=globex)
    with tenant_scope(acme):
        rename_slug(organization=acme, slug="acme-data", actor=ALICE)
    acme.refresh_from_db()
    twin = fingerprint(globex)
    delete(acme, is_over=True)
    mailoutbox.clear()
    assert purge_deleted_organizations(batch=3) == 1
    assert tables_with_rows(acme) == []
    assert not Organization.objects.filter(pk=acme.pk).exists()
    assert fingerprint(globex) == twin
    assert User.objects.filter(pk=alice.pk).exists()
    proof = PlatformEvent.objects.get(action="organization.purged")
    assert (proof.organization_slug, proof.target_label, proof.before["id"]) == ("acme-data", "Acme", acme.pk)
    assert [(mail.to, mail.subject) for mail in mailoutbox] == [(["alice@acme.example"], "Acme is deleted")]
    for slug in ("acme", "acme-data"):
        assert OrganizationSlug.objects.get(slug=slug).organization is None
        with pytest.raises(SlugTaken):
            create_organization(name="Acme", slug=slug, actor=ALICE)


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_dies_goes_on_where_it_was(monkeypatch):
    acme = create_organization(name="Acme", slug="acme", actor=ALICE)
    fill_everything(acme)
    delete(acme, is_over=True)
    remove, calls = purge._remove_some, []

    def die_in_the_fifth(*args):
        calls.append(args)
        if len(calls) == 5:
            raise DatabaseError("killed")
        return remove(*args)

    monkeypatch.setattr(purge, "_remove_some", die_in_the_fifth)
    assert purge_deleted_organizations(batch=1) == 0
    assert Organization.objects.filter(pk=acme.pk, status="deleting").exists()
    assert purge_deleted_organizations(batch=1) == 1
    assert tables_with_rows(acme) == []


@pytest.mark.django_db(transaction=True)
def test_the_worker_does_it():
    acme = create_organization(name="Acme", slug="acme", actor=ALICE)
    delete(acme, is_over=True)
    from orgs.tasks import purge_organizations

    purge_organizations.defer(timestamp=0)
    call_command("procrastinate", "worker", "--one-shot")
    assert not Organization.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_row_that_was_forgotten_refuses_the_end(monkeypatch):
    acme = create_organization(name="Acme", slug="acme", actor=ALICE)
    ApiKeyFactory(organization=acme)
    delete(acme, is_over=True)
    monkeypatch.setattr(purge, "removal_order", lambda: [m for m in purge._owned_models() if m.__name__ == "Due"])
    with pytest.raises(IntegrityError):
        purge._finish(acme)
    assert purge_deleted_organizations() == 0
    assert Organization.objects.filter(pk=acme.pk).exists()
    assert ApiKey.objects.exists()


@pytest.mark.parametrize("status", ["active", "suspended", "deleting"])
def test_the_database_purges_nothing_that_is_in_use_or_can_be_undone(acme, status):
    in_a_week = timezone.now() + datetime.timedelta(days=7)
    Organization.objects.filter(pk=acme.pk).update(status=status, deletion_at=in_a_week)
    fill(acme)

    def ask():
        with tenant_scope(acme), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT purge_organization(100)")

    with pytest.raises(ProgrammingError, match="is not being purged"):
        ask()
    with tenant_scope(acme):
        assert AuditEvent.objects.exists()


def test_the_database_purges_nothing_outside_of_a_scope(db):
    with (
        pytest.raises(ProgrammingError, match="is not being purged"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT purge_organization(100)")


def test_a_temporary_table_does_not_stand_in_for_the_organizations(acme):
    fill(acme)

    def deceive():
        with tenant_scope(acme), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "CREATE TEMPORARY TABLE orgs_organization AS SELECT %s::bigint AS id, 'deleting' AS status,"
                " now() AS deletion_at",
                [acme.pk],
            )
            cursor.execute("GRANT SELECT ON pg_temp.orgs_organization TO PUBLIC")
            cursor.execute("SELECT purge_organization(100)")

    with pytest.raises(ProgrammingError, match="is not being purged"):
        deceive()
