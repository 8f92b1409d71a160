"""The page of one pipeline, a tab each: is it healthy, since when, what to do next."""

from __future__ import annotations

import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from catalog.charts import RunMark
from catalog.forms import ConfirmNameForm
from catalog.lineage.graph import present
from catalog.lineage.walk import walk
from catalog.models import Check, Health, Pipeline, PipelineVersion, Run
from catalog.services.pipelines import archive_pipeline, delete_pipeline, unarchive_pipeline
from catalog.spec.diff import diff_specs
from catalog.views.addresses import page_of
from catalog.views.check_rows import by_urgency, check_rows
from catalog.views.pictures import neighbourhood_picture
from catalog.views.pipeline_changes import happenings, last_green_run
from catalog.views.pipeline_head import PipelineHead, pipeline_or_404
from catalog.views.pipeline_rows import mark
from catalog.views.run_rows import LIST_FIELDS, NEWEST_FIRST, RunFilters
from catalog.views.spec_text import highlighted, side_by_side, spec_yaml
from orgs.permissions import Right, Role, requires
from orgs.proof import recently_proven
from orgs.requests import OrganizationRequest

CHART_RUNS = 36
RECENT = datetime.timedelta(days=30)


def render_tab(request: OrganizationRequest, pipeline: Pipeline, tab: str, **context: Any) -> HttpResponse:
    head = context.pop("head", None) or PipelineHead(pipeline, request.organization.slug)
    shared = {"nav": "pipelines", "tab": tab, "head": head, "pipeline": pipeline, "now": head.now}
    return render(request, f"catalog/pipeline_{tab}.html", {**shared, **context})


@requires(Role.VIEWER)
@require_GET
def overview(request: OrganizationRequest, pipeline_id: UUID) -> HttpResponse:
    pipeline = pipeline_or_404(pipeline_id)
    slug = request.organization.slug
    head = PipelineHead(pipeline, slug)
    graph = present(walk(pipelines=[pipeline.pk], depth=1, max_nodes=120))
    checks = Check.objects.filter(pipeline=pipeline, ended_at=None).select_related("dataset").order_by("check_id")[:20]
    is_failing = head.health == Health.FAILING
    green = last_green_run(pipeline) if is_failing else None
    since = green.occurred_at if green else timezone.now() - RECENT
    return render_tab(
        request,
        pipeline,
        "overview",
        head=head,
        picture=neighbourhood_picture(graph, pipeline.pk, slug) if len(graph.nodes) > 1 else None,
        checks=by_urgency(check_rows(list(checks), slug)),
        **_durations(pipeline, slug),
        green=green,
        happenings=happenings(pipeline, since, slug, is_failing=is_failing),
    )


