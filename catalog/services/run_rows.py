"""Runs as instances, by SQL that is written once: every event asks for runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from catalog.models import LIVE, Run
from catalog.services.statements import fetch
from dataxpipe.postgres.written import columns_of, instance_of

_BY_UUID = """
    id = ANY((SELECT %(ids)s::uuid[])::uuid[])
    OR (openlineage_id = ANY((SELECT %(uuids)s::uuid[])::uuid[]) AND openlineage_id IS NOT NULL)
"""
_BY_RUN_ID = "(run_id = ANY(%(orchestrated)s) AND step_id IS NULL AND pipeline_id = ANY(%(pipelines)s))"
_BY_ORCHESTRATOR = """
    (orchestrator_run_id = ANY(%(names)s) AND orchestrator_run_id <> '' AND step_id IS NULL
     AND pipeline_id = ANY(%(pipelines)s))
"""


def find_runs(
    *,
    ids: Iterable[UUID],
    openlineage_ids: Iterable[UUID],
    orchestrated: Iterable[str],
    names: Iterable[str],
    pipelines: Iterable[UUID],
) -> list[Run]:
    """Runs with one of the ids, or, of the pipelines themselves, those that their orchestrator calls by a name:
    `orchestrated` are names it told beside an id, `names` those a native report uses."""
    wanted = {"ids": list(ids), "uuids": list(openlineage_ids), "pipelines": list(pipelines)}
    told, called = list(orchestrated), list(names)
    conditions = [_BY_UUID]
    if told:
        conditions.append(_BY_RUN_ID)
    if told or called:
        conditions.append(_BY_ORCHESTRATOR)
    return _runs(f"({' OR '.join(conditions)})", **wanted, orchestrated=told, names=[*told, *called])


def find_open_children(run_ids: Sequence[UUID]) -> list[Run]:
    """Runs of steps right below these that have not ended themselves."""
    condition = "parent_run_id = ANY(%(ids)s) AND step_id IS NOT NULL AND reported_status = ANY(%(live)s)"
    return _runs(condition, ids=list(run_ids), live=[status.value for status in LIVE])


def _runs(condition: str, **parameters: Any) -> list[Run]:
    sql = (
        f"SELECT {columns_of(Run, 'r')} FROM catalog_run r"  # noqa: S608  (names of our own columns)
        f" WHERE r.organization_id = %(organization)s AND {condition}"
    )
    return [instance_of(Run, row) for row in fetch(sql, **parameters)]
