from __future__ import annotations

from django.conf import settings
from django.db import models

from orgs.permissions import Role


class MembershipQuerySet(models.QuerySet["Membership"]):
    def named(self, text: str) -> MembershipQuerySet:
        """By id as it stands in a URL; text that is no id finds nothing, at the same cost."""
        is_id = text.isascii() and text.isdecimal() and len(text) < 19
        return self.filter(pk=int(text) if is_id else 0)


class Membership(models.Model):
    """A person's role in an organization."""

    organization = models.ForeignKey("orgs.Organization", on_delete=models.PROTECT, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=[(role.value, role.label) for role in Role])
    created_at = models.DateTimeField(auto_now_add=True)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="membership_once_per_person"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.organization_id} as {self.role}"


class FormerMembership(models.Model):
    """Where a person once was a member: whose memory of them must be found when they ask for export or erasure."""

    organization = models.ForeignKey("orgs.Organization", on_delete=models.CASCADE, related_name="former_memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="former_memberships")
    ended_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="former_membership_once_per_person"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} once in {self.organization_id}"
