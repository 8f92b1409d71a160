"""What an organization has, measured by the worker: within seconds of a change, and within the hour of any use.

Nothing visits every organization: whoever changes or uses something leaves a mark.
"""

from __future__ import annotations

from django.utils import timezone

from orgs import due, plans
from orgs.models import UsageLevel
from orgs.services.usage.storage import measure_storage
from orgs.services.usage.warnings import note_levels
from orgs.tenancy import current_organization


def mark_measuring() -> None:
    """In the organization's scope, after a change: more or less may count against the plan now."""
    due.mark_at(due.MEASURE_USAGE, timezone.now())


def measure_usage() -> None:
    """The worker's handler, in the organization's scope. Storage is measured once a day (UTC)."""
    organization, today = current_organization(), timezone.now().date()
    known = UsageLevel.objects.filter(organization=organization, day=today).first()
    levels = {
        "pipelines": plans.used("pipelines"),
        "connections": plans.used("connections"),
        "storage_bytes": known.storage_bytes if known else measure_storage(),
    }
    UsageLevel.objects.update_or_create(organization=organization, day=today, defaults=levels)
    note_levels(levels)
