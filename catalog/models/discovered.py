from __future__ import annotations

from typing import ClassVar, Self

from django.db import models

from dataxpipe.postgres.fields import UUID7Key
from orgs.tenancy import TenantManager, TenantModel, TenantQuerySet


class DiscoveredPipelineQuerySet(TenantQuerySet["DiscoveredPipeline"]):
    def waiting(self) -> Self:
        """Nobody has decided about them yet."""
        return self.filter(ignored_at=None)

    def ignored(self) -> Self:
        return self.exclude(ignored_at=None)


class DiscoveredPipelineManager(TenantManager.from_queryset(DiscoveredPipelineQuerySet)):  # type: ignore[misc]
    pass


class DiscoveredPipeline(TenantModel):
    """A pipeline that events named and that was not let in: the plan had no room, or only registered ones may come."""

    id = UUID7Key()
    namespace = models.CharField(max_length=1000)
    name = models.CharField(max_length=1000)
    identity = models.BinaryField(max_length=32)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    event_count = models.BigIntegerField(default=1)
    ignored_at = models.DateTimeField(null=True)

    objects: ClassVar[DiscoveredPipelineManager] = DiscoveredPipelineManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "identity"], name="discovered_identity")]
        indexes = [models.Index(fields=["organization", "-last_seen_at", "-id"], name="discovered_newest")]

    def __str__(self) -> str:
        return self.name
