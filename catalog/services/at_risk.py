"""Which checks fail, on which datasets, and which pipelines downstream are at risk because of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import connection

from catalog.models import Check, Dataset, Direction, LineageLink, Pipeline
from catalog.services.health import refresh_health
from dataxpipe.postgres.bulk import update_rows
from orgs.tenancy import current_organization

AT_RISK_LOCK = 0x44585001
MAX_LEVELS = 200
LOOKED_BACK = 200


def lock_at_risk() -> None:
    """One writer at a time says which datasets fail. Take it before pipelines are locked, when some check may turn."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [AT_RISK_LOCK, current_organization().pk % 2**31])


def lock_if_at_risk(pipeline_ids: Iterable[UUID] = ()) -> bool:
    """Whether a change of these pipelines' links and checks may change who is at risk, because some check fails.

    Take it before pipelines are locked, and call `refresh_risk_of` after the change.
    """
    failing = Check.objects.filter(pipeline__in=list(pipeline_ids), failing_since__isnull=False)
    may_change = Dataset.objects.filter(failing_check_count__gt=0).exists() or failing.exists()
    if may_change:
        lock_at_risk()
    return bool(may_change)


def refresh_risk_of(pipeline_ids: Iterable[UUID]) -> None:
    """After checks of these pipelines have ended, moved or come back, or their links lead elsewhere."""
    failing = Check.objects.filter(pipeline__in=list(pipeline_ids), failing_since__isnull=False)
    datasets = {pk for pk in failing.values_list("dataset_id", flat=True) if pk}
    datasets |= set(Dataset.objects.filter(failing_check_count__gt=0).values_list("id", flat=True))
    refresh_failing_datasets(datasets)
    refresh_at_risk()


def refresh_checks(check_ids: Iterable[UUID]) -> None:
    """Brings last status and failing-since of these checks up to date from their newest results; skipped ones and
    those of backfills say nothing. Where a check turned, its dataset follows, and who is at risk."""
    ids = sorted(set(check_ids))
    if not ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(_REFRESH_CHECKS, {**_organization(), "ids": ids, "looked_back": LOOKED_BACK})
        turned = {dataset_id for dataset_id, has_turned in cursor.fetchall() if has_turned and dataset_id}
    refresh_failing_datasets(turned)


def refresh_failing_datasets(dataset_ids: Iterable[UUID]) -> None:
    """Counts the failing error checks of these datasets, of active pipelines only. To be called when checks turn,
    appear, end or change severity, and when their pipeline is archived, deleted or comes back."""
    ids = sorted(set(dataset_ids))
    if not ids:
        return
    lock_at_risk()  # and only then count: a count that waited would not see what it waited for
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_FAILING, {**_organization(), "ids": ids})
        has_turned = any(was_failing != is_failing for was_failing, is_failing in cursor.fetchall())
    if has_turned:
        refresh_at_risk()


def refresh_at_risk() -> None:
    """Marks the pipelines downstream of failing datasets, and only those. To be called when a dataset turns.

    Three statements, two for each level of the walk, and three more when somebody's risk has changed.
    """
    lock_at_risk()
    failing = Dataset.objects.filter(failing_check_count__gt=0).order_by("name", "id")
    reasons = {id_: f"A check fails on {name}, upstream."[:500] for id_, name in failing.values_list("id", "name")}
    found = _walk(reasons)
    marked = Pipeline.objects.filter(is_at_risk=True).values_list("id", "at_risk_reason")
    before = dict(marked)
    changed = [
        Pipeline(
            id=id_,
            organization_id=current_organization().pk,
            is_at_risk=id_ in found,
            at_risk_reason=found.get(id_, ""),
        )
        for id_ in before.keys() | found.keys()
        if before.get(id_) != found.get(id_)
    ]
    update_rows(changed, ["is_at_risk", "at_risk_reason"])
    if changed:
        refresh_health(pipeline.id for pipeline in changed)


