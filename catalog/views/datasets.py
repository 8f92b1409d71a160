"""Datasets: all of them, and one with its columns, who writes and reads it, and its checks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Count, Q
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from catalog.models import Check, ColumnLink, Dataset, DatasetAlias, DatasetColumn, Direction, LineageLink, Pipeline
from catalog.views.addresses import page_of, text_of
from catalog.views.check_rows import by_urgency, check_rows
from catalog.views.pictures import store_of
from orgs.permissions import Role, requires
from orgs.requests import OrganizationRequest

MOST_COLUMNS = 1_000


@requires(Role.VIEWER)
@require_GET
def datasets(request: OrganizationRequest) -> HttpResponse:
    text, namespace = text_of(request.GET, "q"), text_of(request.GET, "namespace")
    is_failing = text_of(request.GET, "failing") == "true"
    found = Dataset.objects.matching(text) if text else Dataset.objects.all()
    if namespace:
        found = found.filter(namespace=namespace)
    if is_failing:
        found = found.filter(failing_check_count__gt=0)
    page = page_of(request, found, ["name", "id"])
    context = {
        "nav": "datasets",
        "page": page,
        "rows": [{"dataset": row, "store": store_of(row.namespace), **users} for row, users in _with_users(page.rows)],
        "text": text,
        "namespace": namespace,
        "is_failing": is_failing,
        "namespaces": largest_namespaces(),
    }
    return render(request, "catalog/dataset_list.html", context)


def largest_namespaces() -> Any:
    counted = Dataset.objects.values_list("namespace").annotate(count=Count("id"))
    return counted.order_by("-count", "namespace")[:12]


def _with_users(rows: list[Dataset]) -> list[tuple[Dataset, dict[str, Any]]]:
    """How many pipelines write and read each, in one query."""
    links = LineageLink.objects.valid().filter(dataset__in=[row.pk for row in rows])
    counts = links.values("dataset_id").annotate(
        writer_count=Count("pipeline", distinct=True, filter=Q(direction=Direction.WRITES)),
        reader_count=Count("pipeline", distinct=True, filter=Q(direction=Direction.READS)),
    )
    by_id = {row["dataset_id"]: row for row in counts}
    none = {"writer_count": 0, "reader_count": 0}
    return [(row, by_id.get(row.pk, none)) for row in rows]


@requires(Role.VIEWER)
@require_GET
def dataset(request: OrganizationRequest, dataset_id: UUID) -> HttpResponse:
    found = Dataset.objects.filter(pk=dataset_id).first()
    if found is None:
        raise Http404("There is no such dataset.")
    checks = Check.objects.declared().filter(dataset=found).select_related("pipeline").order_by("check_id")[:200]
    failing = [check for check in checks if check.failing_since]
    context = {
        "nav": "datasets",
        "dataset": found,
        "store": store_of(found.namespace),
        "columns": columns_of(found),
        "writers": users_of(found, Direction.WRITES),
        "readers": users_of(found, Direction.READS),
        "checks": by_urgency(check_rows(list(checks), request.organization.slug)),
        "failing": failing,
        "aliases": DatasetAlias.objects.existing()
        .filter(dataset=found)
        .values_list("alias", flat=True)
        .distinct()[:10],
    }
    return render(request, "catalog/dataset_detail.html", context)


def users_of(dataset: Dataset, direction: str) -> list[Pipeline]:
    links = LineageLink.objects.valid().filter(dataset=dataset, direction=direction)
    return list(Pipeline.objects.active().with_health_rank().filter(id__in=links.values("pipeline_id"))
                .order_by("health_rank", "name")[:200])  # fmt: skip


def columns_of(dataset: Dataset) -> list[dict[str, Any]]:
    """Present columns in their order, with the columns that each one comes from."""
    columns = DatasetColumn.objects.filter(dataset=dataset, ended_at=None).order_by("position", "name")[:MOST_COLUMNS]
    origins: dict[str, list[Any]] = {}
    links = ColumnLink.objects.valid().filter(to_dataset=dataset).select_related("from_dataset")
    for link in links.order_by("from_column")[: MOST_COLUMNS * 4]:
        origins.setdefault(link.to_column, []).append(link)
    return [{"column": column, "origins": origins.get(column.name, [])[:5]} for column in columns]
