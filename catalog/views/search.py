"""One field for everything: pipelines, datasets, owners, and runs by their id."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from catalog.models import Dataset, Pipeline, PipelineOwner, Run
from catalog.views.addresses import text_of
from orgs.permissions import Role, requires
from orgs.requests import OrganizationRequest

SHOWN = 10


@requires(Role.VIEWER)
@require_GET
def search(request: OrganizationRequest) -> HttpResponse:
    text = text_of(request.GET, "q")
    if not text:
        return redirect("pipelines", slug=request.organization.slug)
    context: dict[str, Any] = {"nav": "", "text": text}
    pipelines = Pipeline.objects.existing().with_health_rank().matching(text)
    context["pipelines"] = list(pipelines.order_by("archived_at", "health_rank", "name")[: SHOWN + 1])
    context["datasets"] = list(Dataset.objects.matching(text).order_by("name")[: SHOWN + 1])
    owners = PipelineOwner.objects.filter(owner__icontains=text, pipeline__archived_at=None, pipeline__deleted_at=None)
    context["owners"] = list(owners.values_list("owner").annotate(count=Count("id")).order_by("owner")[:SHOWN])
    context["runs"] = runs_called(text)
    context["shown"] = SHOWN
    context["found"] = any(context[name] for name in ("pipelines", "datasets", "owners", "runs"))
    return render(request, "catalog/search.html", context)


def runs_called(text: str) -> list[Run]:
    """Exactly this run id, in either form: runs are too many to search through."""
    condition = Q(run_id=text)
    with suppress(ValueError):
        condition |= Q(pk=UUID(text))
    runs = Run.objects.existing().shown_or_last().filter(condition).select_related("pipeline", "step")
    return list(runs.newest_first()[:SHOWN])
