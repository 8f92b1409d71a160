"""Deleting what is older than the days that are promised: raw events, check results, runs with all that is theirs.

The worker comes once a day, and again at once while there is more: one batch is one short transaction, so that a kill
costs no more than that, and nobody waits long for a pipeline. Kept however old: the last run of a pipeline and the last
result of a check, which health rests on, runs that have not ended, and events that were not applied yet.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from uuid import UUID

from django.utils import timezone

from catalog.services.run_book import lock_pipelines
from catalog.services.statements import execute, fetch
from dataxpipe.postgres.fields import first_uuid7
from orgs import due
from orgs.models import OrganizationStatus
from orgs.services.history import TRIM_HISTORY, TRIMMED_EVERY, review_history
from orgs.tenancy import current_organization

ROWS_AT_ONCE = 5_000
RUNS_AT_ONCE = 1_000
# Longer chains of parents count as none.
DEEPEST = 64


def trim_history() -> None:
    """What the worker does for a mark: one batch, and a new mark while there is more."""
    if current_organization().status == OrganizationStatus.MOVING:
        due.mark(TRIM_HISTORY, after=TRIMMED_EVERY)  # what is being copied is not deleted meanwhile
        return
    days, now = review_history(), timezone.now()
    has_more = trim_once(
        runs_before=now - datetime.timedelta(days=days["run_history_days"]),
        events_before=now - datetime.timedelta(days=days["raw_event_days"]),
    )
    due.mark(TRIM_HISTORY, after=datetime.timedelta() if has_more else TRIMMED_EVERY)


def trim_once(*, runs_before: datetime.datetime, events_before: datetime.datetime) -> bool:
    """Deletes up to one batch of each kind; says whether more may be left."""
    counts = [
        execute(_DELETE_EVENTS, before=first_uuid7(events_before), at_once=ROWS_AT_ONCE),
        execute(_DELETE_RESULTS, before=runs_before, at_once=ROWS_AT_ONCE),
    ]
    has_runs = any([_trim_runs(_OLD_RUNS, runs_before), _trim_runs(_OLD_LOOSE_STEPS, runs_before)])
    return has_runs or ROWS_AT_ONCE in counts


def _trim_runs(of: str, before: datetime.datetime) -> bool:
    """Deletes the lowest level of some old runs: steps first, then what they were steps of."""
    old = _ids(of, before=before, at_once=RUNS_AT_ONCE)
    if not old:
        return False
    lowest = _lowest(old)
    lock_pipelines(pipeline_id for (pipeline_id,) in fetch(_PIPELINES, ids=lowest))
    if lowest is old:
        # Until the lock was there, one may have become what a pipeline tells of, or have got a step.
        lowest = [id_ for id_ in _ids(of, before=before, at_once=RUNS_AT_ONCE) if id_ in set(old)]
        lowest = sorted(set(lowest) - {parent for (parent,) in fetch(_PARENTS, ids=lowest)})
    _delete_runs(lowest)
    return True


def _lowest(ids: Sequence[UUID]) -> Sequence[UUID]:
    for _ in range(DEEPEST):
        below = [id_ for (id_,) in fetch(_STEPS_BELOW, ids=list(ids), at_once=ROWS_AT_ONCE)]
        if not below:
            break
        ids = below
    return ids


def _delete_runs(ids: Sequence[UUID]) -> None:
    """What refers to them first. The last result of a check stays, as one of no run."""
    rows = list(ids)
    execute(_DETACH_TRIGGERED, ids=rows)
    execute(_DETACH_RESULTS, ids=rows)
    execute(_DELETE_RESULTS_OF_RUNS, ids=rows)
    facets = {facet_id for (facet_id,) in fetch(_DELETE_USES, ids=rows)}
    execute(_DELETE_RUNS, ids=rows)
    execute(_DELETE_FACETS, ids=sorted(facets))


def _ids(sql: str, **parameters: object) -> list[UUID]:
    return [id_ for (id_,) in fetch(sql, **parameters)]


# Both bounds: the first lets PostgreSQL leave out the partitions of the weeks behind it.
_DELETE_EVENTS = """
    DELETE FROM catalog_eventinbox
    WHERE organization_id = %(organization)s AND id < %(before)s AND state <> 'pending' AND id <= (
        SELECT id FROM (
            SELECT id FROM catalog_eventinbox
            WHERE organization_id = %(organization)s AND id < %(before)s AND state <> 'pending'
            ORDER BY id LIMIT %(at_once)s
        ) oldest ORDER BY id DESC LIMIT 1
    )
