from __future__ import annotations

import datetime

from django.db import models

from dataxpipe.postgres.fields import UUID7Key
from orgs.tenancy import TenantModel

GRACE = datetime.timedelta(days=30)
REMINDED_BEFORE = datetime.timedelta(days=7)


class KeptHistory(TenantModel):
    """For how many days rows of one kind are kept from deletion. A limit that became smaller hides at once, and stands
    here as `shortened_to` until its 30 days have passed; a larger one holds here at once."""

    id = UUID7Key()
    resource = models.CharField(max_length=30)
    days = models.BigIntegerField()
    shortened_to = models.BigIntegerField(null=True)
    shortened_at = models.DateTimeField(null=True)
    reminded_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "resource"], name="kept_history_once")]

    def __str__(self) -> str:
        return f"{self.resource}: {self.days}"

    @property
    def deletes_at(self) -> datetime.datetime | None:
        """When what is beyond the shorter history is deleted: 30 days on, and a week after the second mail."""
        if self.shortened_at is None:
            return None
        reminded = self.reminded_at + REMINDED_BEFORE if self.reminded_at else self.shortened_at
        return max(self.shortened_at + GRACE, reminded)

    @property
    def reminds_at(self) -> datetime.datetime | None:
        return self.shortened_at + GRACE - REMINDED_BEFORE if self.shortened_at else None
