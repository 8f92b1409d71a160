"""Erasing what the memory of an organization tells about a person. The chain stays whole: it holds only hashes."""

from __future__ import annotations

from django.db.models import Q

from dataxpipe.problems import Conflict
from orgs import audit
from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import AuditPerson, AuditSubject, FormerMembership, Invitation, Organization, User
from orgs.tenancy import current_organization, tenant_scope


class StillMember(Conflict):
    slug = "still-member"
    title = "The person is still a member"
    about = "Who did what has a name as long as the person is a member. Remove the member first."


def erase_person(*, user: User, actor: Actor) -> int:
    """Erases name, address and client of a person who is no member any more; answers how many events had them.

    In the organization's scope. That it was done is remembered, without the name. Raises `StillMember`.
    """
    organization = current_organization()
    if organization.memberships.filter(user=user).exists():
        raise StillMember(f"{user.email} is a member. Remove them first.")
    erased = _erase(str(user.pk), user.email)
    Invitation.objects.filter(organization=organization, email=user.email).delete()
    after = {"person": str(user.pk), "events": erased}
    audit.record(Action.MEMBER_DATA_ERASED, actor, target=organization, after=after)
    return erased


def erase_everywhere(*, user: User, actor: Actor) -> None:
    """For an account that ends: in every organization of which the person is no member any more. Outside any scope."""
    for organization in organizations_that_remember(user):
        with tenant_scope(organization):
            erase_person(user=user, actor=actor)


def organizations_that_remember(user: User) -> list[Organization]:
    """Where the person is or was a member, in the order in which scopes are entered."""
    former = FormerMembership.objects.filter(user=user).values("organization_id")
    now = user.memberships.values("organization_id")
    return list(Organization.objects.filter(Q(pk__in=former) | Q(pk__in=now)).order_by("pk"))


def former_member(person_id: str) -> User | None:
    """Somebody who once was a member of the bound organization and is not now."""
    if not (person_id.isascii() and person_id.isdecimal() and len(person_id) < 19):
        return None
    organization = current_organization()
    former = organization.former_memberships.select_related("user").filter(user_id=int(person_id)).first()
    is_member = organization.memberships.filter(user_id=int(person_id)).exists()
    return former.user if former and not is_member else None


def _erase(person_id: str, email: str) -> int:
    acted = AuditPerson.objects.filter(event__actor_kind="person", event__actor_id=person_id)
    told = AuditSubject.objects.filter(Q(person_id=person_id) | Q(label=email))
    return sum(rows.delete()[0] for rows in (acted, told))
