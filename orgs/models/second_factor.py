from __future__ import annotations

import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

ATTEMPTS = 5
FIRST_REST, LONGEST_REST = datetime.timedelta(seconds=30), datetime.timedelta(minutes=15)


class SecondFactor(models.Model):
    """A person's authenticator app: its secret, sealed, and SHA-256 of the recovery codes that are left."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="second_factor"
    )
    key_id = models.CharField(max_length=20)
    sealed = models.BinaryField(max_length=100)
    enabled_at = models.DateTimeField()
    # The step of the last code that was taken, in half minutes since 1970: a code works once.
    last_step = models.BigIntegerField()
    recovery_digests = ArrayField(models.CharField(max_length=64), default=list)
    wrong_count = models.PositiveIntegerField(default=0)
    wrong_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"second factor of {self.user_id}"

    @property
    def recovery_codes_left(self) -> int:
        return len(self.recovery_digests)

    @property
    def rests_until(self) -> datetime.datetime | None:
        """No code is looked at before: from the fifth wrong one in a row on it takes twice as long each time."""
        if self.wrong_at is None or self.wrong_count < ATTEMPTS:
            return None
        doublings = min(self.wrong_count - ATTEMPTS, 10)
        rest: datetime.timedelta = FIRST_REST * 2**doublings
        return self.wrong_at + min(rest, LONGEST_REST)
