"""What the memory tells about a former member can be erased; what was done stays."""

import pytest

from orgs.actors import Actor
from orgs.models import AuditEvent, AuditPerson, AuditSubject, Invitation, User
from orgs.permissions import Role
from orgs.services.audit import seal_pending, verify_chain
from orgs.services.audit_erasure import erase_everywhere
from orgs.services.members import change_role, remove_member
from orgs.tenancy import tenant_scope
from tests.conftest import browser_of
from tests.factories import InvitationFactory, MembershipFactory

pytestmark = pytest.mark.django_db


def gone(organization, user):
    """bob did something, had something done to him, and was removed."""
    membership = organization.memberships.get(user=user)
    with tenant_scope(organization):
        change_role(membership=membership, role=Role.VIEWER, actor=Actor.system("test"))
        bob = Actor(kind="person", id=str(user.pk), label="Bob B", ip_address="192.0.2.7", user_agent="Firefox")
        from orgs import audit
        from orgs.audit import Action

        audit.record(Action.PIPELINE_UPDATED, bob, target_label="orders")
        remove_member(membership=membership, actor=Actor.system("test"))
        seal_pending()


def everything_told(organization):
    with tenant_scope(organization):
        rows = [*AuditEvent.objects.values(), *AuditPerson.objects.values(), *AuditSubject.objects.values()]
    return str(rows)


def test_an_owner_erases_a_former_member(acme, alice, bob, alice_client):
    InvitationFactory(organization=acme, email=bob.email)
    gone(acme, bob)
    assert bob.email in everything_told(acme)
    url = f"/o/acme/settings/audit/erase/{bob.pk}"
    assert "Erase name" in alice_client.get(f"/o/acme/settings/audit/?actor={bob.pk}").content.decode()
    assert alice_client.post(url, {"confirmation": bob.email}).status_code == 302
    told = everything_told(acme)
    assert not any(text in told for text in (bob.email, "Bob B", "192.0.2.7"))
    assert "pipeline.updated" in told
    assert "member.data_erased" in told
    assert not Invitation.objects.filter(email=bob.email).exists()
    with tenant_scope(acme):
        seal_pending()
        assert verify_chain().is_intact


def test_an_account_that_ends_is_erased_wherever_it_was_a_member(acme, globex, bob):
    MembershipFactory(organization=globex, user=bob, role="viewer")
    for organization in (acme, globex):
        gone(organization, bob)
    erase_everywhere(user=bob, actor=Actor.system("account"))
    assert bob.email not in everything_told(acme) + everything_told(globex)


def test_a_member_has_a_name(acme, bob, alice_client):
    assert alice_client.get(f"/o/acme/settings/audit/erase/{bob.pk}").status_code == 404


def test_a_wrong_address_erases_nothing(acme, bob, alice_client):
    gone(acme, bob)
    answer = alice_client.post(f"/o/acme/settings/audit/erase/{bob.pk}", {"confirmation": "someone@example.com"})
    assert answer.status_code == 400
    assert bob.email in everything_told(acme)


def test_a_former_member_of_another_organization_is_unknown(acme, globex, gary, bob, alice_client):
    gone(acme, bob)
    assert browser_of(gary).get(f"/o/globex/settings/audit/erase/{bob.pk}").status_code == 404
    assert User.objects.filter(pk=bob.pk).exists()


def test_an_edited_subject_is_found(acme, bob):
    gone(acme, bob)
    with tenant_scope(acme):
        AuditSubject.objects.update(label="somebody@example.com")
        assert verify_chain().reason == "whom the entry is about was changed"
