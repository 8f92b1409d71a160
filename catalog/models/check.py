from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import ClassVar, Self
from uuid import UUID

from django.db import models

from catalog.models.dataset import Dataset
from catalog.models.pipeline import Pipeline
from catalog.models.run import Run
from dataxpipe.postgres.fields import UUID7Key
from orgs import plans
from orgs.tenancy import TenantManager, TenantModel, TenantQuerySet, current_organization


class Severity(models.TextChoices):
    ERROR = "error"
    WARN = "warn"


class ResultStatus(models.TextChoices):
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    ERROR = "error"
    SKIPPED = "skipped"


class CheckQuerySet(TenantQuerySet["Check"]):
    def existing(self) -> Self:
        """Of pipelines that are not deleted."""
        return self.filter(pipeline__deleted_at=None)

    def declared(self) -> Self:
        """Not ended, of a pipeline that is neither archived nor deleted."""
        return self.existing().filter(ended_at=None, pipeline__archived_at=None)

    def failing(self) -> Self:
        return self.declared().filter(failing_since__isnull=False)


class CheckManager(TenantManager.from_queryset(CheckQuerySet)):  # type: ignore[misc]
    pass


class Check(TenantModel):
    """A quality rule of a pipeline, with the status of its latest result."""

    class Origin(models.TextChoices):
        SPEC = "spec"
        POSTED = "posted"
        OPENLINEAGE = "openlineage"

    id = UUID7Key()
    pipeline = models.ForeignKey(Pipeline, on_delete=models.DO_NOTHING, related_name="checks")
    dataset = models.ForeignKey(Dataset, on_delete=models.DO_NOTHING, null=True, related_name="checks")
    check_id = models.CharField(max_length=500)
    identity = models.BinaryField(max_length=32)
    column = models.CharField(max_length=500, blank=True)
    severity = models.CharField(max_length=5, choices=Severity, default=Severity.ERROR)
    origin = models.CharField(max_length=12, choices=Origin)
    code_ref = models.CharField(max_length=1000, blank=True)
    last_status = models.CharField(max_length=7, blank=True)
    last_executed_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[CheckManager] = CheckManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "pipeline", "identity"], name="check_identity")]
        indexes = [
            models.Index(
                fields=["organization", "failing_since"],
                name="check_failing",
                condition=models.Q(failing_since__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.check_id


FAILING = (ResultStatus.FAIL, ResultStatus.ERROR)
_RANKS = {ResultStatus.SKIPPED: 0, ResultStatus.PASS: 1, ResultStatus.ERROR: 2, ResultStatus.FAIL: 3}


class CheckResultQuerySet(TenantQuerySet["CheckResult"]):
    def existing(self) -> Self:
        """Of pipelines that are not deleted."""
        return self.filter(pipeline__deleted_at=None)

    def shown(self) -> Self:
        """Within the days of history that the plan shows."""
        return self.filter(executed_at__gte=plans.history_begins("run_history_days"))

    def failing(self) -> Self:
        """Of error checks, that failed or could not be run."""
        return self.filter(severity=Severity.ERROR, status__in=FAILING)


class CheckResultManager(TenantManager.from_queryset(CheckResultQuerySet)):  # type: ignore[misc]
    def recent_by_check(self, check_ids: Iterable[UUID], *, count: int) -> dict[UUID, list[CheckResult]]:
        """The last `count` results of each check, oldest first, in one statement: `count` index reads a check."""
        rows = self.raw(
            _RECENT,
            [list(check_ids), current_organization().pk, plans.history_begins("run_history_days"), count],
        )
        found: dict[UUID, list[CheckResult]] = {}
        for result in rows:
            found.setdefault(result.check_rule_id, []).insert(0, result)
        return found


_RECENT = """
    SELECT result.* FROM unnest(%s::uuid[]) AS wanted (id) CROSS JOIN LATERAL (
        SELECT * FROM catalog_checkresult
        WHERE organization_id = %s AND check_rule_id = wanted.id AND executed_at >= %s
        ORDER BY executed_at DESC, id DESC LIMIT %s
    ) result
"""


class CheckResult(TenantModel):
    """One outcome of a check: of a run, or of an instant when it belongs to none."""

    id = UUID7Key()
    check_rule = models.ForeignKey(Check, on_delete=models.DO_NOTHING, related_name="results", db_index=False)
    pipeline = models.ForeignKey(Pipeline, on_delete=models.DO_NOTHING, related_name="check_results", db_index=False)
    run = models.ForeignKey(Run, on_delete=models.DO_NOTHING, null=True, related_name="check_results")
    dataset = models.ForeignKey(Dataset, on_delete=models.DO_NOTHING, null=True, related_name="+", db_index=False)
    status = models.CharField(max_length=7, choices=ResultStatus)
    severity = models.CharField(max_length=5, choices=Severity)
    executed_at = models.DateTimeField()
    rows_checked = models.BigIntegerField(null=True)
    rows_failed = models.BigIntegerField(null=True)
    value = models.CharField(max_length=200, blank=True)
    threshold = models.CharField(max_length=200, blank=True)
    message = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[CheckResultManager] = CheckResultManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "check_rule", "run"],
                condition=models.Q(run__isnull=False),
                name="check_result_once_per_run",
            ),
            models.UniqueConstraint(
                fields=["organization", "check_rule", "executed_at"],
                condition=models.Q(run=None),
                name="check_result_once_per_time",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "check_rule", "-executed_at", "-id"], name="check_result_of_check"),
            models.Index(fields=["organization", "-executed_at", "-id"], name="check_result_newest"),
            models.Index(fields=["organization", "pipeline", "-executed_at", "-id"], name="check_result_of_pipeline"),
        ]

    def __str__(self) -> str:
        return self.status

    @property
    def rank(self) -> tuple[bool, datetime.datetime, int]:
        """Which of two outcomes of a check and run counts: the later, the worse at one instant; skipped never."""
        return self.status != ResultStatus.SKIPPED, self.executed_at, _RANKS[ResultStatus(self.status)]
