from __future__ import annotations

from typing import ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.urls import reverse

from catalog.models.identity import identity_of
from catalog.models.pipeline import Pipeline
from dataxpipe.postgres.fields import UUID7Key
from orgs.tenancy import TenantManager, TenantModel, TenantQuerySet, current_organization


class DatasetQuerySet(TenantQuerySet["Dataset"]):
    def named(self, namespace: str, name: str) -> Self:
        return self.filter(identity=identity_of(namespace, name))

    def matching(self, text: str) -> Self:
        return self.filter(search_text__contains=text.lower())


class DatasetManager(TenantManager.from_queryset(DatasetQuerySet)):  # type: ignore[misc]
    pass


class Dataset(TenantModel):
    """One physical table, file or topic, by its OpenLineage (namespace, name)."""

    id = UUID7Key()
    namespace = models.CharField(max_length=1000)
    name = models.CharField(max_length=1000)
    identity = models.BinaryField(max_length=32)
    raw_name = models.CharField(max_length=2100, blank=True)
    search_text = models.TextField(blank=True)
    type = models.CharField(max_length=30, blank=True)
    description = models.TextField(blank=True)
    owners = models.JSONField(default=list, blank=True)
    tags = ArrayField(models.CharField(max_length=63), default=list, blank=True)
    symlinks = models.JSONField(default=list, blank=True)
    schema_digest = models.BinaryField(max_length=32, null=True)
    schema_changed_at = models.DateTimeField(null=True)
    last_written_at = models.DateTimeField(null=True)
    last_read_at = models.DateTimeField(null=True)
    failing_check_count = models.IntegerField(default=0)
    lifecycle_state = models.CharField(max_length=20, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[DatasetManager] = DatasetManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "identity"], name="dataset_identity")]
        indexes = [
            models.Index(fields=["organization", "name", "id"], name="dataset_by_name"),
            models.Index(
                fields=["organization", "id"], name="dataset_failing", condition=models.Q(failing_check_count__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return dataset_url(current_organization().slug, self.id)


def dataset_url(slug: str, dataset_id: object) -> str:
    return reverse("dataset", kwargs={"slug": slug, "dataset_id": dataset_id})


class DatasetAliasQuerySet(TenantQuerySet["DatasetAlias"]):
    def existing(self) -> Self:
        """Of pipelines that are not deleted."""
        return self.filter(pipeline__deleted_at=None)


class DatasetAliasManager(TenantManager.from_queryset(DatasetAliasQuerySet)):  # type: ignore[misc]
    pass


class DatasetAlias(TenantModel):
    """The id under which a pipeline's spec speaks of a dataset; unique per pipeline only."""

    id = UUID7Key()
    pipeline = models.ForeignKey(Pipeline, on_delete=models.DO_NOTHING, related_name="aliases")
    alias = models.CharField(max_length=200)
    dataset = models.ForeignKey(Dataset, on_delete=models.DO_NOTHING, related_name="aliases")

    objects: ClassVar[DatasetAliasManager] = DatasetAliasManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "pipeline", "alias"], name="dataset_alias_in_pipeline")
        ]
        indexes = [models.Index(fields=["organization", "alias"], name="dataset_alias_anywhere")]

    def __str__(self) -> str:
        return self.alias


class DatasetColumn(TenantModel):
    """A column of a dataset; nested fields are dotted (`customer.address.zip`)."""

    id = UUID7Key()
    dataset = models.ForeignKey(Dataset, on_delete=models.DO_NOTHING, related_name="columns")
    name = models.CharField(max_length=500)
    position = models.IntegerField(default=0)
    type = models.CharField(max_length=500, blank=True)
    description = models.TextField(blank=True)
    tags = ArrayField(models.CharField(max_length=63), default=list, blank=True)
    first_seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "dataset", "name"], name="dataset_column_once")]

    def __str__(self) -> str:
        return self.name
