"""Organizations that are made for somebody else: by operators, and by a parent for its parts."""

from __future__ import annotations

from django.db import transaction

from dataxpipe.problems import FieldError, ValidationFailed
from orgs.actors import Actor
from orgs.models import Organization, User
from orgs.permissions import Role
from orgs.services.invitations import invite_first_owner
from orgs.services.organizations import add_member, create_organization
from orgs.tenancy import tenant_scope


def provision_organization(
    *,
    name: str,
    slug: str,
    actor: Actor,
    plan_name: str = "free",
    parent: Organization | None = None,
    owner_email: str | None = None,
) -> Organization:
    """An organization with an owner, outside any scope: who has an account is added, anybody else invited.

    Without an address the owners of the parent become its owners. A parent adds only people of its own, and invites
    others. Raises what `create_organization` raises, and `ValidationFailed` where nobody would own it.
    """
    if parent is None and not owner_email:
        detail = "Say whose it is: the address of its owner."
        raise ValidationFailed(detail, errors=[FieldError("required", detail, pointer="/owner_email")])
    with transaction.atomic():
        owners = _people(owner_email, parent, actor)
        organization = create_organization(name=name, slug=slug, plan_name=plan_name, parent=parent, actor=actor)
        with tenant_scope(organization):
            for owner in owners:
                add_member(organization=organization, user=owner, role=Role.OWNER, actor=actor)
            if owner_email and not owners:
                invite_first_owner(email=owner_email, actor=actor)
    return organization


def _people(owner_email: str | None, parent: Organization | None, actor: Actor) -> list[User]:
    """Who is added and not invited."""
    people = User.objects.filter(is_active=True).order_by("pk").distinct()
    if not owner_email:
        return list(people.filter(memberships__organization=parent, memberships__role=Role.OWNER.value))
    people = people.filter(email=User.objects.normalize_email(owner_email))
    return list(people if actor.is_operator else people.filter(memberships__organization=parent))
