"""Saying in time that a limit is near: a banner on every page, and a mail to owners and admins.

The levels last measured stand on the organization's row, which every page has loaded: the banner asks nothing more, and
a new plan works at once. A mail goes out when 80 or 100 % are reached, once a month each at most.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django import app

from orgs.mail import one_line, send_mail
from orgs.models import Organization
from orgs.plans import limit_of
from orgs.quantities import amount
from orgs.services.key_warnings import admins_of
from orgs.services.organizations import lock_organization
from orgs.services.passwords import MailServerDown
from orgs.tenancy import current_organization

THRESHOLDS = (100, 80)
NAMES = {"pipelines": "pipelines", "connections": "connections", "storage_bytes": "storage"}
LIMIT_TASK = "mail_limit_warning"


@dataclass(frozen=True, slots=True)
class NearLimit:
    """A limit of which at least 80 % are in use."""

    resource: str
    used: int
    limit: int

    @property
    def percent(self) -> int:
        return 100 * self.used // self.limit if self.limit else 100

    @property
    def threshold(self) -> int:
        return next(threshold for threshold in THRESHOLDS if self.percent >= threshold)

    @property
    def is_reached(self) -> bool:
        return self.threshold == 100

    @property
    def share(self) -> str:
        """`20 of 25 pipelines`, `0.9 GB of 1 GB storage`."""
        return f"{amount(self.resource, self.used)} of {amount(self.resource, self.limit)} {NAMES[self.resource]}"

    @property
    def consequence(self) -> str:
        if self.resource == "storage_bytes":
            return "Storage is fair use: nothing is refused for it."
        when = "" if self.is_reached else "once they are used up"
        return one_line(f"New {NAMES[self.resource]} are refused {when}") + "; what exists goes on."


def near_limits(organization: Organization, levels: Mapping[str, int] | None = None) -> list[NearLimit]:
    """By the levels last measured, without a query."""
    found = []
    for resource, used in (organization.usage_levels if levels is None else levels).items():
        limit = limit_of(organization, resource)
        if limit is not None and used and used * 100 >= limit * min(THRESHOLDS):
            found.append(NearLimit(resource, used, limit))
    return found


def note_levels(levels: Mapping[str, int]) -> None:
    """In the organization's scope: remembers the levels for the banner, and warns of what has been reached."""
    organization = lock_organization(current_organization())
    warnings, month = copy.deepcopy(organization.limit_warnings), f"{timezone.now():%Y-%m}"
    near = {one.resource: one for one in near_limits(organization, levels)}
    for resource in levels:
        known = warnings.setdefault(resource, {"reached": 0, "mailed": {}})
        reached = near[resource].threshold if resource in near else 0
        if reached > known["reached"] and known["mailed"].get(str(reached)) != month:
            known["mailed"] |= {str(threshold): month for threshold in THRESHOLDS if threshold <= reached}
            _mail(organization, near[resource])
        known["reached"] = reached
    if (organization.usage_levels, organization.limit_warnings) != (levels, warnings):
        organization.usage_levels, organization.limit_warnings = dict(levels), warnings
        organization.save(update_fields=["usage_levels", "limit_warnings"])


def _mail(organization: Organization, near: NearLimit) -> None:
    """A job for each, made in the transaction that notes it: a mail server that is down delays it and loses none."""
    for person in admins_of(organization):
        app.configure_task(LIMIT_TASK, allow_unknown=True).defer(
            organization=organization.pk, person=person.pk, resource=near.resource, used=near.used, limit=near.limit
        )


def mail_limit_warning(*, organization_id: int, person_id: int, near: NearLimit) -> None:
    """In the worker. Who lost the role meanwhile is left out; raises `MailServerDown`."""
    organization = Organization.objects.get(pk=organization_id)
    person = next((admin for admin in admins_of(organization) if admin.pk == person_id), None)
    if person is None:
        return
    name, slug = one_line(organization.name), organization.slug
    context = {
        "person": person,
        "organization_name": name,
        "plan": organization.plan.label,
        "near": near,
        "usage_link": settings.BASE_URL + reverse("usage", kwargs={"slug": slug}),
        "plan_link": settings.BASE_URL + reverse("plan", kwargs={"slug": slug}),
    }
    if not send_mail("limit_near", to=person.email, subject=f"{name} uses {near.share}", context=context):
        raise MailServerDown