def _durations(pipeline: Pipeline, slug: str) -> dict[str, Any]:
    """The last runs for the chart, with the median of the regular ones and the band that most of them keep."""
    now = timezone.now()
    recent = Run.objects.recent_by_pipeline([pipeline.pk], count=CHART_RUNS).get(pipeline.pk, [])
    marks: list[RunMark] = [mark(run, slug, now) for run in recent]
    median = pipeline.median_duration_seconds
    usual = sorted(
        run.duration_seconds
        for run in recent
        if run.status == "success" and run.duration_seconds is not None and run.trigger != "backfill"
    )
    band = (usual[len(usual) // 10], usual[-1 - len(usual) // 10]) if len(usual) >= 10 else None
    return {"marks": marks, "median": median, "band": band}


@requires(Role.VIEWER)
@require_GET
def runs(request: OrganizationRequest, pipeline_id: UUID) -> HttpResponse:
    pipeline = pipeline_or_404(pipeline_id)
    filters = RunFilters(request.GET)
    found = filters.apply(Run.objects.shown().of_pipelines().filter(pipeline=pipeline))
    page = page_of(request, found.values(*LIST_FIELDS), NEWEST_FIRST)
    durations = _durations(pipeline, request.organization.slug)
    return render_tab(request, pipeline, "runs", page=page, filters=filters, **durations)


@requires(Role.VIEWER)
@require_GET
def checks(request: OrganizationRequest, pipeline_id: UUID) -> HttpResponse:
    pipeline = pipeline_or_404(pipeline_id)
    found = Check.objects.filter(pipeline=pipeline, ended_at=None).select_related("dataset").order_by("check_id")[:500]
    rows = by_urgency(check_rows(list(found), request.organization.slug))
    return render_tab(request, pipeline, "checks", checks=rows)


@requires(Role.VIEWER)
@require_GET
def versions(request: OrganizationRequest, pipeline_id: UUID) -> HttpResponse:
    pipeline = pipeline_or_404(pipeline_id)
    page = page_of(request, PipelineVersion.objects.filter(pipeline=pipeline).defer("spec"), ["-number"])
    return render_tab(request, pipeline, "versions", page=page)


@requires(Role.VIEWER)
@require_GET
def version_diff(request: OrganizationRequest, pipeline_id: UUID, before: int, after: int) -> HttpResponse:
    pipeline = pipeline_or_404(pipeline_id)
    found = PipelineVersion.objects.filter(pipeline=pipeline)
    old, new = get_object_or_404(found, number=before), get_object_or_404(found, number=after)
    return render_tab(
        request,
        pipeline,
        "version_diff",
        old=old,
        new=new,
        changes=diff_specs(old.spec, new.spec),
        lines=side_by_side(spec_yaml(old.spec), spec_yaml(new.spec)),
    )


@requires(Role.VIEWER)
@require_GET
def spec(request: OrganizationRequest, pipeline_id: UUID) -> HttpResponse:
    pipeline = pipeline_or_404(pipeline_id)
    version = pipeline.current_version
    return render_tab(request, pipeline, "spec", version=version, yaml=highlighted(version.spec) if version else "")


@requires(Role.VIEWER)
@require_GET
def settings(request: OrganizationRequest, pipeline_id: UUID) -> HttpResponse:
    pipeline = pipeline_or_404(pipeline_id)
    return render_tab(request, pipeline, "settings", **_rights(request), form=ConfirmNameForm(name=pipeline.name))


def _rights(request: OrganizationRequest) -> dict[str, bool]:
    actor = request.actor
    return {"may_archive": actor.may(Right.WRITE_CATALOG), "may_delete": actor.may(Right.ADMINISTER)}


@requires(Role.EDITOR)
@require_POST
def archive(request: OrganizationRequest, pipeline_id: UUID) -> HttpResponse:
    pipeline = archive_pipeline(pipeline=pipeline_or_404(pipeline_id), actor=request.actor)
    undo = reverse("pipeline_unarchive", kwargs=_names(request, pipeline))
    messages.success(request, f"{pipeline.name} is archived. Its runs and versions stay.", extra_tags=f"undo:{undo}")
    return redirect(pipeline)


@requires(Role.EDITOR)
@require_POST
def unarchive(request: OrganizationRequest, pipeline_id: UUID) -> HttpResponse:
    pipeline = unarchive_pipeline(pipeline=pipeline_or_404(pipeline_id), actor=request.actor)
    undo = reverse("pipeline_archive", kwargs=_names(request, pipeline))
    messages.success(request, f"{pipeline.name} is back among the pipelines.", extra_tags=f"undo:{undo}")
    return redirect(pipeline)


@requires(Role.ADMIN)
@recently_proven
@require_POST
def delete(request: OrganizationRequest, pipeline_id: UUID) -> HttpResponse:
    """For good, so the name must be typed; a wrong one shows the page again with what is wrong."""
    pipeline = pipeline_or_404(pipeline_id)
    form = ConfirmNameForm(request.POST, name=pipeline.name)
    if not form.is_valid():
        return render_tab(request, pipeline, "settings", **_rights(request), form=form)
    delete_pipeline(pipeline=pipeline, actor=request.actor)
    messages.success(request, f"{pipeline.name} is deleted. Its name is free again.")
    return redirect("pipelines", slug=request.organization.slug)


def _names(request: OrganizationRequest, pipeline: Pipeline) -> dict[str, Any]:
    return {"slug": request.organization.slug, "pipeline_id": pipeline.pk}
