from django.db import models


class Refusal(models.Model):
    """How often somebody was refused: one row per actor, address, problem and hour, written outside scopes."""

    organization = models.ForeignKey("orgs.Organization", on_delete=models.CASCADE, related_name="refusals")
    hour = models.DateTimeField()
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=40)
    actor_label = models.CharField(max_length=254, blank=True)
    ip_address = models.GenericIPAddressField(null=True)
    problem = models.CharField(max_length=60)
    refusal_count = models.BigIntegerField(default=1)
    last_path = models.CharField(max_length=200, blank=True)
    last_refused_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "hour", "actor_kind", "actor_id", "ip_address", "problem"],
                name="refusal_once_per_hour",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor_label} {self.problem}"
