"""Whose run it is: the rule that makes pipelines and steps out of OpenLineage jobs.

1. A pipeline's spec that names the job has the last word, also for a job above it.
2. A DAG is always a pipeline; what started it merely triggered it.
3. A run belongs to the first DAG above it, met by walking from parent to parent.
4. No DAG: to the root its `parent` facet names, or one that a parent's did.
5. No root: to the top of the parents that are known.
6. At the top, a job that only makes sense within something (a task, a model, a query) is a step of
   `<integration>:<namespace>`; any other is a pipeline itself.

The answer depends on what is known: it is asked again for a run and those below it when a parent is learnt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

from catalog.openlineage.events import JobEvent, ParentRef, RootRef, RunEvent
from catalog.openlineage.facets import JobType
from catalog.openlineage.names import JobKey, cut

MAX_DEPTH = 64
# job types that never stand alone; every other type, and none, may be a pipeline
STEP_TYPES = frozenset({"TASK", "MODEL", "TEST", "SNAPSHOT", "QUERY", "SQL_JOB", "RDD_JOB", "COMMAND"})

Reason: TypeAlias = Literal["spec", "dag", "root", "top", "unseen parent", "own", "orphan"]


@dataclass(frozen=True, slots=True)
class Attribution:
    """A run's pipeline, and its step within; `step` is None for a run of the pipeline itself.

    `is_provisional`: rests on not knowing a parent yet. A pipeline that came to be only so, and is left empty
    when the parent is learnt, should disappear.
    """

    pipeline: JobKey
    step: JobKey | None
    is_provisional: bool
    reason: Reason


@dataclass(frozen=True, slots=True)
class KnownRun:
    """What is stored of a run, as its events told it."""

    run_id: str
    job: JobKey
    job_type: JobType | None
    parent: ParentRef | None
    root: RootRef | None


class KnownRuns(Protocol):
    """The look-ups attribution needs; a batch answers them from what it loaded at once."""

    def find(self, run: ParentRef) -> KnownRun | None:
        """The stored run a parent reference means, by run id and, where given, job."""

    def spec_pipeline(self, job: JobKey) -> JobKey | None:
        """The pipeline whose spec lists the job under `openlineage`."""

    def pipelines_of(self, job: JobKey) -> Iterable[JobKey]:
        """Known pipelines that the job is, or is a step of."""


def attribute_run(event: RunEvent, known: KnownRuns) -> Attribution:
    return attribute(KnownRun(event.run.id, event.job.key, event.job_type, event.parent, event.root), known)


def attribute_parent(child: KnownRun, known: KnownRuns) -> Attribution | None:
    """Where a parent belongs of which no event was seen; None when it has no name, or was seen."""
    if child.parent is None or known.find(child.parent) is not None:
        return None
    parent = _unseen(child.parent, child)
    return attribute(replace(parent, root=child.root), known) if parent else None


def candidate_pipelines(run: KnownRun) -> set[JobKey]:
    """Every job that `attribute` may ask for or answer with because of this run, to be looked up ahead."""
    parent, root = run.parent, run.root
    named = {run.job, parent.job if parent else None, root.job if root else None}
    return {job for job in named if job} | ({_orphanage(run)} if _type(run.job_type) in STEP_TYPES else set())


def attribute(run: KnownRun, known: KnownRuns) -> Attribution:
    """The pipeline of a run, new or stored. Cycles and chains over `MAX_DEPTH` count as no parent."""
    above = _above(run, known)
    for job, job_type in [(run.job, run.job_type), *((seen.job, seen.job_type) for seen in above)]:
        if pipeline := known.spec_pipeline(job):
            return _attributed(run, pipeline, "spec", is_own=job == run.job)
        if _type(job_type) == "DAG":
            return _attributed(run, job, "dag")
    if root := next((seen.root for seen in (run, *above) if seen.root), None):
        return _attributed(run, known.spec_pipeline(root.job) or root.job, "root")
    return _at_top(run, above[-1] if above else run, known)


def attribute_job(event: JobEvent, known: KnownRuns) -> tuple[Attribution, ...]:
    """The pipelines a JobEvent describes a part of: only known ones, since no run vouches for it."""
    job = event.job.key
    if pipeline := known.spec_pipeline(job):
        return (Attribution(pipeline, None, is_provisional=False, reason="spec"),)
    pipelines = list(known.pipelines_of(job)) or _dag_by_name(job, event.job_type, known)
    return tuple(
        Attribution(pipeline, None if pipeline == job else job, is_provisional=False, reason="own")
        for pipeline in pipelines
    )


def _above(run: KnownRun, known: KnownRuns) -> list[KnownRun]:
    """Ancestors from the parent up; one of which no event was seen ends the walk."""
    above: list[KnownRun] = []
    met = {(run.run_id, run.job)}
    current = run
    while (parent := current.parent) is not None:
        found = known.find(parent) or _unseen(parent, current)
        if found is None:
            break
        if (found.run_id, found.job) in met or len(above) == MAX_DEPTH:
            return []
        met.add((found.run_id, found.job))
        above.append(found)
        current = found
    return above


def _unseen(parent: ParentRef, child: KnownRun) -> KnownRun | None:
    """A parent known by reference only. What starts an Airflow task is its DAG, so much is certain."""
    if parent.job is None:
        return None
    is_dag = _type(child.job_type) == "TASK" and _integration(child.job_type) == "AIRFLOW"
    job_type = JobType("", "AIRFLOW", "DAG") if is_dag else None
    return KnownRun(parent.run_id, parent.job, job_type, None, None)


def _at_top(run: KnownRun, top: KnownRun, known: KnownRuns) -> Attribution:
    if top is not run and top.parent is None and known.find(ParentRef(top.run_id, top.job)) is None:
        return _attributed(run, top.job, "unseen parent", is_provisional=True)
    if _type(top.job_type) in STEP_TYPES:
        pipeline = _orphanage(top)
        return Attribution(pipeline, run.job, is_provisional=True, reason="orphan")
    # without a type, the parent may stand in an event still to come
    is_provisional = top.job_type is None or top.parent is not None
    return _attributed(run, top.job, "own" if top is run else "top", is_provisional=is_provisional)


def _orphanage(run: KnownRun) -> JobKey:
    integration = (_integration(run.job_type) or "unknown").lower()
    return JobKey(run.job.namespace, cut(f"{integration}:{run.job.namespace}"))


def _attributed(
    run: KnownRun, pipeline: JobKey, reason: Reason, *, is_own: bool = False, is_provisional: bool = False
) -> Attribution:
    step = None if is_own or pipeline == run.job else run.job
    return Attribution(pipeline, step, is_provisional, reason)


def _dag_by_name(job: JobKey, job_type: JobType | None, known: KnownRuns) -> list[JobKey]:
    """Airflow names a task `<dag>.<task>`, and both may hold dots: the longest known DAG."""
    if _type(job_type) != "TASK" or _integration(job_type) != "AIRFLOW":
        return []
    parts = job.name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        dag = JobKey(job.namespace, ".".join(parts[:length]))
        if dag in known.pipelines_of(dag):
            return [dag]
    return []


def _type(job_type: JobType | None) -> str:
    return job_type.job_type if job_type else ""


def _integration(job_type: JobType | None) -> str:
    return job_type.integration if job_type else ""
