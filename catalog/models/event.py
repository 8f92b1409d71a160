from __future__ import annotations

from typing import ClassVar, Self

from django.db import models

from dataxpipe.postgres.fields import UUID7Key, WeeklyPartitionKey, first_uuid7
from orgs import plans
from orgs.tenancy import TenantManager, TenantModel, TenantQuerySet


class EventInboxQuerySet(TenantQuerySet["EventInbox"]):
    def shown(self) -> Self:
        """Received within the days that the plan shows raw events for."""
        return self.filter(id__gte=first_uuid7(plans.history_begins("raw_event_days")))


class EventInboxManager(TenantManager.from_queryset(EventInboxQuerySet)):  # type: ignore[misc]
    pass


class EventInbox(TenantModel):
    """An OpenLineage event as it came in, stored before it is applied; partitioned by week."""

    class State(models.TextChoices):
        APPLIED = "applied"
        PENDING = "pending"
        FAILED = "failed"

    id = WeeklyPartitionKey()
    body = models.BinaryField()
    kind = models.CharField(max_length=10)
    event_type = models.CharField(max_length=10, blank=True)
    event_time = models.DateTimeField()
    job_namespace = models.CharField(max_length=1000, blank=True)
    job_name = models.CharField(max_length=1000, blank=True)
    run = models.UUIDField(null=True)
    api_key = models.UUIDField(null=True)
    state = models.CharField(max_length=7, choices=State)
    reason = models.TextField(blank=True)
    received_at = models.DateTimeField()

    objects: ClassVar[EventInboxManager] = EventInboxManager()

    class Meta:
        indexes = [
            models.Index(fields=["organization", "run"], name="event_of_run", condition=models.Q(run__isnull=False)),
            models.Index(fields=["organization", "id"], name="event_pending", condition=models.Q(state="pending")),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.job_name}"


class Facet(TenantModel):
    """The content of a facet, stored once per organization: the id is made of the content's digest."""

    id = models.UUIDField(primary_key=True)
    content = models.JSONField()
    byte_count = models.IntegerField()
    is_cut = models.BooleanField(default=False)

    def __str__(self) -> str:
        return str(self.id)


class FacetUse(TenantModel):
    """The latest content of one named facet of a run, a job or a dataset."""

    class Subject(models.TextChoices):
        RUN = "run"
        JOB = "job"
        DATASET = "dataset"

    id = UUID7Key()
    subject_kind = models.CharField(max_length=7, choices=Subject)
    subject_id = models.UUIDField()
    name = models.CharField(max_length=200)
    facet = models.ForeignKey(Facet, on_delete=models.DO_NOTHING, related_name="uses")
    event_time = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "subject_id", "name"], name="facet_use_once")]

    def __str__(self) -> str:
        return self.name
