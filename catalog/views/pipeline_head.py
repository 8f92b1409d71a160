"""What every tab of a pipeline begins with: its state in a sentence, and the facts people look for."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Count, Q
from django.http import Http404
from django.utils import timezone

from catalog.lineage.reach import current_adjacency
from catalog.models import Check, Health, Pipeline, PipelineVersion, Run, RunStatus
from catalog.models.run import run_url
from catalog.spec.schedule import describe
from catalog.views.pipeline_rows import next_at

SLO_DAYS = 30
OVERVIEW_DOWNSTREAM = 6


def pipeline_or_404(pipeline_id: UUID) -> Pipeline:
    found = Pipeline.objects.existing().with_health().select_related("current_version").filter(pk=pipeline_id).first()
    if found is None:
        raise Http404("There is no such pipeline.")
    return found  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much failure the success rate of the SLO still allows: `left` of 1 in the last 30 days."""

    rate: float
    left: float

    @property
    def percent(self) -> int:
        return round(100 * self.left)

    @property
    def state(self) -> str:
        return "failing" if self.left <= 0 else "late" if self.left < 0.5 else ""

    @property
    def rate_words(self) -> str:
        return f"{100 * self.rate:g} %"


@dataclass
class PipelineHead:
    pipeline: Any
    slug: str
    now: datetime.datetime = field(default_factory=timezone.now)

    @property
    def health(self) -> str:
        return str(self.pipeline.current_health)

    @property
    def schedule(self) -> str:
        return describe(self.pipeline.schedule)

    @property
    def owner_origin(self) -> str:
        owners = self.pipeline.owners
        return str(owners[0].get("origin", "")) if owners else ""

    @property
    def next_at(self) -> datetime.datetime | None:
        return None if self.pipeline.archived_at else next_at(self.pipeline, self.now)

    @property
    def last_run_url(self) -> str:
        return run_url(self.slug, self.pipeline.last_run_id) if self.pipeline.last_run_id else ""

    @cached_property
    def failing_checks(self) -> list[Check]:
        if self.health != Health.FAILING:
            return []
        failing = Check.objects.failing().filter(pipeline=self.pipeline, severity="error")
        return list(failing.select_related("dataset").order_by("failing_since")[:3])

    @cached_property
    def downstream(self) -> list[Pipeline]:
        """The active pipelines behind this one, those that start next first."""
        ids = current_adjacency().downstream(self.pipeline.pk)
        found = list(Pipeline.objects.active().with_health().filter(id__in=ids)) if ids else []
        for pipeline in found:
            pipeline.next_at = next_at(pipeline, self.now)
        far = self.now + datetime.timedelta(days=3650)
        return sorted(found, key=lambda pipeline: (pipeline.next_at or far, pipeline.name))

    @property
    def affected(self) -> list[Pipeline]:
        """Those downstream that a failing check puts at risk; without one, all of them wait."""
        return [one for one in self.downstream if one.is_at_risk] if self.failing_checks else self.downstream

    @property
    def tier_one_count(self) -> int:
        return sum("tier-1" in pipeline.tags for pipeline in self.affected)

    @cached_property
    def last_error(self) -> str:
        """The first line that the last run said, when it is what is wrong."""
        if self.health != Health.FAILING or not self.pipeline.last_run_id:
            return ""
        error = Run.objects.filter(pk=self.pipeline.last_run_id).values_list("error", flat=True).first() or ""
        return error.strip().splitlines()[0][:200] if error.strip() else ""

    @cached_property
    def budget(self) -> Budget | None:
        rate = (self.pipeline.slo or {}).get("success_rate")
        if not isinstance(rate, int | float) or not 0 < rate < 1:
            return None
        since = self.now - datetime.timedelta(days=SLO_DAYS)
        ended = Run.objects.of_pipelines().regular().filter(pipeline=self.pipeline, occurred_at__gte=since)
        counts = ended.aggregate(
            all=Count("id", filter=Q(status__in=[RunStatus.SUCCESS, RunStatus.FAILED])),
            failed=Count("id", filter=Q(status=RunStatus.FAILED)),
        )
        if not counts["all"]:
            return None
        left = 1 - counts["failed"] / (counts["all"] * (1 - rate))
        return Budget(rate, max(0.0, left))

    @cached_property
    def check_count(self) -> int:
        return int(Check.objects.filter(pipeline=self.pipeline, ended_at=None).count())

    @cached_property
    def version_count(self) -> int:
        return int(PipelineVersion.objects.filter(pipeline=self.pipeline).count())
