"""The browse page: every pipeline of the organization, what needs attention first."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from catalog.models import DiscoveredPipeline, Pipeline
from catalog.views.addresses import address, address_up_to, page_of, text_of
from catalog.views.pipeline_filters import Facets, PipelineFilters
from catalog.views.pipeline_rows import rows_of
from dataxpipe.csv_download import MAX_ROWS, csv_response
from orgs.permissions import Role, requires
from orgs.requests import OrganizationRequest

CSV_HEADER = (
    "id", "namespace", "name", "description", "owner", "tags", "environment", "health", "schedule", "timezone",
    "last_run_status", "last_run_started_at", "last_run_finished_at", "next_expected_at",
)  # fmt: skip


@requires(Role.VIEWER)
@require_GET
def pipelines(request: OrganizationRequest) -> HttpResponse:
    filters = PipelineFilters(request.GET)
    if text_of(request.GET, "format") == "csv":
        return pipelines_csv(filters)
    facets = Facets(filters)
    page = page_of(request, filters.sorted(), filters.order)
    elsewhere = Pipeline.objects.active() if filters.is_archived else Pipeline.objects.archived()
    context = {
        "nav": "pipelines",
        "filters": filters,
        "facets": facets,
        "tabs": facets.tabs(elsewhere.count()),
        "count": filters.found().count() if filters.is_narrowed else facets.total,
        "rows": rows_of(page.rows, request.organization.slug),
        "page": page,
        "strip_href": address_up_to(request.GET, "health", archived=None),
        "tag_href": address_up_to(request.GET, "tag").removesuffix("tag="),
        "csv_href": address(request.GET, format="csv"),
        "sorts": {
            "health": filters.sort_href("health"),
            "name": filters.sort_href("name"),
            "last_run": filters.sort_href("last_run", descends_first=True),
        },
        "discovered_count": DiscoveredPipeline.objects.waiting().count(),
        "now": timezone.now(),
        "base_url": settings.BASE_URL,
    }
    is_part = request.htmx and not request.htmx.history_restore_request
    response = render(request, f"catalog/{'_' if is_part else ''}pipeline_list.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def pipelines_csv(filters: PipelineFilters) -> HttpResponse:
    fields = ["current_health" if name == "health" else name for name in CSV_HEADER]
    rows = filters.sorted().order_by(*filters.order).values_list(*fields)[:MAX_ROWS]
    return csv_response("pipelines.csv", CSV_HEADER, rows)


@requires(Role.VIEWER)
@require_GET
def pipeline_by_name(request: OrganizationRequest) -> HttpResponse:
    """`?namespace=&name=` of a pipeline leads to its page: what CI and logs can link to without an id."""
    name, namespace = text_of(request.GET, "name"), text_of(request.GET, "namespace") or "default"
    return redirect(get_object_or_404(Pipeline.objects.named(name, namespace)))
