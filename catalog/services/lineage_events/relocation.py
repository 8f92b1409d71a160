"""Moving runs whose pipeline was only guessed, once a parent is learnt: with their links, facets and check results.

A place that no run is left at keeps no observed links; a pipeline that only events made, that nobody gave owners and
that no run is left at, disappears: with the events in another order it would not have come to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from catalog.models import Check, CheckResult, Pipeline
from catalog.services.at_risk import refresh_checks
from catalog.services.health import refresh_health
from catalog.services.lineage_events.descriptions import Subjects, describe
from catalog.services.lineage_events.facets import carried_by, copy_uses
from catalog.services.lineage_events.links import ColumnLink
from catalog.services.lineage_version import lineage_changed
from catalog.services.pipelines import PURGE_PIPELINES
from catalog.services.statements import execute, fetch
from orgs import due
from orgs.actors import Actor
from orgs.audit import Action, record_all


class Spot(NamedTuple):
    """A pipeline itself, or a step of it."""

    pipeline_id: UUID
    step_id: UUID | None

    @property
    def subject_id(self) -> UUID:
        """What facets of the job hang on."""
        return self.step_id or self.pipeline_id


@dataclass(frozen=True, slots=True)
class Move:
    run_id: UUID
    source: Spot
    target: Spot


def relocate(moves: Sequence[Move], actor: Actor) -> None:
    if not moves:
        return
    spots = {move.source: move.target for move in moves}
    execute(
        _MOVE_RUNS,
        runs=[move.run_id for move in moves],
        pipelines=[move.target.pipeline_id for move in moves],
        steps=[move.target.step_id for move in moves],
    )
    execute(_COPY_LINKS, **_columns(spots))
    _copy_column_links(spots)
    _copy_facets(spots)
    _move_results(moves)
    _clear([source for source in spots if source not in _taken(spots)])
    vacated = _vacate({source.pipeline_id for source in spots}, actor)
    lineage_changed()
    refresh_health({spot.pipeline_id for pair in spots.items() for spot in pair} - vacated)


def count_vacated(moves: Iterable[tuple[UUID, UUID]]) -> int:
    """How many observed pipelines lose their last run when these `(run, pipeline)` leave."""
    leaving = dict(moves)
    if not leaving:
        return 0
    return len(fetch(_WOULD_BE_VACATED, runs=list(leaving), pipelines=list(set(leaving.values()))))


def _copy_facets(spots: Mapping[Spot, Spot]) -> None:
    """What the facets say of a job is said of it at its new place too."""
    subjects = {source.subject_id: target.subject_id for source, target in spots.items()}
    copy_uses(subjects)
    pipelines = frozenset(target.pipeline_id for target in spots.values())
    describe(carried_by(subjects.values()), Subjects(pipelines, {}))


def _copy_column_links(spots: Mapping[Spot, Spot]) -> None:
    rows = fetch(_COLUMN_LINKS, **_columns(spots))
    links = []
    for id_, pipeline_id, step_id, *places in rows:
        target = spots[Spot(pipeline_id, step_id)]
        links.append((id_, target, ColumnLink(target.pipeline_id, target.step_id, *places).identity))
    if links:
        execute(
            _COPY_COLUMN_LINKS,
            sources=[id_ for id_, _, _ in links],
            pipelines=[target.pipeline_id for _, target, _ in links],
            steps=[target.step_id for _, target, _ in links],
            identities=[identity for _, _, identity in links],
        )


def _move_results(moves: Sequence[Move]) -> None:
    """What checks found in these runs is about checks of their pipeline."""
    targets = {move.run_id: move.target.pipeline_id for move in moves if move.source[0] != move.target[0]}
    results = list(CheckResult.objects.filter(run_id__in=targets).select_related("check_rule").order_by("id"))
    if not results:
        return
    found: dict[tuple[UUID, bytes], UUID] = {}
    for result in results:
        key = (targets[result.run_id], bytes(result.check_rule.identity))
        if key not in found:
            found[key] = _check_at(key[0], result.check_rule).id
    places = [(targets[result.run_id], bytes(result.check_rule.identity)) for result in results]
    execute(
        _MOVE_RESULTS,
        results=[result.id for result in results],
        pipelines=[pipeline_id for pipeline_id, _ in places],
        checks=[found[place] for place in places],
    )
    refresh_checks({result.check_rule_id for result in results} | set(found.values()))


def _check_at(pipeline_id: UUID, check: Check) -> Check:
    found: Check
    found, _ = Check.objects.get_or_create(
        pipeline_id=pipeline_id,
        identity=bytes(check.identity),
        defaults={
            "check_id": check.check_id,
            "dataset_id": check.dataset_id,
            "column": check.column,
            "severity": check.severity,
            "origin": check.origin,
        },
    )
    return found


def _taken(spots: Iterable[Spot]) -> set[Spot]:
    return {Spot(*row) for row in fetch(_STILL_TAKEN, **_columns({spot: spot for spot in spots}))}


def _clear(spots: Sequence[Spot]) -> None:
    if not spots:
        return
    places = _columns({spot: spot for spot in spots})
    for sql in (_CLEAR_LINKS.format(table="catalog_lineagelink"), _CLEAR_LINKS.format(table="catalog_columnlink")):
        execute(sql, **places)
    execute(_CLEAR_STEPS, steps=[spot.step_id for spot in spots if spot.step_id])


def _vacate(pipeline_ids: set[UUID], actor: Actor) -> set[UUID]:
    ids = [row[0] for row in fetch(_VACATE, pipelines=sorted(pipeline_ids))]
    vacated = list(Pipeline.objects.filter(id__in=ids).order_by("id"))
    if vacated:
        record_all(actor, [(Action.PIPELINE_DELETED, row, "", _names(row), {"reason": _REASON}) for row in vacated])
        due.mark(PURGE_PIPELINES)
    return set(ids)


def _names(pipeline: Pipeline) -> dict[str, str]:
    return {"namespace": pipeline.namespace, "name": pipeline.name}


def _columns(spots: Mapping[Spot, Spot]) -> dict[str, list[UUID | None]]:
    return {
        "old_pipelines": [source.pipeline_id for source in spots],
        "old_steps": [source.step_id for source in spots],
        "new_pipelines": [target.pipeline_id for target in spots.values()],
        "new_steps": [target.step_id for target in spots.values()],
    }


_REASON = "its runs belong to other pipelines"
# No spec describes it and nobody owns it by a person's word.
_UNTOUCHED = """
    p.origin = 'openlineage' AND p.current_version_id IS NULL AND p.deleted_at IS NULL
        AND NOT EXISTS (SELECT FROM jsonb_array_elements(p.owners) AS given (entry)
                        WHERE given.entry ->> 'origin' IN ('person', 'spec'))
