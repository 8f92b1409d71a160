"""Runs as instances, by SQL that is written once: every event asks for runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from catalog.models import LIVE, Run
from catalog.services.statements import fetch
from dataxpipe.postgres.written import columns_of, instance_of

# A part for each way of naming a run, each with its own index: an OR of them lets the planner read all runs.
# A sub-select is no constant: with one PostgreSQL would compare each element with each partial index's condition
# (6 ms of planning for a hundred events, 0.1 ms of looking up).
_IDS = "(SELECT %(ids)s::uuid[])::uuid[]"
_UUIDS = "(SELECT %(uuids)s::uuid[])::uuid[]"
_PIPELINES = "(SELECT %(pipelines)s::uuid[])::uuid[]"
_OF_ORGANIZATION = "SELECT id FROM catalog_run WHERE organization_id = %(organization)s AND "
_BY_ID = "SELECT unnest(%(ids)s::uuid[])"
_BY_OPENLINEAGE_ID = f"{_OF_ORGANIZATION} openlineage_id = ANY({_UUIDS}) AND openlineage_id IS NOT NULL"
_BY_RUN_ID = f"""
    {_OF_ORGANIZATION} pipeline_id = ANY({_PIPELINES})
      AND run_id = ANY((SELECT %(orchestrated)s::text[])::text[])
"""
_BY_ORCHESTRATOR = f"""
    {_OF_ORGANIZATION} pipeline_id = ANY({_PIPELINES})
      AND orchestrator_run_id = ANY((SELECT %(names)s::text[])::text[]) AND orchestrator_run_id <> ''
"""
_IS_MEANT = f"""
    AND (id = ANY({_IDS}) OR openlineage_id = ANY({_UUIDS})
         OR (step_id IS NULL AND pipeline_id = ANY({_PIPELINES})))
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
    parts = [_BY_ID, *([_BY_OPENLINEAGE_ID] if wanted["uuids"] else [])]
    parts += [_BY_RUN_ID] if told else []
    parts += [_BY_ORCHESTRATOR] if told or called else []
    condition = f"id = ANY(ARRAY({' UNION ALL '.join(parts)}))" + _IS_MEANT
    return _runs(condition, **wanted, orchestrated=told, names=[*told, *called])


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
