"""Registering pipelines from specs, and changing, archiving and deleting them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone as clock

from catalog.models import (
    ColumnLink,
    LineageLink,
    Pipeline,
    PipelineJob,
    PipelineOwner,
    PipelineTag,
    PipelineVersion,
)
from catalog.services.at_risk import lock_if_at_risk, refresh_risk_of
from catalog.services.current_specs import declare, expect_next, write_current
from catalog.services.key_namespaces import require_namespaces
from catalog.services.lineage_version import lineage_changed
from catalog.services.owners import first_owner, owners_from
from catalog.services.redeclaration import redeclare_lineage
from catalog.services.registration import (
    Candidate,
    Outcome,
    decide,
    find_pipelines,
    is_current,
    read_specs,
    require_agreement,
    require_valid,
)
from dataxpipe.problems import Conflict, NotFound, PlanLimitReached
from orgs import due
from orgs.actors import Actor
from orgs.audit import Action, record
from orgs.plans import require_room

PURGE_PIPELINES = "purge_pipelines"


class SpecGoverns(Conflict):
    slug = "spec-governs"
    title = "The spec says this"
    about = "The pipeline is registered from a spec, so its facts change with the spec: register a new version."


@dataclass(frozen=True, slots=True)
class Registration:
    """What registering a spec came to; in a dry run what it would have come to, nothing being saved."""

    pipeline: Pipeline
    version: PipelineVersion
    is_new_pipeline: bool
    is_new_version: bool
    rolled_back: bool


def register_pipeline(
    *,
    document: Any,
    actor: Actor,
    namespace: str | None = None,
    if_current: str | None = None,
    change_environment: bool = False,
    dry_run: bool = False,
) -> Registration:
    """Registers one spec, as `POST /pipelines/` does; `if_current` names the version that must be current.

    Raises `SpecInvalid` with everything that is wrong, `RegistrationConflict`, `PlanLimitReached`.
    """
    (registration,) = _register(
        [document],
        pointers=[""],
        actor=actor,
        namespace=namespace,
        if_current=if_current,
        change_environment=change_environment,
        dry_run=dry_run,
    )
    return registration


def register_pipelines(
    *,
    documents: Sequence[Any],
    actor: Actor,
    namespace: str | None = None,
    change_environment: bool = False,
    dry_run: bool = False,
) -> list[Registration]:
    """Registers many specs or none of them; pointers of errors begin with the place in the batch."""
    return _register(
        documents,
        pointers=[f"/{index}" for index in range(len(documents))],
        actor=actor,
        namespace=namespace,
        if_current=None,
        change_environment=change_environment,
        dry_run=dry_run,
    )


def _register(
    documents: Sequence[Any],
    *,
    pointers: Sequence[str],
    actor: Actor,
    namespace: str | None,
    if_current: str | None,
    change_environment: bool,
    dry_run: bool,
) -> list[Registration]:
    candidates = require_valid(read_specs(documents, namespace=namespace, pointers=pointers, lock=not dry_run))
    require_namespaces(actor, (candidate.spec.namespace for candidate in candidates))
    pipelines = find_pipelines(candidates)
    may_risk = False
    if any(_may_change(candidate, pipelines) for candidate in candidates):
        # First the lock of what is at risk, the organization's row, then the pipelines': one order for everybody.
        may_risk = not dry_run and lock_if_at_risk(pipeline.pk for pipeline in pipelines.values())
        room = _take_room(candidates, pipelines)
        pipelines = find_pipelines(candidates, lock=not dry_run)
        if (coming := _coming(candidates, pipelines)) > room:
            require_room("pipelines", adding=coming)
    decisions = decide(candidates, pipelines, if_current=if_current, change_environment=change_environment)
    require_agreement(decisions)
    changing = [decision for decision in decisions if decision.changes_something]
    now = clock.now()
    declarations = [declare(decision, now) for decision in changing]
    if changing and not dry_run:
        write_current(changing, declarations, actor, now)
        if may_risk:
            _refresh_risk([decision.pipeline for decision in changing])
    return [
        Registration(
            pipeline=decision.pipeline,
            version=decision.version,
            is_new_pipeline=decision.outcome is Outcome.CREATE,
            is_new_version=decision.is_new_version,
            rolled_back=decision.outcome is Outcome.ROLL_BACK,
        )
        for decision in decisions
    ]


def _may_change(candidate: Candidate, pipelines: Mapping[bytes, Pipeline]) -> bool:
    pipeline = pipelines.get(candidate.identity)
    return pipeline is None or pipeline.archived_at is not None or not is_current(candidate, pipeline)


def _coming(candidates: Iterable[Candidate], pipelines: Mapping[bytes, Pipeline]) -> int:
    """How many places of the plan these would take: new pipelines, and archived ones that come back."""
    known = (pipelines.get(candidate.identity) for candidate in candidates)
    return sum(pipeline is None or pipeline.archived_at is not None for pipeline in known)


def _take_room(candidates: Sequence[Candidate], pipelines: Mapping[bytes, Pipeline]) -> int:
    """How many places there are for these; raises `PlanLimitReached`."""
    coming = _coming(candidates, pipelines)
    if not coming:
        return 0
    try:
        require_room("pipelines", adding=coming)
    except PlanLimitReached:
        # While this one waited for the organization's row, another may have registered the same pipelines.
        still = _coming(candidates, find_pipelines(candidates))
        if still == coming:
            raise
        if still:
            require_room("pipelines", adding=still)
        return still
    return coming


def _refresh_risk(pipelines: Sequence[Pipeline]) -> None:
    """Also on the instances, which are answered."""
    ids = [pipeline.pk for pipeline in pipelines]
    refresh_risk_of(ids)
    fields = ("health", "health_since", "health_reason", "is_at_risk", "at_risk_reason")
    fresh = {row["id"]: row for row in Pipeline.objects.filter(pk__in=ids).values("id", *fields)}
    for pipeline in pipelines:
        for name in fields:
            setattr(pipeline, name, fresh[pipeline.pk][name])


def update_pipeline(
    *,
    pipeline: Pipeline,
    actor: Actor,
    description: str | None = None,
    owners: Sequence[str] | None = None,
    tags: Iterable[str] | None = None,
    environment: str | None = None,
    **schedule: Any,
) -> Pipeline:
    """Changes facts of a pipeline that no spec describes; `schedule` and `timezone` as further keywords.

    Raises `SpecGoverns` where a spec says these things.
    """
    require_namespaces(actor, [pipeline.namespace])
    pipeline = Pipeline.objects.select_for_update(no_key=True).get(pk=pipeline.pk)
    if pipeline.current_version_id is not None:
        raise SpecGoverns(f"{pipeline.name} is registered from a spec. Change the spec and register it again.")
    before = _facts(pipeline)
    if description is not None:
        pipeline.description = description
    if owners is not None:
        pipeline.owners = owners_from("person", owners, known=pipeline.owners)
        pipeline.owner = first_owner(pipeline.owners)
    if tags is not None:
        pipeline.tags = sorted({tag.lower() for tag in tags})
    if environment is not None:
        pipeline.environment = environment
    if schedule:
        pipeline.schedule = schedule.get("schedule", pipeline.schedule)
        pipeline.timezone = schedule.get("timezone", pipeline.timezone)
        expect_next(pipeline, clock.now())
    after = _facts(pipeline)
    if before != after:
        pipeline.save()
        _link_names(PipelineTag, "tag", pipeline, pipeline.tags)
        _link_names(PipelineOwner, "owner", pipeline, [entry["name"] for entry in pipeline.owners])
        changed = [key for key in after if before[key] != after[key]]
        record(
            Action.PIPELINE_UPDATED,
            actor,
            target=pipeline,
            before={key: before[key] for key in changed},
            after={key: after[key] for key in changed},
        )
    return pipeline


def _facts(pipeline: Pipeline) -> dict[str, Any]:
    names = ("description", "owners", "tags", "environment", "schedule", "timezone")
    return {name: getattr(pipeline, name) for name in names}


def _link_names(model: Any, field: str, pipeline: Pipeline, names: Iterable[str]) -> None:
    wanted = set(names)
    model.objects.filter(pipeline=pipeline).exclude(**{f"{field}__in": wanted}).delete()
    rows = [model(pipeline=pipeline, **{field: name}) for name in sorted(wanted)]
    model.objects.bulk_create(rows, ignore_conflicts=True)


def archive_pipeline(*, pipeline: Pipeline, actor: Actor) -> Pipeline:
    """Takes it out of lists, lineage and the plan's count; runs and versions stay. Archived twice is archived."""
    require_namespaces(actor, [pipeline.namespace])
    may_risk = lock_if_at_risk([pipeline.pk])
    pipeline = Pipeline.objects.select_for_update(no_key=True).get(pk=pipeline.pk)
    if pipeline.archived_at is None:
        pipeline.archived_at = clock.now()
        pipeline.next_expected_at = pipeline.late_after = None
        pipeline.save(update_fields=["archived_at", "next_expected_at", "late_after", "updated_at"])
        _close_links(pipeline)
        if may_risk:
            _refresh_risk([pipeline])
        record(Action.PIPELINE_ARCHIVED, actor, target=pipeline)
    return pipeline


