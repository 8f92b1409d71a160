"""The pipelines and steps of a batch: looked up by what they are called, admitted and made where they are new."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from catalog.models import DiscoveredPipeline, Pipeline, Step, identity_of
from catalog.openlineage.facets import JobType
from catalog.openlineage.names import JobKey
from catalog.services.statements import execute, fetch
from orgs.actors import Actor
from orgs.audit import Action, record_all

StepKey = tuple[UUID, JobKey]

_COLUMNS = """
    p.id, p.namespace, p.name, p.origin, p.integration, p.job_type, p.is_provisional,
    p.current_version_id IS NOT NULL, p.description, p.owners::text, p.tags, p.schedule, p.timezone
"""
_FIND = f"""
    SELECT {_COLUMNS},
        ARRAY(SELECT s.id FROM catalog_step s WHERE s.organization_id = %(organization)s AND s.pipeline_id = p.id
              AND s.identity = ANY(%(identities)s) AND s.ended_at IS NULL ORDER BY s.id),
        ARRAY(SELECT s.identity FROM catalog_step s WHERE s.organization_id = %(organization)s
              AND s.pipeline_id = p.id AND s.identity = ANY(%(identities)s) AND s.ended_at IS NULL
              ORDER BY s.id),
        ARRAY(SELECT j.identity FROM catalog_pipelinejob j WHERE j.organization_id = %(organization)s
              AND j.pipeline_id = p.id AND j.identity = ANY(%(identities)s))
    FROM catalog_pipeline p
    WHERE p.organization_id = %(organization)s AND p.deleted_at IS NULL AND p.id IN (
        SELECT id FROM catalog_pipeline WHERE organization_id = %(organization)s
            AND identity = ANY(%(identities)s) AND deleted_at IS NULL
        UNION
        SELECT pipeline_id FROM catalog_pipelinejob WHERE organization_id = %(organization)s
            AND identity = ANY(%(identities)s))
"""  # noqa: S608  (constants of ours)
_MEMBERSHIPS = """
    SELECT s.identity, p.namespace, p.name FROM catalog_step s
    JOIN catalog_pipeline p ON p.organization_id = s.organization_id AND p.id = s.pipeline_id
    WHERE s.organization_id = %(organization)s AND s.identity = ANY(%(identities)s)
        AND s.ended_at IS NULL AND p.deleted_at IS NULL
    ORDER BY p.namespace, p.name
