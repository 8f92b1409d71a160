"""Removing what belonged to deleted pipelines, in batches that each fit into a short transaction."""

from __future__ import annotations

from typing import Any

from catalog.models import (
    Check,
    CheckResult,
    ColumnLink,
    DatasetAlias,
    FacetUse,
    LineageLink,
    Pipeline,
    PipelineJob,
    PipelineOwner,
    PipelineTag,
    PipelineVersion,
    Run,
    Step,
)
from catalog.services.pipelines import PURGE_PIPELINES
from orgs import due

BATCH = 2_000


def purge_deleted_pipelines() -> None:
    """What the worker does for a mark: one batch, and a new mark while there is more."""
    if purge_pipelines():
        due.mark(PURGE_PIPELINES)


def purge_pipelines(*, batch: int = BATCH) -> bool:
    """Removes up to `batch` rows of deleted pipelines, what refers first; says whether more are left.

    Datasets stay, with the other pipelines that read and write them.
    """
    doomed = list(Pipeline.objects.exclude(deleted_at=None).order_by("id").values_list("id", flat=True)[:50])
    if not doomed:
        return False
    for queryset in _rows_of(doomed):
        if _delete_some(queryset, batch):
            return True
    Pipeline.objects.filter(id__in=doomed)._raw_delete(using=Pipeline.objects.all().db)
    return bool(Pipeline.objects.exclude(deleted_at=None).exists())


def _rows_of(doomed: list[Any]) -> list[Any]:
    """Querysets in an order in which nothing refers to what goes."""
    runs, steps = Run.objects.filter(pipeline__in=doomed), Step.objects.filter(pipeline__in=doomed)
    Pipeline.objects.filter(id__in=doomed).exclude(current_version=None).update(current_version=None)
    models = (CheckResult, Check, ColumnLink, LineageLink, DatasetAlias, PipelineTag, PipelineOwner, PipelineJob)
    return [
        *(FacetUse.objects.filter(subject_id__in=subjects.values("id")) for subjects in (runs, steps)),
        FacetUse.objects.filter(subject_id__in=doomed),
        *(model.objects.filter(pipeline__in=doomed) for model in models),
        runs,
        steps,
        PipelineVersion.objects.filter(pipeline__in=doomed),
    ]


def _delete_some(queryset: Any, batch: int) -> bool:
    """Whether there was anything to delete."""
    ids = list(queryset.order_by("id").values_list("id", flat=True)[:batch])
    if queryset.model is Run:
        Run.objects.filter(parent_run__in=ids).update(parent_run=None)
    if ids:
        queryset.model.objects.filter(id__in=ids)._raw_delete(using=queryset.db)
    return bool(ids)