def unarchive_pipeline(*, pipeline: Pipeline, actor: Actor) -> Pipeline:
    """Brings it back if the plan has room; its declared lineage opens again, observed lineage when it is seen."""
    require_namespaces(actor, [pipeline.namespace])
    if pipeline.archived_at is None:
        return pipeline
    may_risk = lock_if_at_risk([pipeline.pk])
    try:
        require_room("pipelines")
    except PlanLimitReached:
        # While this one waited for the organization's row, another may have brought the same pipeline back.
        if Pipeline.objects.active().filter(pk=pipeline.pk).exists():
            return _locked(pipeline)
        raise
    pipeline = _locked(pipeline)
    if pipeline.archived_at is not None:
        pipeline.archived_at = None
        expect_next(pipeline, clock.now())
        pipeline.save(update_fields=["archived_at", "next_expected_at", "late_after", "updated_at"])
        redeclare_lineage(Pipeline.objects.filter(pk=pipeline.pk))
        if may_risk:
            _refresh_risk([pipeline])
        record(Action.PIPELINE_UNARCHIVED, actor, target=pipeline)
    return pipeline


def _locked(pipeline: Pipeline) -> Pipeline:
    """As it is now; raises `NotFound` when it was deleted meanwhile."""
    found: Pipeline | None = Pipeline.objects.existing().select_for_update(no_key=True).filter(pk=pipeline.pk).first()
    if found is None:
        raise NotFound("There is no such pipeline.")
    return found


