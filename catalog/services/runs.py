"""Recording runs as orchestrators report them, and correcting them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from catalog.models import Pipeline, PipelineVersion, Run, Step, identity_of
from catalog.openlineage.states import OPEN, lost_after, state_reported
from catalog.services.key_namespaces import require_namespaces
from catalog.services.run_book import MARK_LOST_RUNS, RunBook, apply_runs, lock_pipelines
from catalog.services.run_reports import RunKey, RunReport
from dataxpipe.postgres.fields import uuid7
from dataxpipe.problems import Conflict, FieldError, ValidationFailed
from orgs import due
from orgs.actors import Actor

MAX_ERROR = 10_000
MARKED_AT_ONCE = 1_000
LOOK_AGAIN_AFTER = datetime.timedelta(hours=1)
# What PATCH may set as it is; status and times have rules of their own.
PATCHED = (
    "trigger",
    "nominal_start_at",
    "nominal_end_at",
    "started_at",
    "rows_read",
    "rows_written",
    "external_url",
    "labels",
)


class RunEnded(Conflict):
    slug = "run-ended"
    title = "The run has ended"
    about = "A run that ended stays ended. Report another try with a higher `attempt`, or as a run of its own."


def record_run(
    *,
    pipeline: Pipeline,
    actor: Actor,
    status: str,
    run_id: str | None = None,
    step: str | None = None,
    parent_run_id: str | None = None,
    version: str | None = None,
    started_at: datetime.datetime | None = None,
    finished_at: datetime.datetime | None = None,
    error: str = "",
    **facts: Any,
) -> tuple[Run, bool]:
    """One report of a run: `(run, is_created)`. The same `run_id` is the same run; without one it is a new run.

    `step` and `parent_run_id` name what appears when it is not known yet; `facts` are those of `RunReport`.
    Raises `ValidationFailed` (times that contradict each other, an unknown version) and `RunIdTaken`.
    """
    require_namespaces(actor, [pipeline.namespace])
    _require_sound_times(status, started_at, finished_at)
    now = timezone.now()
    report = RunReport(
        key=_key(pipeline, run_id or str(uuid7()), step, facts.get("map_index")),
        at=finished_at or now,
        state=state_reported(status, at=now, started_at=started_at, finished_at=finished_at),  # type: ignore[arg-type]  # the API offers these
        is_dated=(started_at if status in OPEN else finished_at) is not None,
        parent=_key(pipeline, parent_run_id, None, None) if parent_run_id else None,
        version_id=_version_id(pipeline, version),
        error=_cut(error),
        **facts,
    )
    applied = apply_runs([report])[0]
    return applied.run, applied.is_created


def update_run(*, run: Run, actor: Actor, changes: Mapping[str, Any]) -> Run:
    """Corrects a run with the given fields, whatever was reported before; None empties one.

    A status given here was reported now, so that it counts over earlier ends; the finish stays unless given.
    Raises `RunEnded` when an ended run is said to run, and `ValidationFailed`.
    """
    require_namespaces(actor, [run.pipeline.namespace])
    lock_pipelines([run.pipeline_id])
    book = RunBook(Run.objects.filter(id=run.id).select_related("pipeline"))
    corrected = book.runs[run.id]
    _report_status(corrected, changes)
    for name in PATCHED:
        if name in changes:
            setattr(corrected, name, changes[name])
    if "error" in changes:
        corrected.error = _cut(changes["error"])
    if "version" in changes:
        corrected.version_id = _version_id(corrected.pipeline, changes["version"])
    _require_sound_times(corrected.reported_status, corrected.started_at, corrected.finished_at)
    book.close()
    return corrected


def mark_lost_runs() -> None:
    """The worker's handler: runs of which nothing was heard for 24 hours and 5 medians of the pipeline are lost."""
    now = timezone.now()
    silent = Run.objects.silent(now).order_by("last_event_at").values_list("id", "pipeline_id")[:MARKED_AT_ONCE]
    lost = dict(silent)
    lock_pipelines(lost.values())
    book = RunBook(Run.objects.live().filter(id__in=list(lost)).select_related("pipeline"))
    for run in book.runs.values():
        run.lost_at = now if _is_lost(run, now) else None
    book.close()
    if Run.objects.live().exists():
        due.mark(MARK_LOST_RUNS, after=datetime.timedelta() if len(lost) == MARKED_AT_ONCE else LOOK_AGAIN_AFTER)


