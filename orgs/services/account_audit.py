"""What a person changes about the own account is remembered by every organization that trusts the account."""

from __future__ import annotations

from typing import Any

from orgs import audit
from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import User
from orgs.tenancy import tenant_scope


def record_everywhere(action: Action, actor: Actor, *, user: User, before: Any = None, after: Any = None) -> None:
    """Outside any scope, inside the change's transaction; in one order, so that no two wait in a circle."""
    for membership in user.memberships.select_related("organization").order_by("organization_id"):
        with tenant_scope(membership.organization):
            audit.record(action, actor, target=membership, target_label=user.email, before=before, after=after)
