"""What each plan would mean for what an organization uses today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orgs.plans import PLANS, Plan
from orgs.quantities import amount
from orgs.services.usage.series import Busiest

# What the levels and rates are called where one does not fit.
LEVELS = {
    "pipelines": ("pipeline", "pipelines"),
    "connections": ("connection", "connections"),
    "storage_bytes": ("of storage", "of storage"),
}
RATES = {"requests_per_minute": "requests", "events_per_minute": "events"}


@dataclass(frozen=True, slots=True)
class PlanFit:
    """`excess` says in words what would not fit."""

    plan: Plan
    is_current: bool
    excess: list[str]

    @property
    def fits(self) -> bool:
        return not self.excess


def fits_of_plans(current: Plan, levels: Mapping[str, int], busiest: Busiest) -> list[PlanFit]:
    """`levels` by resource, Limits agreed with one organization do not count."""
    return [PlanFit(plan, plan.name == current.name, _excess(plan, levels, busiest)) for plan in PLANS.values()]


def _excess(plan: Plan, levels: Mapping[str, int], busiest: Busiest) -> list[str]:
    found = []
    for resource, (one, many) in LEVELS.items():
        limit, used = plan.limit(resource), levels.get(resource, 0)
        if limit is not None and used > limit:
            excess = used - limit
            found.append(f"{amount(resource, excess)} {one if excess == 1 else many} too many")
    for resource, name in RATES.items():
        limit, rate = plan.limit(resource), getattr(busiest, resource)
        if limit is not None and rate > limit:
            found.append(f"{rate:,.0f} {name} a minute in the busiest hour, {limit:,} allowed")
    return found
