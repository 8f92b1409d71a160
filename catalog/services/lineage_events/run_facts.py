"""What a run's events said of where it belongs, as `Run.openlineage` keeps it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from catalog.openlineage.attribution import KnownRun
from catalog.openlineage.events import ParentRef, RootRef, RunEvent
from catalog.openlineage.facets import JobType
from catalog.openlineage.names import JobKey
from catalog.services.run_reports import RUN_IDS, as_uuid
from orgs.tenancy import current_organization

Facts = dict[str, Any]


def facts_of(event: RunEvent) -> KnownRun:
    return KnownRun(event.run.id, event.job.key, event.job_type, event.parent, event.root)


def joined(earlier: KnownRun | None, later: KnownRun) -> KnownRun:
    """What both said; where both speak, the later."""
    if earlier is None or earlier == later:
        return later
    return KnownRun(
        later.run_id,
        later.job,
        later.job_type or earlier.job_type,
        later.parent or earlier.parent,
        later.root or earlier.root,
    )


def as_facts(run: KnownRun) -> Facts:
    facts: Facts = {"run": run.run_id, "job": [run.job.namespace, run.job.name]}
    if run.job_type:
        facts["type"] = [run.job_type.processing_type, run.job_type.integration, run.job_type.job_type]
    if run.parent:
        job = run.parent.job
        facts["parent"] = [run.parent.run_id, *([job.namespace, job.name] if job else [])]
    if run.root:
        facts["root"] = [run.root.job.namespace, run.root.job.name, run.root.run_id]
    return facts


def as_known(facts: Facts) -> KnownRun:
    parent, root = facts.get("parent"), facts.get("root")
    return KnownRun(
        facts["run"],
        JobKey(*facts["job"]),
        JobType(*facts["type"]) if "type" in facts else None,
        ParentRef(parent[0], JobKey(*parent[1:]) if parent[1:] else None) if parent else None,
        RootRef(JobKey(root[0], root[1]), root[2]) if root else None,
    )


def run_uuid(run_id: str, job: JobKey) -> UUID:
    """The UUID a run is known by: its own, or one made of the text, within the job."""
    return as_uuid(run_id) or uuid5(
        RUN_IDS, "\0".join((str(current_organization().pk), job.namespace, job.name, run_id))
    )


def parent_uuid(parent: ParentRef) -> UUID | None:
    """None for a run id in words of a job without name."""
    return run_uuid(parent.run_id, parent.job) if parent.job else as_uuid(parent.run_id)
