"""Making a spec the current one of its pipeline: what it says there, the version, and everything it declares."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from catalog.models import DiscoveredPipeline, Pipeline, PipelineVersion
from catalog.services.declarations import Declaration, write_declarations
from catalog.services.health import expected_after
from catalog.services.owners import first_owner, owners_from
from catalog.services.registration import Decision, Outcome
from orgs.actors import Actor
from orgs.audit import Action, record_all

# What a spec says about the pipeline itself, and what follows from it.
_DECLARED_FIELDS = [
    "search_text", "description", "owner", "owners", "tags", "environment", "schedule", "timezone", "slo", "origin",
    "is_provisional", "current_version", "archived_at", "next_expected_at", "late_after", "updated_at",
]  # fmt: skip
_ACTIONS = {
    Outcome.CREATE: Action.PIPELINE_REGISTERED,
    Outcome.UPDATE: Action.PIPELINE_VERSION_REGISTERED,
    Outcome.ROLL_BACK: Action.PIPELINE_ROLLED_BACK,
}


def write_current(
    decisions: Sequence[Decision], declarations: Sequence[Declaration], actor: Actor, now: datetime.datetime
) -> None:
    """Pipelines, versions, all that the specs declare, and the memory of it."""
    _save_pipelines([decision.pipeline for decision in decisions])
    _save_versions([decision.version for decision in decisions if decision.is_new_version], actor)
    if created := [decision.candidate.identity for decision in decisions if decision.outcome is Outcome.CREATE]:
        DiscoveredPipeline.objects.filter(identity__in=created).delete()
    write_declarations(declarations, now)
    record_all(actor, [_change(decision) for decision in decisions])


def _change(decision: Decision) -> tuple[Action, Pipeline, str, Any, Any]:
    """What the audit remembers. An archived pipeline that comes back with its current version is unarchived."""
    action = _ACTIONS.get(decision.outcome, Action.PIPELINE_UNARCHIVED)
    before = {"version": decision.previous.version} if decision.previous else None
    after = {"version": decision.version.version, "digest": decision.candidate.digest.hex()}
    return action, decision.pipeline, "", before, after


def declare(decision: Decision, now: datetime.datetime) -> Declaration:
    """Puts on the pipeline, without saving it, what its spec says."""
    pipeline, spec = decision.pipeline, decision.candidate.spec
    is_new = decision.outcome is Outcome.CREATE
    declaration_before = {
        "previous": decision.previous.spec if decision.previous else None,
        "previous_tags": frozenset(pipeline.tags),
        "previous_owners": frozenset(entry["name"] for entry in pipeline.owners),
    }
    is_rescheduled = (pipeline.schedule, pipeline.timezone) != (spec.schedule, spec.timezone)
    if is_new or is_rescheduled or pipeline.archived_at is not None:
        pipeline.schedule, pipeline.timezone = spec.schedule, spec.timezone
        expect_next(pipeline, now)
    pipeline.description = spec.description
    pipeline.owners = owners_from("spec", [spec.owner], known=pipeline.owners)
    pipeline.owner = first_owner(pipeline.owners)
    pipeline.tags = list(spec.tags)
    pipeline.environment = spec.environment
    pipeline.slo = spec.slo.as_document() if spec.slo else {}
    pipeline.origin, pipeline.is_provisional, pipeline.archived_at = Pipeline.Origin.SPEC, False, None
    pipeline.current_version = decision.version
    pipeline.derive()
    return Declaration.of(pipeline, spec, decision.candidate.datasets, is_new=is_new, **declaration_before)


def expect_next(pipeline: Pipeline, now: datetime.datetime) -> None:
    """Without saving. From now on, because the schedule holds from now on; what never ran is expected but not late."""
    pipeline.next_expected_at, late_after = expected_after(pipeline.schedule, pipeline.timezone, now)
    pipeline.late_after = late_after if pipeline.last_run_id else None


def _save_pipelines(pipelines: Sequence[Pipeline]) -> None:
    """New and changed ones in one statement."""
    born = {pipeline.pk: pipeline.created_at for pipeline in pipelines}
    Pipeline.objects.bulk_create(
        sorted(pipelines, key=lambda pipeline: pipeline.pk),
        update_conflicts=True,
        unique_fields=["organization", "id"],
        update_fields=_DECLARED_FIELDS,
    )
    for pipeline in pipelines:
        # Django fills in auto_now_add also where the row existed; the statement leaves the column alone.
        pipeline.created_at = born[pipeline.pk] or pipeline.created_at


def _save_versions(versions: Sequence[PipelineVersion], actor: Actor) -> None:
    for version in versions:
        version.created_by_id, version.created_by_label = actor.id, actor.label
    PipelineVersion.objects.bulk_create(versions)
