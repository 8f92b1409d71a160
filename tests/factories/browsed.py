"""Pipelines with what the pages show of them: tags, owners, lineage, runs, checks."""

from __future__ import annotations

import datetime
from typing import Any

from django.utils import timezone

from catalog.models import Pipeline
from tests.factories import CheckFactory, CheckResultFactory, DatasetFactory, LineageLinkFactory, PipelineFactory
from tests.factories import RunFactory as _RunFactory
from tests.factories.rows import PipelineOwnerFactory, PipelineTagFactory, PipelineVersionFactory

HOSTILE = "<script>alert(1)</script>\"'&{{ 7|add:7 }}"


def make_pipeline(organization: Any, name: str, **fields: Any) -> Pipeline:
    """With its links to tags and owners, which the service writes otherwise."""
    pipeline: Pipeline = PipelineFactory(organization=organization, name=name, **fields)
    for tag in pipeline.tags:
        PipelineTagFactory(organization=organization, pipeline=pipeline, tag=tag)
    if pipeline.owner:
        PipelineOwnerFactory(organization=organization, pipeline=pipeline, owner=pipeline.owner)
    return pipeline


def make_run(
    organization: Any, pipeline: Pipeline, status: str = "success", *, minutes_ago: float = 60, **fields: Any
) -> Any:
    started_at = timezone.now() - datetime.timedelta(minutes=minutes_ago)
    times = {"occurred_at": started_at, "started_at": started_at}
    if status not in {"running", "queued"}:
        times["finished_at"] = started_at + datetime.timedelta(seconds=90)
        fields.setdefault("duration_seconds", 90.0)
    return _RunFactory(organization=organization, pipeline=pipeline, status=status, **(times | fields))


def make_flow(organization: Any, *names: str, **fields: Any) -> list[Pipeline]:
    """Pipelines in a row: each one reads what the one before it writes."""
    made: list[Pipeline] = []
    dataset = DatasetFactory(organization=organization, name=f"raw.{names[0]}")
    for name in names:
        pipeline = make_pipeline(organization, name, **fields)
        LineageLinkFactory(organization=organization, pipeline=pipeline, dataset=dataset, direction="reads")
        dataset = DatasetFactory(organization=organization, name=f"clean.{name}")
        LineageLinkFactory(organization=organization, pipeline=pipeline, dataset=dataset, direction="writes")
        made.append(pipeline)
    return made


def make_full_pipeline(organization: Any, name: str) -> Pipeline:
    """One of everything that a row or a page of it can show."""
    pipeline = make_flow(organization, name, tags=["pii", "tier-1"])[0]
    PipelineVersionFactory(organization=organization, pipeline=pipeline)
    for minutes in (30, 20, 10):
        make_run(organization, pipeline, minutes_ago=minutes)
    check = CheckFactory(organization=organization, pipeline=pipeline)
    CheckResultFactory(organization=organization, check_rule=check)
    return pipeline
