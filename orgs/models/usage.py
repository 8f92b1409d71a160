from __future__ import annotations

import uuid

from django.db import models

from orgs.models.organization import Organization

NO_KEY = uuid.UUID(int=0)


class UsagePeriod(models.TextChoices):
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class UsageCount(models.Model):
    """What was done in an hour, by API key; old hours become days, and old days months.

    Every use is in one row only, so a sum over any periods is right. `api_key_id` is no foreign key: it may be the
    trusted publisher that keys of minutes were exchanged by, and `NO_KEY` stands for the worker. `report_requests`
    are those of `api_requests` that draw on the budget of events.
    """

    pk = models.CompositePrimaryKey("organization_id", "starts_at", "period", "api_key_id")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    starts_at = models.DateTimeField()
    period = models.CharField(max_length=5, choices=UsagePeriod)
    api_key_id = models.UUIDField()
    api_requests = models.BigIntegerField(default=0)
    report_requests = models.BigIntegerField(default=0)
    runs_recorded = models.BigIntegerField(default=0)
    events_ingested = models.BigIntegerField(default=0)
    check_results = models.BigIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["period", "starts_at"], name="usage_count_oldest")]

    def __str__(self) -> str:
        return f"{self.period} from {self.starts_at:%Y-%m-%d %H:%M}"


class UsageLevel(models.Model):
    """What an organization had on a day (UTC), as it was measured last on it."""

    pk = models.CompositePrimaryKey("organization_id", "day")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    pipelines = models.BigIntegerField()
    connections = models.BigIntegerField()
    storage_bytes = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["day"], name="usage_level_oldest")]

    def __str__(self) -> str:
        return f"{self.day}"
