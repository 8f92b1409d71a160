"""Pipelines that events named and that were not let in: admit them, or have them ignored."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from catalog.models import DiscoveredPipeline
from catalog.services.discovered import admit_pipeline, heed_pipeline, ignore_pipeline
from catalog.views.addresses import page_of
from orgs.permissions import Right, Role, requires
from orgs.plans import limit_of, used
from orgs.requests import OrganizationRequest


@requires(Role.VIEWER)
@require_safe
def discovered(request: OrganizationRequest) -> HttpResponse:
    """Those that wait, the latest first; `?ignored=true` those that somebody set to be ignored."""
    is_ignored = request.GET.get("ignored") == "true"
    rows = DiscoveredPipeline.objects
    context = {
        "nav": "pipelines",
        "is_ignored": is_ignored,
        "waiting_count": rows.waiting().count(),
        "ignored_count": rows.ignored().count(),
        "page": page_of(request, rows.ignored() if is_ignored else rows.waiting(), ["-last_seen_at", "-id"]),
        "limit": limit_of(request.organization, "pipelines"),
        "used": used("pipelines"),
        "admission": request.organization.setting("ingest_admission"),
        "may_decide": request.actor.may(Right.WRITE_CATALOG),
    }
    return render(request, "catalog/discovered_list.html", context)


@requires(Role.EDITOR)
@require_POST
def admit(request: OrganizationRequest, discovered_id: UUID) -> HttpResponse:
    pipeline, _ = admit_pipeline(discovered=_found(discovered_id), actor=request.actor)
    messages.success(request, f"{pipeline.name} is admitted. It has runs and lineage from its next event on.")
    return redirect("discovered_pipelines", slug=request.organization.slug)


@requires(Role.EDITOR)
@require_POST
def ignore(request: OrganizationRequest, discovered_id: UUID) -> HttpResponse:
    row = ignore_pipeline(discovered=_found(discovered_id), actor=request.actor)
    undo = reverse("heed_pipeline", kwargs={"slug": request.organization.slug, "discovered_id": row.pk})
    messages.success(request, f"{row.name} is ignored: its events are refused.", extra_tags=f"undo:{undo}")
    return redirect("discovered_pipelines", slug=request.organization.slug)


@requires(Role.EDITOR)
@require_POST
def heed(request: OrganizationRequest, discovered_id: UUID) -> HttpResponse:
    row = heed_pipeline(discovered=_found(discovered_id), actor=request.actor)
    messages.success(request, f"{row.name} is not ignored any more. It comes in with its next event if there is room.")
    return redirect("discovered_pipelines", slug=request.organization.slug)


def _found(discovered_id: UUID) -> DiscoveredPipeline:
    found: DiscoveredPipeline = get_object_or_404(DiscoveredPipeline.objects.all(), pk=discovered_id)
    return found
