"""What people change about how they are shown."""

from __future__ import annotations

from django.db import transaction

from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import User
from orgs.services.account_audit import record_everywhere


def change_name(*, user: User, name: str, actor: Actor) -> User:
    """How the person is shown from now on; what was remembered before keeps the name of then."""
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user.pk)
        before, user.name = user.name, name
        if before != name:
            user.save(update_fields=["name"])
            change = {"before": {"name": before}, "after": {"name": name}}
            record_everywhere(Action.MEMBER_NAME_CHANGED, actor, user=user, **change)
    return user
