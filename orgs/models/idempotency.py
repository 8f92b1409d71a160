from django.db import models

from dataxpipe.postgres.fields import UUID7Key
from orgs.tenancy import TenantModel


class IdempotencyRecord(TenantModel):
    """The answer to a request that carried an `Idempotency-Key`, for 24 hours."""

    id = UUID7Key()
    key = models.CharField(max_length=255)
    request_digest = models.BinaryField(max_length=32)
    status = models.SmallIntegerField()
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "key"], name="idempotency_key_once")]

    def __str__(self) -> str:
        return self.key
