from __future__ import annotations

import datetime
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, Self
from uuid import UUID

from django.db import connection, models
from django.urls import reverse

from catalog.models.pipeline import Pipeline, PipelineVersion
from catalog.models.step import Step
from catalog.openlineage.states import LOST_AFTER_AT_LEAST, LOST_AFTER_MEDIANS
from dataxpipe.postgres.fields import UUID7Key
from orgs import plans
from orgs.tenancy import TenantManager, TenantModel, TenantQuerySet, current_organization


class RunStatus(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    ABORTED = "aborted"
    SKIPPED = "skipped"
    LOST = "lost"


LIVE = (RunStatus.QUEUED, RunStatus.RUNNING)
ENDED = (RunStatus.SUCCESS, RunStatus.FAILED, RunStatus.ABORTED, RunStatus.SKIPPED, RunStatus.LOST)


class RunQuerySet(TenantQuerySet["Run"]):
    def existing(self) -> Self:
        """Of pipelines that are not deleted; the runs of those that are go later, in batches."""
        return self.filter(pipeline__deleted_at=None)

    def shown(self) -> Self:
        """Within the days of history that the plan shows."""
        return self.filter(occurred_at__gte=plans.history_begins("run_history_days"))

    def shown_or_last(self) -> Self:
        """Those, and the last run of each pipeline, which its page tells of however old it is."""
        begins = plans.history_begins("run_history_days")
        return self.filter(models.Q(occurred_at__gte=begins) | models.Q(pipeline__last_run_id=models.F("id")))

    def of_pipelines(self) -> Self:
        """Runs of pipelines themselves, not of their steps."""
        return self.filter(step=None)

    def regular(self) -> Self:
        """Without backfills, which touch neither last-run facts nor health."""
        return self.exclude(trigger="backfill")

    def ended(self) -> Self:
        return self.filter(status__in=ENDED)

    def live(self) -> Self:
        """Queued or running, as far as is known."""
        return self.filter(status__in=LIVE)

    def silent(self, now: datetime.datetime) -> Self:
        """Live, and for 24 hours, or 5 medians of their pipeline if that is longer, nothing was heard of them."""
        medians: Any = models.F("pipeline__median_duration_seconds") * models.Value(
            datetime.timedelta(seconds=LOST_AFTER_MEDIANS)
        )
        waited = models.Value(now) - models.ExpressionWrapper(medians, output_field=models.DurationField())
        has_no_median = models.Q(pipeline__median_duration_seconds=None)
        return (
            self.live()
            .filter(last_event_at__lte=now - LOST_AFTER_AT_LEAST)
            .filter(has_no_median | models.Q(last_event_at__lte=waited))
        )

    def with_id(self, run_id: UUID) -> Self:
        """By public id, or by the UUID that OpenLineage knows the run by."""
        return self.filter(_has_id(run_id))

    def called(self, run_id: str) -> Self:
        """By what an orchestrator calls it, or by id."""
        try:
            return self.filter(models.Q(run_id=run_id) | _has_id(UUID(run_id)))
        except ValueError:
            return self.filter(run_id=run_id)

    def newest_first(self) -> Self:
        return self.order_by("-occurred_at", "-id")


def _has_id(run_id: UUID) -> models.Q:
    return models.Q(id=run_id) | models.Q(openlineage_id=run_id, openlineage_id__isnull=False)


class RunManager(TenantManager.from_queryset(RunQuerySet)):  # type: ignore[misc]
    def recent_by_pipeline(self, pipeline_ids: Iterable[UUID], *, count: int) -> dict[UUID, list[RecentRun]]:
        """The last `count` runs of each pipeline, oldest first, in one statement: `count` index reads a pipeline."""
        organization_id = current_organization().pk
        found: dict[UUID, list[RecentRun]] = {}
        with connection.cursor() as cursor:
            begins = plans.history_begins("run_history_days")
            cursor.execute(_RECENT, [list(pipeline_ids), organization_id, begins, count])
            for pipeline_id, *columns in cursor:
                found.setdefault(pipeline_id, []).insert(0, RecentRun(*columns))
        return found


class RecentRun(NamedTuple):
    id: UUID
    status: str
    duration_seconds: float | None
    occurred_at: datetime.datetime
    trigger: str


_RECENT = f"""
    SELECT wanted.id, {", ".join(f"run.{name}" for name in RecentRun._fields)}
    FROM unnest(%s::uuid[]) AS wanted (id) CROSS JOIN LATERAL (
        SELECT * FROM catalog_run
        WHERE organization_id = %s AND pipeline_id = wanted.id AND step_id IS NULL AND occurred_at >= %s
        ORDER BY occurred_at DESC, id DESC LIMIT %s
    ) run
"""  # noqa: S608  (names of ours)


class Run(TenantModel):
    """One execution of a pipeline, or of a step.

    `reported_status` is what the orchestrator said last, by event time; `status` also knows the checks of the
    run, the end of its parent and silence, and `cause` says which of these decided. `occurred_at` orders lists:
    the start, or the nominal start, or the end, or when it was first heard of. `last_event_at` is the latest
    time any report speaks of; without one only a child run or a check result has named the run.
    `openlineage` is what events said of job, type, parent and root, by which the run's pipeline is decided.
    """

    id = UUID7Key()
    pipeline = models.ForeignKey(Pipeline, on_delete=models.DO_NOTHING, related_name="runs")
    step = models.ForeignKey(Step, on_delete=models.DO_NOTHING, null=True, related_name="runs")
    parent_run = models.ForeignKey("self", on_delete=models.DO_NOTHING, null=True, related_name="children")
    version = models.ForeignKey(PipelineVersion, on_delete=models.DO_NOTHING, null=True, related_name="runs")
    run_id = models.CharField(max_length=250)
    openlineage_id = models.UUIDField(null=True)
    openlineage = models.JSONField(null=True)
    orchestrator_run_id = models.CharField(max_length=250, blank=True)
    attempt = models.IntegerField(default=1)
    map_index = models.IntegerField(null=True)
    trigger = models.CharField(max_length=30, blank=True)
    status = models.CharField(max_length=10, choices=RunStatus)
    reported_status = models.CharField(max_length=10, choices=RunStatus)
    reported_at = models.DateTimeField(null=True)
    cause = models.CharField(max_length=30, blank=True)
    has_failed_check = models.BooleanField(default=False)
    parent_ended_at = models.DateTimeField(null=True)
    lost_at = models.DateTimeField(null=True)
    last_event_at = models.DateTimeField(null=True)
    occurred_at = models.DateTimeField()
    nominal_start_at = models.DateTimeField(null=True)
    nominal_end_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    duration_seconds = models.FloatField(null=True)
    rows_read = models.BigIntegerField(null=True)
    rows_written = models.BigIntegerField(null=True)
    error = models.TextField(blank=True)
    external_url = models.CharField(max_length=2000, blank=True)
    labels = models.JSONField(default=dict, blank=True)
    warnings = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[RunManager] = RunManager()

    class Meta:
        indexes = [
            models.Index(
                fields=["organization", "pipeline", "-occurred_at", "-id"],
                name="run_of_pipeline",
                condition=models.Q(step=None),
            ),
            models.Index(
                fields=["organization", "-occurred_at", "-id"],
                name="run_newest",
                condition=models.Q(step=None),
            ),
            models.Index(
                fields=["organization", "status", "-occurred_at", "-id"],
                name="run_by_status",
                condition=models.Q(step=None),
            ),
            models.Index(
                fields=["organization", "trigger", "-occurred_at", "-id"],
                name="run_by_rare_trigger",
                # The newest of those that are started as usual are found soon enough among all.
                condition=models.Q(step=None) & ~models.Q(trigger="") & ~models.Q(trigger="scheduled"),
            ),
            models.Index(
                fields=["organization", "last_event_at"],
                name="run_live",
                condition=models.Q(status__in=["queued", "running"]),
            ),
            models.Index(
                fields=["organization", "occurred_at", "id"],
                name="run_loose_step",
                condition=models.Q(step__isnull=False, parent_run=None),
            ),
            models.Index(fields=["organization", "run_id"], name="run_by_run_id"),
            models.Index(
                fields=["organization", "openlineage_id"],
                name="run_by_openlineage_id",
                condition=models.Q(openlineage_id__isnull=False),
            ),
            models.Index(
                fields=["organization", "pipeline", "orchestrator_run_id"],
                name="run_by_orchestrator",
                condition=~models.Q(orchestrator_run_id=""),
            ),
        ]

    def __str__(self) -> str:
        return self.run_id

    def get_absolute_url(self) -> str:
        return run_url(current_organization().slug, self.id)

    @property
    def is_ended(self) -> bool:
        return self.status in ENDED


def run_url(slug: str, run_id: object) -> str:
    """A page of pipelines links seven hundred runs, so the address is looked up once."""
    return _address_of_runs(slug).replace(_NO_RUN, str(run_id))


_NO_RUN = str(UUID(int=0))


@lru_cache(maxsize=1_000)
def _address_of_runs(slug: str) -> str:
    return reverse("run", kwargs={"slug": slug, "run_id": _NO_RUN})
