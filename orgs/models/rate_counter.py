from django.db import models


class RateCounter(models.Model):
    """A count within a window of time, or what is left in a bucket; its table is UNLOGGED and empty after a crash.

    Of a window `amount` is what was counted and `at` its end; of a bucket what was left, and when.
    """

    key = models.CharField(max_length=200, primary_key=True)
    amount = models.FloatField()
    at = models.DateTimeField()
    is_granted = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.key
