from __future__ import annotations

from typing import ClassVar, Self

from django.db import models

from dataxpipe.postgres.fields import UUID7Key
from orgs.tenancy import TenantManager, TenantModel, TenantQuerySet


class AuditEventQuerySet(TenantQuerySet["AuditEvent"]):
    def matching(self, **exact: str | None) -> Self:
        """Narrowed by those of the given fields that are not None."""
        return self.filter(**{name: value for name, value in exact.items() if value is not None})

    def as_rows(self) -> Self:
        """Everything a list shows, personal part and seal included, in one query of dicts."""
        return self.values(  # type: ignore[return-value]
            "id",
            "created_at",
            "action",
            "actor_kind",
            "actor_id",
            "target_kind",
            "target_id",
            "target_label",
            "before",
            "after",
            "request_id",
            "person__label",
            "person__ip_address",
            "person__user_agent",
            "seal__sequence",
        )


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

    objects: ClassVar[AuditEventManager] = AuditEventManager()

    class Meta:
        indexes = [models.Index(fields=["organization", "action", "-id"], name="audit_event_by_action")]

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
