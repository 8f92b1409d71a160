"""Roles of members, and their end. An organization always has an owner: decided under its lock, so exactly.

Admins neither touch owners nor make any; keys do as admins do.
"""

from __future__ import annotations

from django.utils import timezone

from dataxpipe.problems import Conflict, Forbidden, NotFound
from orgs import audit
from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import FormerMembership, Membership, Organization, OrganizationStatus, User
from orgs.permissions import Role
from orgs.services.organizations import lock_organization
from orgs.tenancy import current_organization


class LastOwner(Conflict):
    slug = "last-owner"
    title = "The last owner stays"
    about = "An organization always has an owner. Make somebody else an owner first, or hand the organization over."


def change_role(*, membership: Membership, role: Role, actor: Actor) -> Membership:
    """In the organization's scope; the next request has the new role. Raises `Forbidden`, `LastOwner`."""
    membership = _locked(membership)
    before = Role(membership.role)
    require_may_give(before, actor)
    require_may_give(role, actor)
    if role is before:
        return membership
    if before is Role.OWNER:
        _require_another_owner(membership)
    _set_role(membership, role, actor)
    return membership


def remove_member(*, membership: Membership, actor: Actor) -> None:
    """The person is a stranger from the next request on. Raises `Forbidden`, `LastOwner`."""
    membership = _locked(membership)
    require_may_give(Role(membership.role), actor)
    _end(membership, Action.MEMBER_REMOVED, actor)


def leave_organization(*, user: User, actor: Actor) -> None:
    """Everybody may, except the last owner. Raises `LastOwner`."""
    _end(_membership_of(lock_organization(current_organization()), user.pk), Action.MEMBER_LEFT, actor)


def end_with_account(*, membership: Membership, actor: Actor) -> None:
    """The person's account ends, in the organization's scope. Raises `LastOwner`."""
    _end(_locked(membership), Action.MEMBER_ACCOUNT_DELETED, actor)


def transfer_ownership(*, membership: Membership, owner: User, actor: Actor) -> Membership:
    """The member becomes an owner and the owner who hands over an admin. Raises `Forbidden`, `Conflict`."""
    membership = _locked(membership)
    require_may_give(Role.OWNER, actor)
    former = _membership_of(membership.organization, owner.pk)
    if former.pk == membership.pk:
        raise Conflict("The organization is yours already.")
    if membership.role != Role.OWNER.value:
        _set_role(membership, Role.OWNER, actor)
    _set_role(former, Role.ADMIN, actor)
    audit.record(Action.ORGANIZATION_TRANSFERRED, actor, target=membership, target_label=membership.user.email)
    return membership


def require_may_give(role: Role, actor: Actor) -> None:
    """Raises `Forbidden` unless the actor, as of now, may give and take this role: a role may just have been lost."""
    held = _role_now(actor)
    if held is not None and (held.rank < Role.ADMIN.rank or role.rank > held.rank):
        raise Forbidden(f"Only an owner decides who is an {role.value}.", required=role.value)


def _role_now(actor: Actor) -> Role | None:
    """None is without limit. A key does what an admin does."""
    if actor.kind == "system" or actor.is_operator:
        return None
    if actor.kind == "api_key":
        return Role.ADMIN
    return Role(_membership_of(current_organization(), int(actor.id)).role)


def _end(membership: Membership, action: Action, actor: Actor) -> None:
    if membership.role == Role.OWNER.value:
        _require_another_owner(membership)
    audit.record(action, actor, target=membership, target_label=membership.user.email, before={"role": membership.role})
    _withdraw_invitations(membership, None)
    FormerMembership.objects.update_or_create(organization=membership.organization, user=membership.user)
    membership.delete()


def _set_role(membership: Membership, role: Role, actor: Actor) -> None:
    before, membership.role = membership.role, role.value
    membership.save(update_fields=["role"])
    _withdraw_invitations(membership, role)
    audit.record(
        Action.MEMBER_ROLE_CHANGED,
        actor,
        target=membership,
        target_label=membership.user.email,
        before={"role": before},
        after={"role": role.value},
    )


def _withdraw_invitations(membership: Membership, role: Role | None) -> None:
    """What the person may not offer any more is off the table: nobody comes back through a side door."""
    may_invite = role is not None and role.rank >= Role.ADMIN.rank
    offered = membership.organization.invitations.open().filter(invited_by=membership.user_id)
    if may_invite and role is not None:
        offered = offered.filter(role__in=[other.value for other in Role if other.rank > role.rank])
    offered.update(revoked_at=timezone.now())


def _require_another_owner(membership: Membership) -> None:
    if membership.organization.status == OrganizationStatus.DELETING:
        return  # what is about to be purged keeps nobody
    owners = membership.organization.memberships.filter(role=Role.OWNER.value)
    if not owners.exclude(pk=membership.pk).exists():
        raise LastOwner(f"{membership.user.email} is the only owner of {membership.organization.slug}.")


def _locked(membership: Membership) -> Membership:
    organization = lock_organization(current_organization())
    return _found(organization, pk=membership.pk)


def _membership_of(organization: Organization, user_id: int) -> Membership:
    return _found(organization, user_id=user_id)


def _found(organization: Organization, **condition: int) -> Membership:
    membership = organization.memberships.select_related("user", "organization").filter(**condition).first()
    if membership is None:
        raise NotFound("No member of this organization has this id.")
    return membership
