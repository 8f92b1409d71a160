"""Rows of pipelines as lists show them: schedule and last run in words, the last runs as bars."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils import timezone

from catalog.charts import RunMark, word
from catalog.lineage.reach import downstream_counts
from catalog.models import Health, Pipeline, Run
from catalog.models.pipeline import pipeline_url
from catalog.models.run import RecentRun, run_url
from catalog.spec.schedule import describe, next_start
from orgs.templatetags.ui import distance, duration

BARS = 14


@dataclass(frozen=True, slots=True)
class PipelineRow:
    pipeline: Any
    url: str
    health: str
    schedule: str
    next_at: datetime.datetime | None
    is_overdue: bool
    running_for: str
    last_duration: str
    marks: list[RunMark]
    downstream_count: int


def rows_of(pipelines: Sequence[Pipeline], slug: str) -> list[PipelineRow]:
    """Two queries for all rows, and one for lineage where it changed: recent runs, lineage version."""
    ids = [pipeline.pk for pipeline in pipelines]
    recent = Run.objects.recent_by_pipeline(ids, count=BARS) if ids else {}
    downstream = downstream_counts(ids) if ids else {}
    now = timezone.now()
    return [_row(pipeline, recent.get(pipeline.pk, []), downstream[pipeline.pk], slug, now) for pipeline in pipelines]


def _row(
    pipeline: Any, recent: list[RecentRun], downstream_count: int, slug: str, now: datetime.datetime
) -> PipelineRow:
    health = pipeline.current_health
    is_running = pipeline.last_run_status == "running" and pipeline.last_run_started_at is not None
    return PipelineRow(
        pipeline=pipeline,
        url=pipeline_url(slug, pipeline.pk),
        health=health,
        schedule=describe(pipeline.schedule),
        next_at=next_at(pipeline, now),
        is_overdue=health == Health.LATE,
        running_for=distance((now - pipeline.last_run_started_at).total_seconds()) if is_running else "",
        last_duration=last_words(pipeline),
        marks=[mark(run, slug, now) for run in recent],
        downstream_count=downstream_count,
    )


def next_at(pipeline: Any, now: datetime.datetime) -> datetime.datetime | None:
    """When it should start next; for a late one when it should have, else never a moment that has passed."""
    expected: datetime.datetime | None = pipeline.next_expected_at
    if expected is None or expected >= now or getattr(pipeline, "current_health", "") == Health.LATE:
        return expected
    return next_start(pipeline.schedule, pipeline.timezone, now)


def last_words(pipeline: Any) -> str:
    """How long the last run took, or what became of it where that is not known."""
    started, finished = pipeline.last_run_started_at, pipeline.last_run_finished_at
    if pipeline.last_run_status == "running":
        usual = pipeline.median_duration_seconds
        return f"usually {duration(usual)}" if usual else ""
    if started and finished:
        return duration(finished - started)
    return word(pipeline.last_run_status) if pipeline.last_run_status else ""


def mark(run: RecentRun, slug: str, now: datetime.datetime) -> RunMark:
    seconds = run.duration_seconds
    if run.status == "running":
        seconds = (now - run.occurred_at).total_seconds()
    return RunMark(run.status, seconds, run.occurred_at, run.trigger == "backfill", run_link(slug, run.id))


def run_link(slug: str, run_id: UUID) -> str:
    return run_url(slug, run_id)
