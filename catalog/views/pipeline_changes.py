"""What is different since a moment: the facts among which the cause of a failure usually stands."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from catalog.models import DatasetColumn, LineageLink, Pipeline, PipelineVersion, Run, RunStatus

MOST = 6
NOTABLE_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Happening:
    """One change: an icon, a title, a sentence on it, when, and where more of it is."""

    icon: str
    title: str
    detail: str
    at: datetime.datetime
    note: str = ""
    href: str = ""
    is_likely: bool = False


def last_green_run(pipeline: Pipeline) -> Run | None:
    green = Run.objects.shown().of_pipelines().regular().filter(pipeline=pipeline, status=RunStatus.SUCCESS)
    return green.newest_first().first()  # type: ignore[no-any-return]


def happenings(pipeline: Pipeline, since: datetime.datetime, slug: str, *, is_failing: bool) -> list[Happening]:
    """Newest first: versions, columns and links that appeared, and rows that are not as many as usual."""
    found = [
        *_versions(pipeline, since, slug, is_failing),
        *_columns(pipeline, since, slug),
        *_links(pipeline, since, slug),
        *_rows(pipeline, since),
    ]
    return sorted(found, key=lambda happening: happening.at, reverse=True)[:MOST]


def _versions(pipeline: Pipeline, since: datetime.datetime, slug: str, is_failing: bool) -> list[Happening]:
    versions = PipelineVersion.objects.filter(pipeline=pipeline, created_at__gte=since).order_by("-number")[:MOST]
    return [
        Happening(
            "git-commit",
            f"Version {version.version} registered",
            " · ".join(filter(None, [version.created_by_label, version.source.get("path", "")])),
            version.created_at,
            note=str(version.source.get("commit", ""))[:12],
            href=_diff_url(version, slug),
            is_likely=is_failing,
        )
        for version in versions
    ]


def _diff_url(version: PipelineVersion, slug: str) -> str:
    if version.number <= 1:
        return ""
    numbers: dict[str, Any] = {"before": version.number - 1, "after": version.number}
    return reverse("pipeline_version_diff", kwargs={"slug": slug, "pipeline_id": version.pipeline_id, **numbers})


def _columns(pipeline: Pipeline, since: datetime.datetime, slug: str) -> list[Happening]:
    read = LineageLink.objects.valid().filter(pipeline=pipeline, direction="reads").values("dataset_id")
    columns = DatasetColumn.objects.filter(dataset_id__in=read, first_seen_at__gte=since).exclude(
        first_seen_at__lte=pipeline.created_at
    )
    columns = columns.filter(dataset__created_at__lt=since).select_related("dataset").order_by("-first_seen_at")[:MOST]
    return [
        Happening(
            "columns",
            "Column added upstream",
            f"{column.dataset.name}.{column.name} {column.type}".strip(),
            column.first_seen_at,
            href=reverse("dataset", kwargs={"slug": slug, "dataset_id": column.dataset_id}),
        )
        for column in columns
    ]


def _links(pipeline: Pipeline, since: datetime.datetime, slug: str) -> list[Happening]:
    links = LineageLink.objects.valid().filter(pipeline=pipeline, valid_from__gte=since)
    links = links.exclude(valid_from__lte=pipeline.created_at).select_related("dataset").order_by("-valid_from")[:MOST]
    return [
        Happening(
            "git-merge",
            "Reads a new dataset" if link.direction == "reads" else "Writes a new dataset",
            link.dataset.name,
            link.valid_from,
            href=reverse("dataset", kwargs={"slug": slug, "dataset_id": link.dataset_id}),
        )
        for link in links
    ]


def _rows(pipeline: Pipeline, since: datetime.datetime) -> list[Happening]:
    """The newest run against the median of the twenty before it."""
    runs = list(
        Run.objects.shown()
        .of_pipelines()
        .regular()
        .filter(pipeline=pipeline, rows_read__isnull=False)
        .newest_first()
        .values_list("rows_read", "occurred_at")[:21]
    )
    if len(runs) < 6 or runs[0][1] < since:
        return []
    usual = sorted(rows for rows, _ in runs[1:])[(len(runs) - 1) // 2]
    change = runs[0][0] / usual - 1 if usual else 0
    if abs(change) < NOTABLE_SHARE:
        return []
    word = "up" if change > 0 else "down"
    detail = f"{runs[0][0]:,} against a median of {usual:,}"
    return [Happening("arrows-diff", f"Rows read {word} {100 * abs(change):.1f} %", detail, runs[0][1])]
