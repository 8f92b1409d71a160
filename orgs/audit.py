"""The organization's memory: the vocabulary of actions, and `record()`.

An event goes in with the change it remembers, in the same transaction; the worker seals it into the chain
within a minute (`orgs.services.audit`). Sealing inside each transaction would serialize an organization.
"""

from __future__ import annotations

import enum
import secrets
from typing import Any

from django.utils import timezone

from orgs import audit_trail, due
from orgs.actors import Actor
from orgs.models import AuditEvent, AuditPerson, AuditSubject
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
    ORGANIZATION_HISTORY_SHORTENED = "organization.history_shortened"
    ORGANIZATION_TRANSFERRED = "organization.transferred"
    ORGANIZATION_SUSPENDED = "organization.suspended"
    ORGANIZATION_RESUMED = "organization.resumed"
    ORGANIZATION_DELETION_REQUESTED = "organization.deletion_requested"
    ORGANIZATION_DELETION_UNDONE = "organization.deletion_undone"
    SUPPORT_ENTERED = "support.entered"
    SUPPORT_LEFT = "support.left"
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
    MEMBER_NAME_CHANGED = "member.name_changed"
    MEMBER_SECOND_FACTOR_ENABLED = "member.second_factor_enabled"
    MEMBER_SECOND_FACTOR_MOVED = "member.second_factor_moved"
    MEMBER_SECOND_FACTOR_DISABLED = "member.second_factor_disabled"
    MEMBER_RECOVERY_CODES_RENEWED = "member.recovery_codes_renewed"
    MEMBER_RECOVERY_CODE_USED = "member.recovery_code_used"
    MEMBER_SESSIONS_ENDED = "member.sessions_ended"
    MEMBER_ACCOUNT_DELETED = "member.account_deleted"
    MEMBER_DATA_ERASED = "member.data_erased"
    AUDIT_EXPORTED = "audit.exported"
    MEMBER_IDENTITY_LINKED = "member.identity_linked"
    API_KEY_CREATED = "api_key.created"
    API_KEY_ROTATED = "api_key.rotated"
    API_KEY_OVERLAP_ENDED = "api_key.overlap_ended"
    API_KEY_REVOKED = "api_key.revoked"
    API_KEY_REUSE_DETECTED = "api_key.reuse_detected"
    API_KEY_EXCHANGED = "api_key.exchanged"
    API_KEY_LEAKED = "api_key.leaked"
    TRUSTED_PUBLISHER_CREATED = "trusted_publisher.created"
    TRUSTED_PUBLISHER_UPDATED = "trusted_publisher.updated"
    TRUSTED_PUBLISHER_DELETED = "trusted_publisher.deleted"
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


# Targets whose label is a person's address, and actions whose values are.
PERSONAL_TARGETS = {"membership", "invitation", "user"}
PERSONAL_VALUES = {Action.MEMBER_EMAIL_CHANGED, Action.MEMBER_NAME_CHANGED}


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
    """Remembers many changes of one actor in two or three statements: `(action, target, label, before, after)` each."""
    events, people, subjects = [], [], []
    now = timezone.now()
    for action, target, label, before, after in changes:
        person = AuditPerson(salt=_salt(), label=actor.label, ip_address=actor.ip_address, user_agent=actor.user_agent)
        label = (label or (str(target) if target is not None else ""))[:1000]
        subject = _subject(action, target, label, before, after)
        person.event = AuditEvent(
            created_at=now,
            action=action.value,
            actor_kind=actor.kind,
            actor_id=actor.id,
            target_kind=target._meta.model_name if target is not None else "",
            target_id=str(target.pk) if target is not None else "",
            target_label="" if subject else label,
            before=None if subject and subject.details else before,
            after=None if subject and subject.details else after,
            request_id=actor.request_id,
            person_digest=person_digest(person),
            subject_digest=subject_digest(subject) if subject else None,
        )
        events.append(person.event)
        people.append(person)
        if subject:
            subject.event = person.event
            subjects.append(subject)
    AuditEvent.objects.bulk_create(events)
    AuditPerson.objects.bulk_create(people)
    if subjects:
        AuditSubject.objects.bulk_create(subjects)
    if actor.is_operator:
        copy_events(events, current_organization(), actor)
    due.mark(due.SEAL_AUDIT)
    return events


def _subject(action: Action, target: Any, label: str, before: Any, after: Any) -> AuditSubject | None:
    """The part of an event that is about a person, if it is about one."""
    kind = target._meta.model_name if target is not None else ""
    if kind not in PERSONAL_TARGETS:
        return None
    details = {"before": before, "after": after} if action in PERSONAL_VALUES else None
    person_id = target.pk if kind == "user" else getattr(target, "user_id", "")
    return AuditSubject(salt=_salt(), person_id=str(person_id), label=label[:254], details=details)


def _salt() -> bytes:
    return secrets.token_bytes(16)


def person_digest(person: AuditPerson) -> bytes:
    """The salted hash that stands in the chain for the personal fields."""
    return audit_trail.person_digest(
        bytes(person.salt), label=person.label, ip_address=person.ip_address, user_agent=person.user_agent
    )


def subject_digest(subject: AuditSubject) -> bytes:
    return audit_trail.subject_digest(
        bytes(subject.salt), person_id=subject.person_id, label=subject.label, details=subject.details
    )