"""
_DELETE_RESULTS = """
    DELETE FROM catalog_checkresult WHERE organization_id = %(organization)s AND id = ANY(ARRAY(
        SELECT r.id FROM catalog_checkresult r
        JOIN catalog_check c ON c.organization_id = %(organization)s AND c.id = r.check_rule_id
        WHERE r.organization_id = %(organization)s AND r.executed_at < %(before)s
            AND r.executed_at IS DISTINCT FROM c.last_executed_at
        ORDER BY r.executed_at, r.id LIMIT %(at_once)s
    ))
"""
_OLD_RUNS = """
    SELECT r.id FROM catalog_run r
    WHERE r.organization_id = %(organization)s AND r.step_id IS NULL AND r.occurred_at < %(before)s
        AND r.status NOT IN ('queued', 'running')
        AND NOT EXISTS (SELECT FROM catalog_pipeline p WHERE p.organization_id = %(organization)s
                        AND p.id = r.pipeline_id AND p.last_run_id = r.id)
    ORDER BY r.occurred_at, r.id LIMIT %(at_once)s
"""
_OLD_LOOSE_STEPS = """
    SELECT r.id FROM catalog_run r
    WHERE r.organization_id = %(organization)s AND r.step_id IS NOT NULL AND r.parent_run_id IS NULL
        AND r.occurred_at < %(before)s AND r.status NOT IN ('queued', 'running')
    ORDER BY r.occurred_at, r.id LIMIT %(at_once)s
"""
_STEPS_BELOW = """
    SELECT id FROM catalog_run
    WHERE organization_id = %(organization)s AND parent_run_id = ANY(%(ids)s) AND step_id IS NOT NULL
    LIMIT %(at_once)s
"""
_PARENTS = """
    SELECT DISTINCT parent_run_id FROM catalog_run
    WHERE organization_id = %(organization)s AND parent_run_id = ANY(%(ids)s) AND step_id IS NOT NULL
"""
_PIPELINES = """
    SELECT DISTINCT pipeline_id FROM catalog_run WHERE organization_id = %(organization)s AND id = ANY(%(ids)s)
"""
_DETACH_TRIGGERED = """
    UPDATE catalog_run SET parent_run_id = NULL
    WHERE organization_id = %(organization)s AND parent_run_id = ANY(%(ids)s)
"""
_DETACH_RESULTS = """
    UPDATE catalog_checkresult r SET run_id = NULL
    WHERE r.organization_id = %(organization)s AND r.run_id = ANY(%(ids)s)
        AND r.executed_at = (SELECT c.last_executed_at FROM catalog_check c
                             WHERE c.organization_id = %(organization)s AND c.id = r.check_rule_id)
        AND NOT EXISTS (SELECT FROM catalog_checkresult o WHERE o.organization_id = %(organization)s
                        AND o.check_rule_id = r.check_rule_id AND o.executed_at = r.executed_at AND o.id <> r.id)
"""
_DELETE_RESULTS_OF_RUNS = """
    DELETE FROM catalog_checkresult WHERE organization_id = %(organization)s AND run_id = ANY(%(ids)s)
"""
_DELETE_USES = """
    DELETE FROM catalog_facetuse WHERE organization_id = %(organization)s AND subject_id = ANY(%(ids)s)
    RETURNING facet_id
"""
_DELETE_RUNS = """
    DELETE FROM catalog_run WHERE organization_id = %(organization)s AND id = ANY(%(ids)s)
"""
_DELETE_FACETS = """
    DELETE FROM catalog_facet f WHERE f.organization_id = %(organization)s AND f.id = ANY(%(ids)s)
        AND NOT EXISTS (SELECT FROM catalog_facetuse u WHERE u.organization_id = %(organization)s
                        AND u.facet_id = f.id)
"""
