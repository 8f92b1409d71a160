from __future__ import annotations

import datetime
from typing import ClassVar, Self

from django.db import models

from catalog.models.dataset import Dataset
from catalog.models.pipeline import Pipeline
from catalog.models.step import Step
from dataxpipe.postgres.fields import UUID7Key
from orgs.tenancy import TenantManager, TenantModel, TenantQuerySet


class Direction(models.TextChoices):
    READS = "reads"
    WRITES = "writes"


class LinkOrigin(models.TextChoices):
    DECLARED = "declared"
    OBSERVED = "observed"


class IntervalQuerySet(TenantQuerySet["LineageLink"]):
    def valid(self, at: datetime.datetime | None = None) -> Self:
        """Open now, or at the instant."""
        if at is None:
            return self.filter(valid_to=None)
        return self.filter(valid_from__lte=at).exclude(valid_to__lte=at)


class IntervalManager(TenantManager.from_queryset(IntervalQuerySet)):  # type: ignore[misc]
    pass


class LineageLink(TenantModel):
    """A pipeline, or a step of it, reads or writes a dataset, during an interval.

    Links are bipartite, so that pure readers and pure writers count; dataset → dataset is derived.
    """

    id = UUID7Key()
    pipeline = models.ForeignKey(Pipeline, on_delete=models.DO_NOTHING, related_name="links", db_index=False)
    step = models.ForeignKey(Step, on_delete=models.DO_NOTHING, null=True, related_name="links", db_index=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.DO_NOTHING, related_name="links", db_index=False)
    direction = models.CharField(max_length=6, choices=Direction)
    origin = models.CharField(max_length=8, choices=LinkOrigin)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField()

    objects: ClassVar[IntervalManager] = IntervalManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "pipeline", "dataset", "direction", "step", "origin"],
                condition=models.Q(valid_to=None),
                nulls_distinct=False,
                name="lineage_link_open_once",
            )
        ]
        indexes = [
            models.Index(fields=["organization", "dataset", "direction", "pipeline"], name="lineage_link_of_dataset"),
            models.Index(fields=["organization", "pipeline", "direction", "dataset"], name="lineage_link_of_pipeline"),
        ]

    def __str__(self) -> str:
        return f"{self.pipeline_id} {self.direction} {self.dataset_id}"


class ColumnLink(TenantModel):
    """A column of a written dataset comes from a column of a read one, through a pipeline or its step."""

    id = UUID7Key()
    pipeline = models.ForeignKey(Pipeline, on_delete=models.DO_NOTHING, related_name="column_links")
    step = models.ForeignKey(Step, on_delete=models.DO_NOTHING, null=True, related_name="column_links", db_index=False)
    from_dataset = models.ForeignKey(Dataset, on_delete=models.DO_NOTHING, related_name="+")
    from_column = models.CharField(max_length=500)
    to_dataset = models.ForeignKey(Dataset, on_delete=models.DO_NOTHING, related_name="+")
    to_column = models.CharField(max_length=500)
    transformation = models.CharField(max_length=100, blank=True)
    is_masked = models.BooleanField(default=False)
    origin = models.CharField(max_length=8, choices=LinkOrigin)
    identity = models.BinaryField(max_length=32)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField()

    objects: ClassVar[IntervalManager] = IntervalManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "identity"],
                condition=models.Q(valid_to=None),
                name="column_link_open_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.from_column} → {self.to_column}"


class LineageVersion(TenantModel):
    """Rises only when a link changes, so that an organization's adjacency can be kept until then."""

    id = UUID7Key()
    version = models.BigIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization"], name="lineage_version_once")]

    def __str__(self) -> str:
        return str(self.version)
