import pytest
from django.db import ProgrammingError, connection, transaction

from dataxpipe.problems import Forbidden
from orgs import audit
from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import AuditEvent, Due, Organization
from orgs.services.audit import seal_pending
from orgs.services.organizations import create_organization
from orgs.tenancy import tenant_scope

ALICE = Actor(kind="person", id="1", label="alice")


@pytest.fixture
def remembering(acme):
    with tenant_scope(acme):
        audit.record(Action.ORGANIZATION_UPDATED, ALICE, target=acme)
        seal_pending()
    return acme


@pytest.mark.parametrize("table", ["orgs_auditevent", "orgs_auditseal"])
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET organization_id = organization_id", "DELETE FROM {}", "TRUNCATE {}"]
)
def test_the_application_has_no_right_to_change_what_is_remembered(remembering, table, statement):
    def change():
        with tenant_scope(remembering), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement.format(table))

    with pytest.raises(ProgrammingError, match="permission denied"):
        change()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["orgs_auditevent", "orgs_auditseal"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET organization_id = organization_id", "DELETE FROM {}"])
def test_the_owner_of_the_tables_is_stopped_by_a_trigger(table, statement):
    organization = create_organization(name="Acme", slug="acme", actor=ALICE)
    with tenant_scope(organization):
        seal_pending()
    with connection.as_owner(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('dataxpipe.organization_id', %s, true)", [str(organization.pk)])
        with pytest.raises(ProgrammingError, match="insert-only"), transaction.atomic():
            cursor.execute(statement.format(table))


def test_what_is_rolled_back_is_not_remembered(acme):
    def change_and_refuse():
        with tenant_scope(acme):
            audit.record(Action.ORGANIZATION_UPDATED, ALICE, target=acme)
            raise Forbidden

    with pytest.raises(Forbidden):
        change_and_refuse()
    with tenant_scope(acme):
        assert not AuditEvent.objects.exists()
    assert not Due.objects.exists()


def test_a_refused_request_leaves_neither_change_nor_memory(api, acme):
    assert api.patch("/api/v1/organizations/me", {"name": "New", "settings": {"colour": "red"}}).status_code == 400
    with tenant_scope(acme):
        assert not AuditEvent.objects.exists()
    assert Organization.objects.get(pk=acme.pk).name == "Acme"


def test_an_event_asks_to_be_sealed(remembering):
    assert list(Due.objects.filter(kind="seal_audit").values_list("organization__slug", flat=True)) == ["acme"]