def _walk(reasons: dict[UUID, str]) -> dict[UUID, str]:
    """Pipelines below the datasets, each with the reason of the nearest; the alphabet's first where two are equal."""
    found: dict[UUID, str] = {}
    seen = dict(reasons)
    frontier = set(reasons)
    for _ in range(MAX_LEVELS):
        level: dict[UUID, str] = {}
        for pipeline_id, dataset_id in _links(Direction.READS, dataset_id__in=frontier):
            if pipeline_id not in found:
                level[pipeline_id] = min(level.get(pipeline_id, seen[dataset_id]), seen[dataset_id])
        found |= level
        frontier = set()
        for pipeline_id, dataset_id in _links(Direction.WRITES, pipeline_id__in=level):
            if dataset_id not in seen or dataset_id in frontier:
                seen[dataset_id] = min(seen.get(dataset_id, found[pipeline_id]), found[pipeline_id])
                frontier.add(dataset_id)
        if not frontier:
            break
    return found


def _links(direction: Direction, **ends: Any) -> Any:
    """(pipeline, dataset) of the valid links; archived and deleted pipelines never bridge."""
    links = LineageLink.objects.valid().filter(direction=direction, **ends)
    bridging = links.filter(pipeline__archived_at=None, pipeline__deleted_at=None)
    return bridging.values_list("pipeline_id", "dataset_id").distinct()


def _organization() -> dict[str, int]:
    return {"organization": current_organization().pk}


# Of two results at one instant the worse is the newer one, whichever came first.
_REFRESH_CHECKS = """
    UPDATE catalog_check c
    SET last_status = newest.status, last_executed_at = newest.executed_at,
        failing_since = CASE WHEN NOT newest.is_failing THEN NULL
                             WHEN newest.has_passed THEN newest.since
                             ELSE least(newest.since, c.failing_since) END
    FROM catalog_check old
    CROSS JOIN LATERAL (
        SELECT coalesce((array_agg(status ORDER BY executed_at DESC, rank))[1], '') AS status,
               max(executed_at) AS executed_at,
               coalesce((array_agg(rank < 3 ORDER BY executed_at DESC, rank) FILTER (WHERE rank < 4))[1], false)
                   AS is_failing,
               bool_or(rank = 3) AS has_passed,
               min(executed_at) FILTER (WHERE rank < 3 AND executed_at >= passed_at) AS since
        FROM (
            SELECT status, executed_at, rank,
                   coalesce(max(executed_at) FILTER (WHERE rank = 3) OVER (), '-infinity') AS passed_at
            FROM (
                SELECT r.status, r.executed_at,
                       array_position(ARRAY['fail', 'error', 'pass', 'skipped'], r.status::text) AS rank
                FROM catalog_checkresult r
                WHERE r.organization_id = %(organization)s AND r.check_rule_id = old.id
                  AND NOT EXISTS (SELECT FROM catalog_run n WHERE n.organization_id = %(organization)s
                                  AND n.id = r.run_id AND n.trigger = 'backfill')
                ORDER BY r.executed_at DESC, r.id DESC LIMIT %(looked_back)s
            ) recent
        ) results
    ) newest
    WHERE old.organization_id = %(organization)s AND old.id = ANY(%(ids)s)
      AND c.organization_id = old.organization_id AND c.id = old.id
    RETURNING c.dataset_id, (old.failing_since IS NULL) <> (c.failing_since IS NULL)
"""

_COUNT_FAILING = """
    UPDATE catalog_dataset d SET failing_check_count = counted.failing
    FROM catalog_dataset old
    CROSS JOIN LATERAL (
        SELECT count(*) AS failing FROM catalog_check c
        JOIN catalog_pipeline p ON p.organization_id = c.organization_id AND p.id = c.pipeline_id
        WHERE c.organization_id = %(organization)s AND c.dataset_id = old.id AND c.failing_since IS NOT NULL
          AND c.severity = 'error' AND c.ended_at IS NULL AND p.archived_at IS NULL AND p.deleted_at IS NULL
    ) counted
    WHERE old.organization_id = %(organization)s AND old.id = ANY(%(ids)s)
      AND d.organization_id = old.organization_id AND d.id = old.id
    RETURNING old.failing_check_count > 0, d.failing_check_count > 0
"""