def delete_pipeline(*, pipeline: Pipeline, actor: Actor) -> None:
    """Hides it at once, its name and its OpenLineage jobs being free again; the worker purges its rows in batches."""
    require_namespaces(actor, [pipeline.namespace])
    may_risk = lock_if_at_risk([pipeline.pk])
    pipeline = Pipeline.objects.select_for_update(no_key=True).get(pk=pipeline.pk)
    if pipeline.deleted_at is not None:
        return
    pipeline.deleted_at = clock.now()
    pipeline.save(update_fields=["deleted_at", "updated_at"])
    _close_links(pipeline)
    PipelineJob.objects.filter(pipeline=pipeline).delete()
    if may_risk:
        _refresh_risk([pipeline])
    version = pipeline.current_version.version if pipeline.current_version else None
    before = {"namespace": pipeline.namespace, "name": pipeline.name, "version": version}
    record(Action.PIPELINE_DELETED, actor, target=pipeline, before=before)
    due.mark(PURGE_PIPELINES)


def _close_links(pipeline: Pipeline) -> None:
    now = clock.now()
    closed = LineageLink.objects.valid().filter(pipeline=pipeline).update(valid_to=now)
    closed += ColumnLink.objects.valid().filter(pipeline=pipeline).update(valid_to=now)
    if closed:
        lineage_changed()