"""


@dataclass(slots=True)
class PipelineRow:
    """A pipeline with the fields that events may add to. `has_spec`: a spec says what it is."""

    id: UUID
    key: JobKey
    origin: str = Pipeline.Origin.OPENLINEAGE.value
    integration: str = ""
    job_type: str = ""
    is_provisional: bool = False
    has_spec: bool = False
    description: str = ""
    owners: list[dict[str, Any]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    schedule: str | None = None
    timezone: str = "UTC"


@dataclass(slots=True)
class Shelf:
    """The pipelines and steps that are known, by what they are called."""

    pipelines: dict[JobKey, PipelineRow] = field(default_factory=dict)
    steps: dict[StepKey, UUID] = field(default_factory=dict)
    specs: dict[JobKey, JobKey] = field(default_factory=dict)

    def look_up(self, jobs: Iterable[JobKey]) -> None:
        """One query for the pipelines of these names, those whose specs list the jobs, and their steps."""
        identities = {identity_of(job.namespace, job.name): job for job in jobs}
        if not identities:
            return
        for *columns, step_ids, step_identities, job_identities in fetch(_FIND, identities=list(identities)):
            row = _row(columns)
            self.pipelines[row.key] = row
            for step_id, identity in zip(step_ids, step_identities, strict=True):
                self.steps[row.id, identities[bytes(identity)]] = step_id
            for identity in job_identities:
                self.specs[identities[bytes(identity)]] = row.key


def memberships(jobs: Iterable[JobKey]) -> dict[JobKey, list[JobKey]]:
    """The pipelines each job is a step of."""
    identities = {identity_of(job.namespace, job.name): job for job in jobs}
    found: dict[JobKey, list[JobKey]] = {}
    for identity, namespace, name in fetch(_MEMBERSHIPS, identities=list(identities)):
        found.setdefault(identities[bytes(identity)], []).append(JobKey(namespace, name))
    return found


@dataclass(frozen=True, slots=True)
class NewPipeline:
    key: JobKey
    job_type: JobType | None
    is_provisional: bool


def create_pipelines(shelf: Shelf, wanted: Sequence[NewPipeline], actor: Actor) -> None:
    """Makes pipelines that were not known. Somebody else may be faster: only what is ours is audited."""
    if not wanted:
        return
    rows = [_pipeline(new) for new in wanted]
    Pipeline.objects.bulk_create(sorted(rows, key=lambda row: bytes(row.identity)), ignore_conflicts=True)
    shelf.look_up(new.key for new in wanted)
    made = [row for row in rows if shelf.pipelines[JobKey(row.namespace, row.name)].id == row.id]
    DiscoveredPipeline.objects.filter(identity__in=[row.identity for row in made])._raw_delete("default")
    if made:
        record_all(
            actor,
            [(Action.PIPELINE_OBSERVED, row, "", None, {"namespace": row.namespace, "name": row.name}) for row in made],
        )


def create_steps(shelf: Shelf, wanted: Mapping[StepKey, JobType | None]) -> None:
    missing = {key: kind for key, kind in wanted.items() if key not in shelf.steps}
    rows = [_step(pipeline_id, job, kind) for (pipeline_id, job), kind in missing.items()]
    if not rows:
        return
    rows.sort(key=lambda row: (row.pipeline_id, bytes(row.identity)))
    Step.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["organization", "pipeline", "identity"],
        update_fields=["ended_at"],  # one that had ended is back
    )
    pipeline_ids = {pipeline_id for pipeline_id, _ in missing}
    identities = {bytes(row.identity): JobKey(row.namespace, row.name) for row in rows}
    stored = Step.objects.filter(pipeline_id__in=pipeline_ids, identity__in=list(identities))
    for id_, pipeline_id, identity in stored.values_list("id", "pipeline_id", "identity"):
        shelf.steps[pipeline_id, identities[bytes(identity)]] = id_


def settle_pipelines(shelf: Shelf, certain: Iterable[JobKey]) -> None:
    """Pipelines that rested on not knowing a parent, and now rest on more."""
    rows = [shelf.pipelines[key] for key in certain if shelf.pipelines[key].is_provisional]
    if rows:
        execute(
            "UPDATE catalog_pipeline SET is_provisional = false"
            " WHERE organization_id = %(organization)s AND id = ANY(%(ids)s)",
            ids=sorted(row.id for row in rows),
        )
    for row in rows:
        row.is_provisional = False


def _row(columns: Sequence[Any]) -> PipelineRow:
    id_, namespace, name, origin, integration, job_type, is_provisional, has_spec, description, owners, *rest = columns
    return PipelineRow(
        id_,
        JobKey(namespace, name),
        origin,
        integration,
        job_type,
        is_provisional,
        has_spec,
        description,
        json.loads(owners),
        *rest,
    )


def _pipeline(new: NewPipeline) -> Pipeline:
    kind = new.job_type
    pipeline = Pipeline(
        namespace=new.key.namespace,
        name=new.key.name,
        origin=Pipeline.Origin.OPENLINEAGE,
        integration=kind.integration[:60] if kind else "",
        job_type=kind.job_type[:60] if kind else "",
        is_provisional=new.is_provisional,
    )
    pipeline.derive()
    return pipeline


def _step(pipeline_id: UUID, job: JobKey, kind: JobType | None) -> Step:
    return Step(
        pipeline_id=pipeline_id,
        namespace=job.namespace,
        name=job.name,
        identity=identity_of(job.namespace, job.name),
        kind=kind.job_type[:60] if kind else "",
    )
