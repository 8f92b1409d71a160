from __future__ import annotations

import datetime
import re

from django.core.exceptions import ValidationError
from django.db import models
from django.urls import reverse

from orgs.plans import PLANS, Plan

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,38}[a-z0-9])")
RESERVED_SLUGS = frozenset(
    [
        "me",
        "api",
        "www",
        "app",
        "admin",
        "static",
        "docs",
        "login",
        "signup",
        "o",
        "mail",
        "status",
        "support",
        "billing",
        "new",
    ]
)


# What an organization may choose for itself; the first value holds until it does.
SETTINGS = {
    "ingest_admission": ("all", "registered"),
    "store_sql": ("all", "editors", "no"),
    "store_source_code": ("all", "editors", "no"),
    "require_second_factor": ("no", "yes"),
    "max_key_age_days": ("unlimited", "30", "90", "180", "365"),
}


def validate_slug(slug: str) -> None:
    """A DNS label of 3 to 40 characters that is not reserved, since it also becomes a subdomain."""
    if not SLUG.fullmatch(slug):
        raise ValidationError("Use 3 to 40 of a-z, 0-9 and -, with no - at the ends.", code="invalid")
    if slug in RESERVED_SLUGS or slug.startswith("xn--"):
        raise ValidationError("This name is reserved.", code="reserved")


class OrganizationStatus(models.TextChoices):
    ACTIVE = "active"
    PAST_DUE = "past_due"
    SUSPENDED = "suspended"
    MOVING = "moving"
    DELETING = "deleting"


class Organization(models.Model):
    """The tenant: its plan, its members, its keys, and every catalog row."""

    slug = models.CharField(max_length=40, unique=True, validators=[validate_slug])
    name = models.CharField(max_length=100)
    plan_name = models.CharField("plan", max_length=20, default="free", choices=[(name, name) for name in PLANS])
    status = models.CharField(max_length=10, choices=OrganizationStatus, default=OrganizationStatus.ACTIVE)
    status_before = models.CharField(max_length=10, blank=True, default="")
    status_reason = models.CharField(max_length=500, blank=True, default="")
    deletion_at = models.DateTimeField(null=True, blank=True)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    stripe_customer_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    limit_overrides = models.JSONField(default=dict, blank=True)
    settings = models.JSONField(default=dict, blank=True)
    usage_levels = models.JSONField(default=dict, blank=True)
    limit_warnings = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.slug

    @property
    def plan(self) -> Plan:
        return PLANS[self.plan_name]

    def setting(self, name: str) -> str:
        """The organization's choice for one of `SETTINGS`."""
        value: str = self.settings.get(name, SETTINGS[name][0])
        return value

    @property
    def max_key_age(self) -> datetime.timedelta | None:
        """How long an API key may live; None is without limit."""
        days = self.setting("max_key_age_days")
        return None if days == "unlimited" else datetime.timedelta(days=int(days))

    @property
    def requires_second_factor(self) -> bool:
        return self.setting("require_second_factor") == "yes"

    def get_absolute_url(self) -> str:
        return reverse("overview", kwargs={"slug": self.slug})


class OrganizationSlug(models.Model):
    """Every slug an organization has or had: a former one redirects for 90 days, and none goes to another.

    Those of an organization that was purged belong to nobody.
    """

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="slugs", null=True, blank=True
    )
    slug = models.CharField(max_length=40, unique=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.slug