"""
_SPOTS = """
    unnest(%(old_pipelines)s::uuid[], %(old_steps)s::uuid[], %(new_pipelines)s::uuid[], %(new_steps)s::uuid[])
        AS spot (old_pipeline, old_step, new_pipeline, new_step)
"""
_AT_SPOT = """
    l.organization_id = %(organization)s AND l.pipeline_id = spot.old_pipeline
        AND l.step_id IS NOT DISTINCT FROM spot.old_step
"""
_MOVE_RUNS = """
    UPDATE catalog_run r SET pipeline_id = new.pipeline_id, step_id = new.step_id
    FROM unnest(%(runs)s::uuid[], %(pipelines)s::uuid[], %(steps)s::uuid[]) AS new (id, pipeline_id, step_id)
    WHERE r.organization_id = %(organization)s AND r.id = new.id
"""
_MOVE_RESULTS = """
    UPDATE catalog_checkresult r SET check_rule_id = new.check_id, pipeline_id = new.pipeline_id
    FROM unnest(%(results)s::uuid[], %(checks)s::uuid[], %(pipelines)s::uuid[]) AS new (id, check_id, pipeline_id)
    WHERE r.organization_id = %(organization)s AND r.id = new.id
"""
_COPY_LINKS = f"""
    INSERT INTO catalog_lineagelink (id, organization_id, pipeline_id, step_id, dataset_id, direction, origin,
        valid_from, last_seen_at)
    SELECT gen_random_uuid(), l.organization_id, spot.new_pipeline, spot.new_step, l.dataset_id, l.direction,
        l.origin, l.valid_from, l.last_seen_at
    FROM {_SPOTS} JOIN catalog_lineagelink l ON {_AT_SPOT} AND l.origin = 'observed' AND l.valid_to IS NULL
    ON CONFLICT (organization_id, pipeline_id, dataset_id, direction, step_id, origin) WHERE valid_to IS NULL
    DO UPDATE SET valid_from = least(catalog_lineagelink.valid_from, excluded.valid_from)
