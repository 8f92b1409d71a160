"""The organization's memory: the vocabulary of actions, and `record()`.

An event goes in with the change it remembers, in the same transaction; the worker seals it into the chain
within a minute (`orgs.services.audit`). Sealing inside each transaction would serialize an organization.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
from typing import Any

from django.utils import timezone

from orgs import due
from orgs.actors import Actor
from orgs.models import AuditEvent, AuditPerson
from orgs.platform_audit import copy_events
from orgs.tenancy import current_organization


class Action(enum.Enum):
    """What can be done and is remembered; each is explained in `docs/audit.md`."""

    ORGANIZATION_CREATED = "organization.created"
    ORGANIZATION_UPDATED = "organization.updated"
    ORGANIZATION_RENAMED = "organization.renamed"
    ORGANIZATION_PLAN_CHANGED = "organization.plan_changed"
    ORGANIZATION_LIMIT_OVERRIDDEN = "organization.limit_overridden"
    ORGANIZATION_LIMIT_OVERRIDE_ENDED = "organization.limit_override_ended"
    ORGANIZATION_TRANSFERRED = "organization.transferred"
    ORGANIZATION_SUSPENDED = "organization.suspended"
    ORGANIZATION_RESUMED = "organization.resumed"
    CHECKOUT_STARTED = "checkout.started"
    SUBSCRIPTION_CHANGED = "subscription.changed"
    INVITATION_CREATED = "invitation.created"
    INVITATION_RESENT = "invitation.resent"
    INVITATION_REVOKED = "invitation.revoked"
    INVITATION_ACCEPTED = "invitation.accepted"
    MEMBER_ADDED = "member.added"
    MEMBER_ROLE_CHANGED = "member.role_changed"
    MEMBER_REMOVED = "member.removed"
    MEMBER_LEFT = "member.left"
    MEMBER_PASSWORD_CHANGED = "member.password_changed"  # noqa: S105
    MEMBER_PASSWORD_RESET = "member.password_reset"  # noqa: S105
    MEMBER_EMAIL_CHANGED = "member.email_changed"
    API_KEY_CREATED = "api_key.created"
    API_KEY_ROTATED = "api_key.rotated"
    API_KEY_OVERLAP_ENDED = "api_key.overlap_ended"
    API_KEY_REVOKED = "api_key.revoked"
    API_KEY_REUSE_DETECTED = "api_key.reuse_detected"
    API_KEY_LEAKED = "api_key.leaked"
    CONNECTION_CREATED = "connection.created"
    CONNECTION_UPDATED = "connection.updated"
    CONNECTION_DELETED = "connection.deleted"
    PIPELINE_REGISTERED = "pipeline.registered"
    PIPELINE_VERSION_REGISTERED = "pipeline.version_registered"
    PIPELINE_ROLLED_BACK = "pipeline.rolled_back"
    PIPELINE_UPDATED = "pipeline.updated"
    PIPELINE_OBSERVED = "pipeline.observed"
    PIPELINE_ADMITTED = "pipeline.admitted"
    PIPELINE_IGNORED = "pipeline.ignored"
    PIPELINE_HEEDED = "pipeline.heeded"
    PIPELINE_ARCHIVED = "pipeline.archived"
    PIPELINE_UNARCHIVED = "pipeline.unarchived"
    PIPELINE_DELETED = "pipeline.deleted"
    DATASET_OBSERVED = "dataset.observed"


def record(
    action: Action,
    actor: Actor,
    *,
    target: Any = None,
    target_label: str = "",
    before: Any = None,
    after: Any = None,
) -> AuditEvent:
    """Remembers one change in the open scope. `target` is a model instance; secrets never belong in before or after."""
    return record_all(actor, [(action, target, target_label, before, after)])[0]


def record_all(actor: Actor, changes: list[tuple[Action, Any, str, Any, Any]]) -> list[AuditEvent]:
    """Remembers many changes of one actor in two statements: `(action, target, label, before, after)` each."""
    events, people = [], []
    now = timezone.now()
    for action, target, label, before, after in changes:
        salt = secrets.token_bytes(16)
        person = AuditPerson(salt=salt, label=actor.label, ip_address=actor.ip_address, user_agent=actor.user_agent)
        person.event = AuditEvent(
            created_at=now,
            action=action.value,
            actor_kind=actor.kind,
            actor_id=actor.id,
            target_kind=target._meta.model_name if target is not None else "",
            target_id=str(target.pk) if target is not None else "",
            target_label=(label or (str(target) if target is not None else ""))[:1000],
            before=before,
            after=after,
            request_id=actor.request_id,
            person_digest=person_digest(person),
        )
        events.append(person.event)
        people.append(person)
    AuditEvent.objects.bulk_create(events)
    AuditPerson.objects.bulk_create(people)
    if actor.is_operator:
        copy_events(events, current_organization(), actor)
    due.mark(due.SEAL_AUDIT)
    return events


def person_digest(person: AuditPerson) -> bytes:
    """The salted hash that stands in the chain for the personal fields."""
    fields = "\0".join([person.label, person.ip_address or "", person.user_agent])
    return hmac.new(bytes(person.salt), fields.encode(), hashlib.sha256).digest()
