"""Runs: all of them, and one with its cause, its steps over time, its checks and its events."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from catalog.lineage.reach import current_adjacency
from catalog.models import CheckResult, EventInbox, FacetUse, Run, RunStatus
from catalog.views.addresses import page_of
from catalog.views.check_rows import state_of
from catalog.views.run_events import Sight, event_rows, facet_rows
from catalog.views.run_rows import LIST_FIELDS, NEWEST_FIRST, RunFilters
from catalog.views.run_steps import MOST_STEP_RUNS, timeline
from orgs.permissions import Role, requires
from orgs.plans import history_days
from orgs.requests import OrganizationRequest

MOST_EVENTS = 200


@requires(Role.VIEWER)
@require_GET
def runs(request: OrganizationRequest) -> HttpResponse:
    filters = RunFilters(request.GET)
    shown = Run.objects.existing().shown().of_pipelines()
    page = page_of(request, filters.apply(shown).values(*LIST_FIELDS), NEWEST_FIRST)
    context = {
        "nav": "runs",
        "filters": filters,
        "page": page,
        "history_days": history_days(request.organization, "run_history_days"),
    }
    return render(request, "catalog/run_list.html", context)


@requires(Role.VIEWER)
@require_GET
def run(request: OrganizationRequest, run_id: UUID) -> HttpResponse:
    found = run_or_404(run_id)
    results = list(CheckResult.objects.filter(run=found).select_related("check_rule", "dataset")[:500])
    for result in results:
        result.state = state_of(result)
    order = {"failing": 0, "warn": 1, "healthy": 2, "never_run": 3}
    results.sort(key=lambda result: (order[result.state], result.check_rule.check_id))
    children = Run.objects.filter(parent_run=found, step__isnull=False).select_related("step", "step__pipeline")
    step_runs = list(children.order_by("occurred_at", "id")[: MOST_STEP_RUNS + 1])
    events = EventInbox.objects.shown().filter(run__in=[found.pk, *(child.pk for child in step_runs)])
    facets = FacetUse.objects.filter(subject_id=found.pk).select_related("facet")
    sight = Sight.of(request)
    context = {
        "nav": "runs",
        "run": found,
        "pipeline": found.pipeline,
        "now": timezone.now(),
        "results": results,
        "failed_results": [result for result in results if result.state == "failing"],
        "passed_count": sum(result.status == "pass" for result in results),
        "timeline": timeline(found, step_runs, request.GET),
        "events": event_rows(events.order_by("event_time", "id")[: MOST_EVENTS + 1], MOST_EVENTS, sight),
        "facets": facet_rows(facets.order_by("name"), sight),
        **neighbours(found),
    }
    return render(request, "catalog/run_detail.html", context)


def run_or_404(run_id: UUID) -> Run:
    related = ("pipeline", "step", "version", "parent_run", "parent_run__pipeline")
    found = Run.objects.existing().shown_or_last().select_related(*related).filter(pk=run_id).first()
    if found is None:
        raise Http404("There is no such run.")
    return found  # type: ignore[no-any-return]


def neighbours(run: Run) -> dict[str, Any]:
    """The runs before and after it, the last green one before it, and how many pipelines stand behind it."""
    alike = Run.objects.shown().filter(pipeline=run.pipeline, step=run.step)
    before, after = alike.filter(occurred_at__lt=run.occurred_at), alike.filter(occurred_at__gt=run.occurred_at)
    is_bad = run.status in {RunStatus.FAILED, RunStatus.ABORTED, RunStatus.LOST}
    return {
        "older": before.newest_first().first(),
        "newer": after.order_by("occurred_at", "id").first(),
        "green": before.filter(status=RunStatus.SUCCESS).regular().select_related("version").newest_first().first()
        if is_bad
        else None,
        "downstream_count": current_adjacency().count(run.pipeline_id) if is_bad else 0,
    }
