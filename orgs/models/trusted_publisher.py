from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from dataxpipe.postgres.fields import UUID7Key


class TrustedPublisherQuerySet(models.QuerySet["TrustedPublisher"]):
    def named(self, text: str) -> TrustedPublisherQuerySet:
        """By id as it stands in a URL; text that is no id finds nothing, at the same cost."""
        try:
            return self.filter(pk=uuid.UUID(text))
        except ValueError:
            return self.filter(pk=uuid.UUID(int=0))


class TrustedPublisher(models.Model):
    """Whose tokens an organization exchanges for keys: an issuer, an audience and a pattern of subjects."""

    id = UUID7Key()
    organization = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, related_name="trusted_publishers")
    name = models.CharField(max_length=100)
    issuer = models.CharField(max_length=500)
    audience = models.CharField(max_length=500)
    subject_pattern = models.CharField(max_length=500)
    scopes = ArrayField(models.CharField(max_length=30))
    allowed_namespaces = ArrayField(models.CharField(max_length=1000), default=list, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_by_label = models.CharField(max_length=254)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_subject = models.CharField(max_length=1000, blank=True)

    objects = TrustedPublisherQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "issuer", "audience", "subject_pattern"], name="trusted_publisher_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class UsedToken(models.Model):
    """A token that was exchanged, until it ends: it is not exchanged twice, by whichever organization."""

    identity = models.BinaryField(max_length=32, unique=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"a token until {self.expires_at:%Y-%m-%d %H:%M}"
