"""What each plan allows, as frozen data, and the one question the rest of the code asks: is there room?"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from dataxpipe.problems import PlanLimitReached
from orgs.tenancy import REQUEST, SHORT_REQUEST, Timeouts

FEATURES = ("branding", "sub_organizations", "dedicated_database")
LIMITS = (
    "pipelines",
    "connections",
    "requests_per_minute",
    "events_per_minute",
    "run_history_days",
    "raw_event_days",
    "storage_bytes",
)
LABELS = {
    "pipelines": "Pipelines",
    "connections": "Connections",
    "requests_per_minute": "API requests a minute",
    "events_per_minute": "Events a minute",
    "run_history_days": "Days of run history",
    "raw_event_days": "Days of raw events",
    "storage_bytes": "Bytes of storage",
}
HISTORIES = ("run_history_days", "raw_event_days")
LONGEST_HISTORY_DAYS = 20_000
Meter = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Plan:
    """Limits of a plan; None is unlimited. Rates are per minute, histories in days, storage in bytes."""

    name: str
    label: str
    price_per_month: int
    pipelines: int | None
    connections: int | None
    requests_per_minute: int
    events_per_minute: int
    run_history_days: int
    raw_event_days: int
    storage_bytes: int
    support: str
    features: frozenset[str] = frozenset()
    timeouts: Timeouts = REQUEST

    def limit(self, resource: str) -> int | None:
        value: int | None = getattr(self, resource)
        return value


PLANS = {
    plan.name: plan
    for plan in (
        Plan("free", "Free", 0, 3, 2, 100, 1_000, 30, 7, 1_000_000_000, "community", timeouts=SHORT_REQUEST),
        Plan("team", "Team", 49, 25, 10, 500, 10_000, 180, 30, 20_000_000_000, "email", frozenset({"branding"})),
        Plan(
            "business",
            "Business",
            199,
            None,
            None,
            2_000,
            60_000,
            730,
            90,
            200_000_000_000,
            "priority",
            frozenset(FEATURES),
        ),
    )
}

_meters: dict[str, Meter] = {}


def register_meter(resource: str, meter: Meter) -> None:
    """`meter` counts the bound organization's rows of `resource`; the app that owns the rows registers it."""
    _meters[resource] = meter


@dataclass(frozen=True, slots=True)
class Override:
    """A limit agreed with one organization in place of its plan's; None is unlimited. It holds until `ends_at`."""

    resource: str
    limit: int | None
    reason: str
    ends_at: datetime.datetime | None = None

    @property
    def has_ended(self) -> bool:
        return self.ends_at is not None and self.ends_at <= timezone.now()

    def as_json(self) -> dict[str, Any]:
        """As it stands in `Organization.limit_overrides`, under the resource."""
        ends_at = self.ends_at.isoformat() if self.ends_at else None
        return {"limit": self.limit, "reason": self.reason, "ends_at": ends_at}


def overrides_of(organization: Any) -> list[Override]:
    """Those that hold now, in the order of `LIMITS`."""
    found = (override_of(organization, resource) for resource in LIMITS)
    return [override for override in found if override is not None]


def override_of(organization: Any, resource: str) -> Override | None:
    kept = organization.limit_overrides.get(resource)
    if kept is None:
        return None
    ends_at = datetime.datetime.fromisoformat(kept["ends_at"]) if kept["ends_at"] else None
    override = Override(resource, kept["limit"], kept["reason"], ends_at)
    return None if override.has_ended else override


def limit_of(organization: Any, resource: str) -> int | None:
    """What the plan allows, or what was agreed with the organization; None is unlimited."""
    override = override_of(organization, resource)
    limit: int | None = override.limit if override else organization.plan.limit(resource)
    return limit


def history_begins(resource: str) -> datetime.datetime:
    """From when on the bound organization sees its rows: `run_history_days` or `raw_event_days` ago."""
    from orgs.tenancy import current_organization

    return timezone.now() - datetime.timedelta(days=history_days(current_organization(), resource))


def history_days(organization: Any, resource: str) -> int:
    """Never unlimited; what was agreed is cut at what a time can be reckoned with."""
    limit = limit_of(organization, resource)
    return LONGEST_HISTORY_DAYS if limit is None else min(limit, LONGEST_HISTORY_DAYS)


def used(resource: str) -> int:
    """How many of `resource` the bound organization has now."""
    return _meters[resource]()


def used_now() -> dict[str, int]:
    """Every metered resource of the bound organization."""
    return {resource: meter() for resource, meter in sorted(_meters.items())}


def room(resource: str) -> int | None:
    """How many more fit into the bound organization's plan; None is without limit."""
    from orgs.tenancy import current_organization

    limit = limit_of(current_organization(), resource)
    return None if limit is None else max(0, limit - used(resource))


def require_room(resource: str, *, adding: int = 1) -> None:
    """Locks the organization's row, so that no two registrations see the same room, and refuses what does not fit.

    Nothing always fits, also into a plan that has become too small. Call it only when something new would come to be:
    the lock serializes an organization's writers.
    """
    from orgs.models import Organization
    from orgs.tenancy import current_organization

    organization = Organization.objects.select_for_update(no_key=True).get(pk=current_organization().pk)
    limit = limit_of(organization, resource)
    if limit is None or adding == 0:
        return
    count = used(resource)
    if count + adding > limit:
        whose = (
            "What was agreed with you" if override_of(organization, resource) else f"The {organization.plan.label} plan"
        )
        raise PlanLimitReached(
            f"{whose} allows {limit} {resource}, {count} are in use. Archive one, or move to a larger plan.",
            limit=limit,
            used=count,
            plan=organization.plan_name,
            upgrade_url=f"/o/{organization.slug}/settings/billing/",
        )
