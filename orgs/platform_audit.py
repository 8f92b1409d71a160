"""What operators do is remembered twice: with the organization, and here, where it outlives the organization.

`orgs.audit.record` copies every event of an operator; `remember()` writes what belongs to no organization.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from orgs.actors import Actor
from orgs.models import AuditEvent, Organization, PlatformEvent


class PlatformAction(enum.Enum):
    """What is done to the platform itself; each is explained in `docs/platform.md`."""

    PLATFORM_KEY_ISSUED = "platform_key.issued"
    PLATFORM_KEY_REVOKED = "platform_key.revoked"
    ORGANIZATION_PURGED = "organization.purged"
    PERSON_DEACTIVATED = "person.deactivated"
    PERSON_REACTIVATED = "person.reactivated"
    PERSON_SECOND_FACTOR_RESET = "person.second_factor_reset"
    STAFF_GRANTED = "staff.granted"
    STAFF_REVOKED = "staff.revoked"
    STRIPE_EVENT_REPLAYED = "stripe_event.replayed"


def remember(
    action: PlatformAction,
    actor: Actor,
    *,
    target_label: str = "",
    organization_slug: str = "",
    before: Any = None,
    after: Any = None,
) -> PlatformEvent:
    event = PlatformEvent(
        created_at=timezone.now(),
        action=action.value,
        organization_slug=organization_slug,
        target_label=target_label[:1000],
        before=before,
        after=after,
        **_of(actor),
    )
    event.save(force_insert=True)
    return event


def copy_events(events: Iterable[AuditEvent], organization: Organization, actor: Actor) -> None:
    """What an operator changed in an organization, under the organization's own vocabulary."""
    PlatformEvent.objects.bulk_create(
        PlatformEvent(
            created_at=event.created_at,
            action=event.action,
            organization_slug=organization.slug,
            target_label=event.target_label,
            before=event.before,
            after=event.after,
            **_of(actor),
        )
        for event in events
    )


def _of(actor: Actor) -> dict[str, Any]:
    return {
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_label": actor.label,
        "ip_address": actor.ip_address,
        "user_agent": actor.user_agent,
        "request_id": actor.request_id,
    }
