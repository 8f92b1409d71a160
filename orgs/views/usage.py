"""What the organization uses: against its plan, over time, by key and by pipeline, and what other plans would mean."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dataxpipe.csv_download import csv_response
from orgs.charts import label_of
from orgs.models import NO_KEY, UsagePeriod
from orgs.permissions import Role, requires
from orgs.plans import used_now
from orgs.requests import OrganizationRequest
from orgs.services.usage.counts import COUNTED
from orgs.services.usage.forecast import LOOKED_BACK_DAYS
from orgs.services.usage.series import LEVELS, Frame, Sender, Usage, busiest_hours, levels_since, senders, usage_in
from orgs.services.usage.shares import pipeline_shares
from orgs.services.usage.what_if import fits_of_plans
from orgs.views.usage_panels import count_panels, key_rows, level_panels


@dataclass(frozen=True, slots=True)
class Choice:
    """A time that can be chosen: `name` stands in the address."""

    name: str
    label: str
    interval: UsagePeriod
    span: datetime.timedelta

    def frame(self) -> Frame:
        now = timezone.now()
        return Frame.around(now - self.span, now, self.interval)


CHOICES = (
    Choice("24h", "24 hours", UsagePeriod.HOUR, datetime.timedelta(hours=23)),
    Choice("7d", "7 days", UsagePeriod.HOUR, datetime.timedelta(hours=7 * 24 - 1)),
    Choice("30d", "30 days", UsagePeriod.DAY, datetime.timedelta(days=29)),
    Choice("90d", "90 days", UsagePeriod.DAY, datetime.timedelta(days=89)),
    Choice("12m", "12 months", UsagePeriod.MONTH, datetime.timedelta(days=334)),
)
USUAL = CHOICES[2]
SHOWN_KEYS = 50
CURL = 'curl -sS "{url}/api/v1/organizations/me/usage?interval=hour" -H "X-API-KEY: $DXP_KEY"'


@requires(Role.ADMIN)
@require_safe
def usage(request: OrganizationRequest) -> HttpResponse:
    choice, organization = _choice(request), request.organization
    used, levels = usage_in(choice.frame()), _levels_now(request)
    chosen, names = _chosen_key(request, used), senders(used.keys)
    keys, now = key_rows(used, names), timezone.now()
    busiest = busiest_hours(since=now - datetime.timedelta(days=14))
    history = levels_since(now.date() - datetime.timedelta(days=LOOKED_BACK_DAYS))
    context = {
        "nav": "settings",
        "near_limits": (),  # the page says it better than its banner
        "choices": CHOICES,
        "choice": choice,
        "is_empty": not any(used.total(metric) for metric in COUNTED),
        "level_panels": level_panels(organization, used, levels, history),
        "count_panels": count_panels(organization, used, busiest, chosen),
        "keys": keys[:SHOWN_KEYS],
        "further_keys": len(keys[SHOWN_KEYS:]),
        **_chosen_in_words(chosen, names),
        "curl": CURL.format(url=settings.BASE_URL),
        "shares": pipeline_shares(used.frame.start, used.frame.end),
        "plans": fits_of_plans(organization.plan, levels, busiest),
        "rows": [
            {"label": label_of(at, choice.interval), "counts": [counts[name] for name in COUNTED], **used.levels[at]}
            for at, counts in reversed(used.counts.items())
        ],
    }
    return render(request, "orgs/usage.html", context)


@requires(Role.ADMIN)
@require_safe
def download(request: OrganizationRequest) -> HttpResponse:
    """Every interval in all, then by key: as much as the page shows."""
    choice = _choice(request)
    used = usage_in(choice.frame())
    names = senders(used.keys)
    rows: list[list[Any]] = []
    for at, counts in used.counts.items():
        levels = used.levels[at]
        rows.append([at, "all", None, *(counts[name] for name in COUNTED), *(levels[name] for name in LEVELS)])
        for id_, by_interval in used.keys.items():
            if at in by_interval:
                sender = names[id_]
                rows.append(
                    [
                        at,
                        sender.name,
                        sender.hint,
                        *(by_interval[at][name] for name in COUNTED),
                        *(None for _ in LEVELS),
                    ]
                )
    header = ["start", "key", "hint", *COUNTED, *LEVELS]
    return csv_response(f"usage-{request.organization.slug}-{choice.name}.csv", header, rows)


def _choice(request: OrganizationRequest) -> Choice:
    asked = request.GET.get("period")
    return next((choice for choice in CHOICES if choice.name == asked), USUAL)


def _chosen_key(request: OrganizationRequest, used: Usage) -> UUID | None:
    """The key that the charts set apart; one that was not used in this time is as none."""
    asked = request.GET.get("key", "")
    return next((id_ for id_ in used.keys if asked == ("none" if id_ == NO_KEY else str(id_))), None)


def _chosen_in_words(chosen: UUID | None, names: Mapping[UUID, Sender]) -> dict[str, str]:
    if chosen is None:
        return {}
    return {"chosen_id": "none" if chosen == NO_KEY else str(chosen), "chosen_name": names[chosen].name}


def _levels_now(request: OrganizationRequest) -> dict[str, int]:
    """Pipelines and connections as they are, storage as it was measured last."""
    now = used_now()
    measured = request.organization.usage_levels.get("storage_bytes", 0)
    return {name: now.get(name, measured) for name in LEVELS}
