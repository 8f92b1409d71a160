"""Somebody with the owner's rights changes the tables: the chain says where."""

import pytest
from django.db import connection, transaction

from orgs import audit
from orgs.actors import Actor
from orgs.audit import Action
from orgs.services.audit import seal_pending, verify_chain
from orgs.services.audit_anchors import anchor_chain
from orgs.services.organizations import create_organization
from orgs.tenancy import tenant_scope

ALICE = Actor(kind="person", id="1", label="alice")
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sealed():
    """An organization with five sealed entries (the first is its creation)."""
    organization = create_organization(name="Acme", slug="acme", actor=ALICE)
    with tenant_scope(organization):
        for number in range(4):
            audit.record(Action.ORGANIZATION_UPDATED, ALICE, target=organization, after={"number": number})
        seal_pending()
    return organization


def as_owner(organization, *statements):
    with connection.as_owner(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('dataxpipe.organization_id', %s, true)", [str(organization.pk)])
        for table in ("orgs_auditevent", "orgs_auditseal"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            cursor.execute(statement)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in ("orgs_auditevent", "orgs_auditseal"):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def verified(organization):
    with tenant_scope(organization):
        return verify_chain()


EVENT_OF = "(SELECT event_id FROM orgs_auditseal WHERE sequence = {})"


@pytest.mark.parametrize(
    "change",
    [
        "action = 'member.added'",
        "actor_id = '2'",
        "after = '{\"number\": 99}'",
        "after = NULL",
        "created_at = created_at - interval '1 hour'",
        "target_label = 'someone else'",
        "request_id = 'another'",
    ],
)
def test_an_edited_entry_is_named(sealed, change):
    as_owner(sealed, f"UPDATE orgs_auditevent SET {change} WHERE id = {EVENT_OF.format(3)}")
    assert (verified(sealed).bad_sequence, verified(sealed).reason) == (3, "the entry or its place was changed")


def test_a_deleted_entry_is_named(sealed):
    as_owner(
        sealed,
        f"DELETE FROM orgs_auditperson WHERE event_id = {EVENT_OF.format(3)}",
        "CREATE TEMPORARY TABLE gone AS SELECT event_id FROM orgs_auditseal WHERE sequence = 3",
        "DELETE FROM orgs_auditseal WHERE sequence = 3",
        "DELETE FROM orgs_auditevent WHERE id IN (SELECT event_id FROM gone)",
        "DROP TABLE gone",
    )
    assert (verified(sealed).bad_sequence, verified(sealed).reason) == (3, "the entry is missing")


def test_closing_the_gap_does_not_hide_it(sealed):
    as_owner(
        sealed,
        "DELETE FROM orgs_auditseal WHERE sequence = 3",
        "UPDATE orgs_auditseal SET sequence = 3 WHERE sequence = 4",
        "UPDATE orgs_auditseal SET sequence = 4 WHERE sequence = 5",
    )
    assert verified(sealed).bad_sequence == 3


def test_swapped_entries_are_named(sealed):
    as_owner(
        sealed,
        "UPDATE orgs_auditseal SET sequence = 99 WHERE sequence = 2",
        "UPDATE orgs_auditseal SET sequence = 2 WHERE sequence = 4",
        "UPDATE orgs_auditseal SET sequence = 4 WHERE sequence = 99",
    )
    assert verified(sealed).bad_sequence == 2


def test_a_seal_of_another_organization_does_not_fit(sealed):
    other = create_organization(name="Globex", slug="globex", actor=ALICE)
    with tenant_scope(other):
        seal_pending()
        mac = verify_chain().head_mac
    as_owner(sealed, f"UPDATE orgs_auditseal SET mac = decode('{mac}', 'hex') WHERE sequence = 1")
    assert verified(sealed).bad_sequence == 1
    assert verified(other).is_intact


def test_a_chain_cut_short_no_longer_has_the_head_that_was_noted(sealed):
    noted = verified(sealed)
    as_owner(sealed, "DELETE FROM orgs_auditseal WHERE sequence > 3")
    shortened = verified(sealed)
    assert (noted.head, shortened.head) == (5, 3)
    assert shortened.unsealed == 2
    assert shortened.head_mac != noted.head_mac


def test_a_chain_cut_short_behind_its_anchor_is_named_at_the_cut(sealed):
    with tenant_scope(sealed):
        anchor_chain()
    as_owner(sealed, "DELETE FROM orgs_auditseal WHERE sequence > 3")
    assert (verified(sealed).bad_sequence, verified(sealed).reason) == (4, "the entry is missing")


def test_entries_sealed_anew_after_a_cut_are_not_what_was_anchored(sealed):
    with tenant_scope(sealed):
        anchor_chain()
    as_owner(
        sealed,
        f"UPDATE orgs_auditevent SET after = '{{\"number\": 99}}' WHERE id = {EVENT_OF.format(5)}",
        "DELETE FROM orgs_auditseal WHERE sequence = 5",
    )
    with tenant_scope(sealed):
        seal_pending()
    assert verified(sealed).reason == "an entry up to 5 is not what was anchored"


def test_a_copied_entry_is_named(sealed):
    as_owner(
        sealed,
        "CREATE TEMPORARY TABLE copy AS SELECT e.* FROM orgs_auditevent e WHERE id = " + EVENT_OF.format(2),
        "UPDATE copy SET id = gen_random_uuid()",
        "INSERT INTO orgs_auditevent SELECT * FROM copy",
        "INSERT INTO orgs_auditseal (organization_id, id, sequence, event_id, mac, key_id, sealed_at)"
        " SELECT organization_id, gen_random_uuid(), 6, (SELECT id FROM copy), mac, key_id, sealed_at"
        " FROM orgs_auditseal WHERE sequence = 2",
        "DROP TABLE copy",
    )
    assert (verified(sealed).bad_sequence, verified(sealed).reason) == (6, "the entry or its place was changed")