def _is_lost(run: Run, now: datetime.datetime) -> bool:
    if run.last_event_at is None:
        return False
    return lost_after(run.last_event_at, run.pipeline.median_duration_seconds) <= now


def _report_status(run: Run, changes: Mapping[str, Any]) -> None:
    status, now = changes.get("status"), timezone.now()
    finished_at = changes.get("finished_at")
    if status is None and "finished_at" not in changes:
        return  # whoever corrects the labels of a lost run has not heard of it
    run.last_event_at = max(now, run.last_event_at or now)
    run.lost_at = None
    if status in OPEN:
        if run.reported_status not in OPEN:
            raise RunEnded(f"Run {run.run_id} has ended and is not reopened. Report a higher attempt of it.")
        run.started_at = run.started_at or (now if status == "running" else None)
        run.reported_status = status
    elif status is not None:
        was_ended = run.reported_status not in OPEN
        run.reported_status, run.reported_at = status, now
        run.finished_at = finished_at or (run.finished_at if was_ended else now)
        run.error = run.error if status == "failed" else ""
    elif "finished_at" in changes:
        if (run.reported_status in OPEN) != (finished_at is None):
            raise _invalid("finished_at", "A run that has ended has a finish, and one that has not has none.")
        run.finished_at = finished_at


def _require_sound_times(
    status: str, started_at: datetime.datetime | None, finished_at: datetime.datetime | None
) -> None:
    if finished_at is not None and status in OPEN:
        raise _invalid("finished_at", f"A run that is {status} has not finished.")
    if started_at is not None and status == "queued":
        raise _invalid("started_at", "A run that is queued has not started.")
    if started_at is not None and finished_at is not None and finished_at < started_at:
        raise _invalid("finished_at", "The run finishes before it starts.")


def _key(pipeline: Pipeline, run_id: str, step_name: str | None, map_index: int | None) -> RunKey:
    if step_name is None:
        return RunKey(pipeline.id, (pipeline.namespace, pipeline.name), run_id)
    step = _step(pipeline, step_name)
    # No name holds a NUL: nobody's pipeline is called like this one's step, or like one of its mapped tasks.
    parts = (pipeline.name, step.name, *([] if map_index is None else [str(map_index)]))
    return RunKey(pipeline.id, (pipeline.namespace, "\0".join(parts)), run_id, step.id)


def _step(pipeline: Pipeline, name: str) -> Step:
    """By name, or by the name behind the pipeline's own, as orchestrators write it; created when unknown."""
    is_called = Q(name=name) | Q(name=f"{pipeline.name}.{name}")
    found: Step | None = Step.objects.filter(is_called, pipeline_id=pipeline.id).order_by("namespace", "name").first()
    if found is not None:
        return found
    # Events lock the pipeline before they make its steps.
    lock_pipelines([pipeline.id])
    new = Step(pipeline=pipeline, name=name, identity=identity_of("", name))
    Step.objects.bulk_create([new], ignore_conflicts=True)
    created: Step = Step.objects.get(pipeline=pipeline, identity=new.identity)
    return created


def _version_id(pipeline: Pipeline, version: str | None) -> UUID | None:
    if version is None:
        return None
    ids = PipelineVersion.objects.filter(pipeline=pipeline, version=version).values_list("id", flat=True)
    found: UUID | None = ids.first()
    if found is None:
        raise _invalid("version", f"{pipeline.name} has no version {version}. Register it first, or leave it out.")
    return found


def _cut(error: str | None) -> str:
    if error is None or len(error) <= MAX_ERROR:
        return error or ""
    return f"{error[:MAX_ERROR]}\n… ({len(error) - MAX_ERROR:,} characters more)"


def _invalid(name: str, detail: str) -> ValidationFailed:
    return ValidationFailed(detail, errors=[FieldError("invalid", detail, pointer=f"/{name}")])
