from __future__ import annotations

import datetime
import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from dataxpipe.postgres.fields import UUID7Key
from orgs.models.membership import Membership


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self, now: datetime.datetime | None = None) -> ApiKeyQuerySet:
        """Neither revoked nor past its end."""
        now = now or timezone.now()
        return self.filter(revoked_at=None).exclude(expires_at__lte=now)

    def named(self, text: str) -> ApiKeyQuerySet:
        """By id as it stands in a URL; text that is no id finds nothing, at the same cost."""
        try:
            return self.filter(pk=uuid.UUID(text))
        except ValueError:
            return self.filter(pk=uuid.UUID(int=0))

    def with_creator_left(self) -> ApiKeyQuerySet:
        """With `has_creator_left`: the person who made the key is no member any more, or has no account."""
        return self.annotate(has_creator_left=_creator_has_left())

    def without_past_exchanges(self) -> ApiKeyQuerySet:
        """Without the keys of CI runs that are over: there are many, and the audit log has them."""
        return self.exclude(created_by_kind="publisher", expires_at__lte=timezone.now())

    def left_behind(self) -> ApiKeyQuerySet:
        """Still usable, made by a person who is no member any more."""
        return self.usable().filter(_creator_has_left())

    def over_age(self, max_age: datetime.timedelta | None) -> ApiKeyQuerySet:
        """Still usable and made for longer than keys may live; the old key of a rotation has its end already."""
        if max_age is None:
            return self.none()
        is_longer = Q(expires_at=None) | Q(expires_at__gt=F("created_at") + max_age)
        return self.usable().filter(is_longer, successor=None)


class ApiKey(models.Model):
    """A credential of one organization, never of a person. Only its SHA-256 is kept."""

    id = UUID7Key()
    organization = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=100)
    digest = models.BinaryField(max_length=32, unique=True)
    first_characters = models.CharField(max_length=8)
    last_characters = models.CharField(max_length=4)
    scopes = ArrayField(models.CharField(max_length=30))
    allowed_cidrs = ArrayField(models.CharField(max_length=43), default=list, blank=True)
    allowed_namespaces = ArrayField(models.CharField(max_length=1000), default=list, blank=True)
    namespace_map = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_by_label = models.CharField(max_length=254)
    created_by_kind = models.CharField(max_length=10, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    # The publisher whose token was exchanged for this key of minutes.
    publisher = models.ForeignKey(
        "orgs.TrustedPublisher", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # How many days before its end the last warning was mailed.
    warned_days = models.PositiveSmallIntegerField(null=True, blank=True)
    successor = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="predecessors")

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["organization", "-created_at"], name="api_key_newest")]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint})"

    @property
    def hint(self) -> str:
        """What may be shown of the key, for telling it from others: `dxp_a1b2…9xYz`."""
        return f"{self.first_characters}…{self.last_characters}"

    @property
    def status(self) -> str:
        if self.revoked_at is not None:
            return "revoked"
        if not self.is_usable:
            return "expired"
        return "rotating" if self.is_rotating else "active"

    @property
    def is_rotating(self) -> bool:
        return self.successor_id is not None and self.is_usable

    @property
    def is_usable(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())

    def is_over_age(self, max_age: datetime.timedelta | None) -> bool:
        """As the queryset's `over_age`."""
        if max_age is None or self.successor_id is not None or not self.is_usable:
            return False
        return self.expires_at is None or self.expires_at > self.created_at + max_age


def _creator_has_left() -> Q:
    members = Membership.objects.filter(organization=OuterRef("organization"), user=OuterRef("created_by"))
    return Q(~Exists(members), created_by_kind="person")


class ApiKeyUse(models.Model):
    """Who uses a key: one row per caller, at most 1,000 a key, written outside scopes."""

    organization = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, related_name="+")
    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="uses")
    namespace = models.CharField(max_length=1000, blank=True)
    root_name = models.CharField(max_length=1000, blank=True)
    producer = models.CharField(max_length=200, blank=True)
    ip_address = models.GenericIPAddressField(null=True)
    first_used_at = models.DateTimeField()
    last_used_at = models.DateTimeField()
    use_count = models.BigIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["api_key", "namespace", "root_name", "producer", "ip_address"],
                name="api_key_use_once_per_caller",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.producer or self.ip_address} {self.namespace}"
