from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from dataxpipe.postgres.fields import UUID7Key


class PlatformKeyQuerySet(models.QuerySet["PlatformKey"]):
    def usable(self) -> PlatformKeyQuerySet:
        return self.filter(revoked_at=None)

    def named(self, text: str) -> PlatformKeyQuerySet:
        """By id, or by name among those that work."""
        try:
            return self.filter(pk=uuid.UUID(text))
        except ValueError:
            return self.usable().filter(name=text)


class PlatformKey(models.Model):
    """An operator's credential for `/organizations/`. It belongs to no organization and opens none."""

    id = UUID7Key()
    name = models.CharField(max_length=100)
    digest = models.BinaryField(max_length=32, unique=True)
    first_characters = models.CharField(max_length=17)
    last_characters = models.CharField(max_length=4)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = PlatformKeyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(revoked_at=None), name="platform_key_once_per_name"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint})"

    @property
    def hint(self) -> str:
        """What may be shown of the key: `dxp_platform_a1b2…9xYz`."""
        return f"{self.first_characters}…{self.last_characters}"

    def note_use(self) -> None:
        """Keeps `last_used_at` to the minute."""
        now = timezone.now().replace(second=0, microsecond=0)
        if self.last_used_at is None or self.last_used_at < now:
            PlatformKey.objects.filter(pk=self.pk).update(last_used_at=now)


class PlatformEvent(models.Model):
    """What an operator did. It outlives the organization it was done to; insert-only, by right and by trigger."""

    id = UUID7Key()
    created_at = models.DateTimeField()
    action = models.CharField(max_length=60)
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=40, blank=True)
    actor_label = models.CharField(max_length=254, blank=True)
    organization_slug = models.CharField(max_length=40, blank=True)
    target_label = models.CharField(max_length=1000, blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=400, blank=True)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [models.Index(fields=["organization_slug", "-id"], name="platform_event_by_slug")]

    def __str__(self) -> str:
        return f"{self.action} {self.organization_slug or self.target_label}"
