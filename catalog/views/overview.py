"""The first page: is everything healthy, since when is it not, whom to ask."""

from __future__ import annotations

import datetime
from typing import Any

from django.db.models import Count
from django.db.models.functions import TruncHour
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from catalog.models import Check, Connection, DiscoveredPipeline, Pipeline, PipelineVersion, Run
from catalog.models.pipeline import HEALTH_ORDER
from catalog.views.pipeline_filters import NEEDS_ATTENTION
from catalog.views.pipeline_rows import rows_of
from orgs.permissions import Role, requires
from orgs.plans import limit_of
from orgs.quantities import amount, level_state
from orgs.requests import OrganizationRequest

SHOWN = 8
HOURS = 24


@requires(Role.VIEWER)
@require_GET
def overview(request: OrganizationRequest) -> HttpResponse:
    active = Pipeline.objects.active().with_health_rank()
    counts = dict(active.values_list("current_health").annotate(count=Count("id")).order_by())
    worst = active.filter(current_health__in=NEEDS_ATTENTION).order_by("health_rank", "-health_since", "name")
    pipeline_count = sum(counts.values())
    context = {
        "nav": "overview",
        "now": timezone.now(),
        "counts": {health: counts[health] for health in HEALTH_ORDER if counts.get(health)},
        "pipeline_count": pipeline_count,
        "attention_count": sum(counts.get(health, 0) for health in NEEDS_ATTENTION),
        "worst": rows_of(list(worst[:SHOWN]), request.organization.slug),
        "hours": last_day(),
        "failing_checks": Check.objects.failing().select_related("pipeline").order_by("failing_since")[:SHOWN],
        "versions": PipelineVersion.objects.filter(pipeline__deleted_at=None, pipeline__archived_at=None)
        .select_related("pipeline").defer("spec").order_by("-created_at", "-id")[:6],
        "discovered_count": DiscoveredPipeline.objects.waiting().count(),
        "usage": usage(request, pipeline_count),
        "attention_href": reverse("pipelines", kwargs={"slug": request.organization.slug})
        + "?" + "&".join(f"health={health}" for health in NEEDS_ATTENTION),
    }  # fmt: skip
    return render(request, "catalog/overview.html", context)


def last_day() -> dict[str, Any]:
    """Runs of the last 24 hours by hour and status, oldest hour first, and their totals."""
    now = timezone.now()
    first = now.replace(minute=0, second=0, microsecond=0) - datetime.timedelta(hours=HOURS - 1)
    runs = Run.objects.existing().of_pipelines().filter(occurred_at__gte=first)
    found = runs.annotate(hour=TruncHour("occurred_at")).values_list("hour", "status").annotate(count=Count("id"))
    hours: list[dict[str, Any]] = [{"at": first + datetime.timedelta(hours=i)} for i in range(HOURS)]
    totals: dict[str, int] = {}
    for hour, status, count in found.order_by():
        index = int((hour - first).total_seconds() // 3600)
        if 0 <= index < HOURS:
            hours[index][status] = hours[index].get(status, 0) + count
        totals[status] = totals.get(status, 0) + count
    return {"hours": hours, "totals": totals, "all": sum(totals.values())}


def usage(request: OrganizationRequest, pipeline_count: int) -> list[dict[str, Any]]:
    """What counts against the plan: storage as it was measured last."""
    organization = request.organization
    used = {
        "pipelines": pipeline_count,
        "connections": Connection.objects.count(),
        "storage_bytes": organization.usage_levels.get("storage_bytes", 0),
    }
    rows = []
    for resource, label in (("pipelines", "Pipelines"), ("connections", "Connections"), ("storage_bytes", "Storage")):
        limit, count = limit_of(organization, resource), used[resource]
        words = amount(resource, count) + (f" of {amount(resource, limit)}" if limit is not None else "")
        rows.append({"label": label, "used": count, "limit": limit, "words": words, "state": level_state(count, limit)})
    return rows
