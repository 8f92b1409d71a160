from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from dataxpipe.postgres.fields import UUID7Key
from orgs.tenancy import TenantModel


class Connection(TenantModel):
    """A warehouse or store that pipelines read from and write to; `slug` is its id in specs and in the API."""

    id = UUID7Key()
    slug = models.CharField(max_length=100)
    type = models.CharField(max_length=30)
    description = models.TextField(blank=True)
    config = models.JSONField(default=dict)
    namespaces = ArrayField(models.CharField(max_length=1000), default=list, blank=True)
    created_by_id = models.CharField(max_length=40, blank=True)
    created_by_label = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "slug"], name="connection_slug")]

    def __str__(self) -> str:
        return self.slug


class ConnectionSecret(TenantModel):
    """One sealed field of a connection's configuration; readable only by the process that uses it."""

    id = UUID7Key()
    connection = models.ForeignKey(Connection, on_delete=models.DO_NOTHING, related_name="secrets")
    field = models.CharField(max_length=100)
    key_id = models.CharField(max_length=20)
    sealed = models.BinaryField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "connection", "field"], name="connection_secret_field")
        ]

    def __str__(self) -> str:
        return self.field


class DataKey(TenantModel):
    """The organization's key for its secrets, wrapped by the master key it is named after."""

    id = UUID7Key()
    key_id = models.CharField(max_length=20)
    wrapped = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "key_id"], name="data_key_of_master_key")]

    def __str__(self) -> str:
        return self.key_id
