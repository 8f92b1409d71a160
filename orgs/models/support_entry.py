from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from dataxpipe.postgres.fields import UUID7Key


class SupportEntryQuerySet(models.QuerySet["SupportEntry"]):
    def open(self) -> SupportEntryQuerySet:
        return self.filter(left_at=None, ends_at__gt=timezone.now())


class SupportEntry(models.Model):
    """One of the staff looks at an organization's pages, for a reason and for an hour at most."""

    id = UUID7Key()
    organization = models.ForeignKey("orgs.Organization", on_delete=models.CASCADE, related_name="support_entries")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="support_entries")
    reason = models.CharField(max_length=500)
    entered_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True, blank=True)

    objects = SupportEntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "support entries"
        indexes = [
            models.Index(fields=["user", "ends_at"], condition=models.Q(left_at=None), name="support_entry_open"),
        ]

    def __str__(self) -> str:
        return f"support until {self.ends_at:%Y-%m-%d %H:%M}"