"""  # noqa: S608  (constants of ours, as below)
_COLUMN_LINKS = f"""
    SELECT l.id, l.pipeline_id, l.step_id, l.from_dataset_id, l.from_column, l.to_dataset_id, l.to_column
    FROM {_SPOTS} JOIN catalog_columnlink l ON {_AT_SPOT} AND l.origin = 'observed' AND l.valid_to IS NULL
"""  # noqa: S608
_COPY_COLUMN_LINKS = """
    INSERT INTO catalog_columnlink (id, organization_id, pipeline_id, step_id, from_dataset_id, from_column,
        to_dataset_id, to_column, transformation, is_masked, origin, identity, valid_from, last_seen_at)
    SELECT gen_random_uuid(), l.organization_id, new.pipeline_id, new.step_id, l.from_dataset_id, l.from_column,
        l.to_dataset_id, l.to_column, l.transformation, l.is_masked, l.origin, new.identity, l.valid_from,
        l.last_seen_at
    FROM unnest(%(sources)s::uuid[], %(pipelines)s::uuid[], %(steps)s::uuid[], %(identities)s::bytea[])
        AS new (id, pipeline_id, step_id, identity)
    JOIN catalog_columnlink l ON l.organization_id = %(organization)s AND l.id = new.id
    ON CONFLICT (organization_id, identity) WHERE valid_to IS NULL DO NOTHING
"""
_STILL_TAKEN = f"""
    SELECT spot.old_pipeline, spot.old_step FROM {_SPOTS}
    WHERE EXISTS (SELECT FROM catalog_run l WHERE {_AT_SPOT})
"""  # noqa: S608
_CLEAR_LINKS = f"""
    DELETE FROM {{table}} l USING {_SPOTS} WHERE {_AT_SPOT} AND l.origin = 'observed'
"""  # noqa: S608
_CLEAR_STEPS = """
    UPDATE catalog_step SET ended_at = now() WHERE organization_id = %(organization)s AND id = ANY(%(steps)s)
"""
_WOULD_BE_VACATED = f"""
    SELECT p.id FROM catalog_pipeline p
    WHERE p.organization_id = %(organization)s AND p.id = ANY(%(pipelines)s) AND {_UNTOUCHED}
        AND p.archived_at IS NULL
        AND NOT EXISTS (SELECT FROM catalog_run r WHERE r.organization_id = %(organization)s
                        AND r.pipeline_id = p.id AND r.id <> ALL(%(runs)s))
"""  # noqa: S608
_VACATE = f"""
    UPDATE catalog_pipeline p SET deleted_at = now()
    WHERE p.organization_id = %(organization)s AND p.id = ANY(%(pipelines)s) AND {_UNTOUCHED}
        AND NOT EXISTS (SELECT FROM catalog_run r WHERE r.organization_id = %(organization)s AND r.pipeline_id = p.id)
    RETURNING p.id
"""  # noqa: S608
