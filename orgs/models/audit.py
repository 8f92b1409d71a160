from __future__ import annotations

import datetime
import uuid
from typing import ClassVar, Self

from django.db import models
from django.db.models import Value
from django.db.models.functions import Coalesce, NullIf

from dataxpipe.postgres.fields import UUID7Key, first_uuid7
from orgs.tenancy import TenantManager, TenantModel, TenantQuerySet


class AuditEventQuerySet(TenantQuerySet["AuditEvent"]):
    def matching(self, **exact: str | None) -> Self:
        """Narrowed by those of the given fields that are not None."""
        return self.filter(**{name: value for name, value in exact.items() if value is not None})

    def named(self, text: str) -> Self:
        """By id as it stands in a URL; text that is no id finds nothing, at the same cost."""
        try:
            return self.filter(pk=uuid.UUID(text))
        except ValueError:
            return self.filter(pk=uuid.UUID(int=0))

    def as_rows(self) -> Self:
        """Everything a list shows, personal parts and seal included, in one query of dicts."""
        told = self.annotate(label=Coalesce(NullIf("target_label", Value("")), "subject__label", Value("")))
        return told.values(  # type: ignore[return-value]
            "id",
            "created_at",
            "action",
            "actor_kind",
            "actor_id",
            "target_kind",
            "target_id",
            "label",
            "before",
            "after",
            "request_id",
            "person__label",
            "person__ip_address",
            "person__user_agent",
            "subject__label",
            "subject__details",
            "seal__sequence",
        )

    def between(self, since: datetime.datetime | None, until: datetime.datetime | None) -> Self:
        """From `since` on and before `until`: ids are ordered by time, so this reads only what it answers."""
        narrowed = self if since is None else self.filter(id__gte=first_uuid7(since))
        return narrowed if until is None else narrowed.filter(id__lt=first_uuid7(until))


class AuditEventManager(TenantManager.from_queryset(AuditEventQuerySet)):  # type: ignore[misc]
    pass


class AuditEvent(TenantModel):
    """One change by a person, a key or the system. Insert-only, by right and by trigger."""

    id = UUID7Key()
    created_at = models.DateTimeField()
    action = models.CharField(max_length=60)
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=40, blank=True)
    target_kind = models.CharField(max_length=40, blank=True)
    target_id = models.CharField(max_length=40, blank=True)
    target_label = models.CharField(max_length=1000, blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    person_digest = models.BinaryField(max_length=32)
    subject_digest = models.BinaryField(max_length=32, null=True)

    objects: ClassVar[AuditEventManager] = AuditEventManager()

    class Meta:
        indexes = [
            models.Index(fields=["organization", "action", "-id"], name="audit_event_by_action"),
            models.Index(fields=["organization", "actor_id", "-id"], name="audit_event_by_actor"),
            models.Index(fields=["organization", "target_id", "-id"], name="audit_event_by_target"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target_label}"


class AuditPerson(TenantModel):
    """The personal part of an event. Only its salted hash is in the chain, so that erasing it breaks nothing."""

    id = UUID7Key()
    event = models.ForeignKey(AuditEvent, on_delete=models.DO_NOTHING, related_name="person")
    salt = models.BinaryField(max_length=16)
    label = models.CharField(max_length=254, blank=True)
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "event"], name="audit_person_once_per_event")]

    def __str__(self) -> str:
        return self.label


class AuditSubject(TenantModel):
    """What an event tells about another person: address, and values before and after. Hashed and erased likewise."""

    id = UUID7Key()
    event = models.ForeignKey(AuditEvent, on_delete=models.DO_NOTHING, related_name="subject")
    salt = models.BinaryField(max_length=16)
    person_id = models.CharField(max_length=40, blank=True)
    label = models.CharField(max_length=254, blank=True)
    details = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "event"], name="audit_subject_once_per_event")]
        indexes = [models.Index(fields=["organization", "person_id"], name="audit_subject_by_person")]

    def __str__(self) -> str:
        return self.label


class AuditSeal(TenantModel):
    """A link of the organization's chain: the event's place and an HMAC over it and the link before."""

    id = UUID7Key()
    sequence = models.BigIntegerField()
    event = models.ForeignKey(AuditEvent, on_delete=models.DO_NOTHING, related_name="seal")
    mac = models.BinaryField(max_length=32)
    key_id = models.CharField(max_length=20)
    sealed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "sequence"], name="audit_seal_once_per_sequence"),
            models.UniqueConstraint(fields=["organization", "event"], name="audit_seal_once_per_event"),
        ]

    def __str__(self) -> str:
        return f"{self.sequence}"


class AuditAnchor(TenantModel):
    """A signed statement about the chain up to a sequence, checked with the public key alone. Insert-only.

    `link` is the public hash over every entry up to here (`orgs.audit_trail`), `signature` an Ed25519 over both.
    """

    id = UUID7Key()
    sequence = models.BigIntegerField()
    link = models.BinaryField(max_length=32)
    anchored_at = models.DateTimeField()
    key_id = models.CharField(max_length=20)
    signature = models.BinaryField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "sequence"], name="audit_anchor_once_per_sequence")
        ]

    def __str__(self) -> str:
        return f"{self.sequence}"
