from django.db import models


class Due(models.Model):
    """Work that waits for the worker. Written inside scopes, so that nothing has to visit every tenant."""

    organization = models.ForeignKey("orgs.Organization", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=40)
    due_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "kind"], name="due_once_per_kind")]
        indexes = [models.Index(fields=["due_at"], name="due_soonest")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.due_at:%Y-%m-%d %H:%M}"
