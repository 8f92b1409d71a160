from __future__ import annotations

from django.db import models

from catalog.models.pipeline import Pipeline
from dataxpipe.postgres.fields import UUID7Key
from orgs.tenancy import TenantModel


class Step(TenantModel):
    """A part of a pipeline: a transform of its spec, an Airflow task, a dbt model, a Spark action.

    `namespace` is that of the OpenLineage job, empty for a transform. A job may be a step of several pipelines.
    """

    id = UUID7Key()
    pipeline = models.ForeignKey(Pipeline, on_delete=models.DO_NOTHING, related_name="steps")
    namespace = models.CharField(max_length=1000, blank=True)
    name = models.CharField(max_length=1000)
    identity = models.BinaryField(max_length=32)
    kind = models.CharField(max_length=60, blank=True)
    description = models.TextField(blank=True)
    code_ref = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "pipeline", "identity"], name="step_identity")]

    def __str__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        """The name without the pipeline's own, which orchestrators put before it: `orders.load` is `load`."""
        return self.name.removeprefix(f"{self.pipeline.name}.")
