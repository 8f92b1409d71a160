"""Staff inside an organization: as a viewer, for an hour, with a reason that its owners are mailed at once."""

from __future__ import annotations

import datetime
from functools import partial

from django.db import transaction
from django.utils import timezone

from dataxpipe.problems import Forbidden
from orgs import audit
from orgs.actors import Actor
from orgs.audit import Action
from orgs.mail import one_line
from orgs.models import Organization, SupportEntry, User
from orgs.services.suspension import require_reason, tell_owners
from orgs.tenancy import tenant_scope

LASTS = datetime.timedelta(minutes=60)


def enter_organization(*, organization: Organization, user: User, reason: str, actor: Actor) -> SupportEntry:
    """Outside any scope. Raises `ValidationFailed` without a reason, `Forbidden` for who is no staff.

    An entry that is still open ends: the new one has a reason and an hour of its own.
    """
    if not (user.is_staff and user.is_active):
        raise Forbidden("Only staff enter organizations.")
    reason, now = require_reason(reason), timezone.now()
    with tenant_scope(organization):
        for entry in organization.support_entries.open().filter(user=user).select_for_update():
            _end(entry, now, actor)
        entry = SupportEntry.objects.create(
            organization=organization, user=user, reason=reason, entered_at=now, ends_at=now + LASTS
        )
        after = {"reason": reason, "ends_at": entry.ends_at.isoformat()}
        audit.record(Action.SUPPORT_ENTERED, actor, target=entry, after=after)
        context = {"reason": reason, "label": one_line(user.label), "entry": entry}
        transaction.on_commit(
            partial(tell_owners, organization, "support_entered", "is looked at by support", **context)
        )
    return entry


def leave_organization(*, entry: SupportEntry, actor: Actor) -> None:
    """Outside any scope; from the next request on the organization is not found any more."""
    with tenant_scope(entry.organization):
        found = SupportEntry.objects.select_for_update().filter(pk=entry.pk, left_at=None).first()
        if found is not None:
            _end(found, timezone.now(), actor)


def close_ended_entries() -> int:
    """Remembers the end of entries whose hour is over; they stopped working by themselves. Outside any scope."""
    rows = SupportEntry.objects.filter(left_at=None, ends_at__lte=timezone.now())
    ended = list(rows.select_related("organization", "user"))
    for entry in ended:
        leave_organization(entry=entry, actor=Actor(kind="staff", id=str(entry.user_id), label=entry.user.label))
    return len(ended)


def current_entry(user: User, slug: str) -> SupportEntry | None:
    """The open entry of one of the staff into this organization."""
    open_entries = SupportEntry.objects.open().filter(user=user, organization__slug=slug)
    return open_entries.select_related("organization__parent").order_by("-ends_at").first()


def _end(entry: SupportEntry, now: datetime.datetime, actor: Actor) -> None:
    entry.left_at = min(now, entry.ends_at)
    entry.save(update_fields=["left_at"])
    audit.record(Action.SUPPORT_LEFT, actor, target=entry, after={"left_at": entry.left_at.isoformat()})
