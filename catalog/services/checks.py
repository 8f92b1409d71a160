"""Recording what checks found: of a run, or of a dataset at an instant."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from catalog.models import FAILING, Check, CheckResult, Run, Severity, identity_of
from catalog.services.at_risk import lock_at_risk, refresh_checks, refresh_failing_datasets
from catalog.services.run_book import RunBook, lock_pipelines
from catalog.services.run_reports import RunKey, RunReport
from catalog.services.statements import fetch
from dataxpipe.postgres.bulk import update_rows
from dataxpipe.postgres.written import columns_of, instance_of
from dataxpipe.problems import Conflict
from orgs.services.usage.counts import count

_SAID = (
    "status",
    "severity",
    "executed_at",
    "rows_checked",
    "rows_failed",
    "value",
    "threshold",
    "message",
    "dataset_id",
)


class CheckOfAnotherDataset(Conflict):
    slug = "check-of-another-dataset"
    title = "The check is about another dataset"
    about = "A check keeps the dataset it was declared or first posted for. Give a check of another dataset its own id."


@dataclass(frozen=True, slots=True)
class ResultReport:
    """One outcome of a check of a pipeline, for `record_results`.

    `scope` and `column` tell observed assertions of one name apart: the dataset's id as text, and the column;
    both are empty for declared and posted checks. `severity` None is the check's own. `is_dated` is false when
    `executed_at` is only the time of arrival.
    """

    pipeline_id: UUID
    check_id: str
    status: str
    executed_at: datetime.datetime
    is_dated: bool = True
    run: RunKey | None = None
    dataset_id: UUID | None = None
    severity: str | None = None
    scope: str = ""
    column: str = ""
    origin: str = Check.Origin.POSTED
    rows_checked: int | None = None
    rows_failed: int | None = None
    value: str = ""
    threshold: str = ""
    message: str = ""

    @property
    def identity(self) -> bytes:
        return identity_of(self.scope, self.column, self.check_id)

    @property
    def check_key(self) -> tuple[UUID, bytes]:
        return self.pipeline_id, self.identity


@dataclass(frozen=True, slots=True)
class RecordedResult:
    """`is_created` is false for a repeat, and for a newer outcome of the same check and run, which replaces it."""

    result: CheckResult
    check: Check
    run: Run | None
    is_created: bool


def record_results(reports: Sequence[ResultReport]) -> list[RecordedResult]:
    """Records results of any pipelines and answers in their order; the outcome does not depend on it.

    Checks and runs not known yet appear. A run fails with cause `check` while an error check of it fails; a
    dataset whose error check fails puts the pipelines downstream at risk. 10 statements whatever the number, and
    those of `refresh_at_risk` when a check turns. Lineage, pipelines and datasets must exist.
    """
    if _may_turn(reports):
        lock_at_risk()
    versions = lock_pipelines(report.pipeline_id for report in reports)
    mentions = [RunReport(key) for key in dict.fromkeys(report.run for report in reports) if key]
    book = RunBook.open(mentions, versions)
    shelf = _Shelf(reports, {mention.key: book.apply(mention).run for mention in mentions})
    recorded = [shelf.put(report) for report in reports]
    shelf.write()
    failed = shelf.failed_runs()
    for run in shelf.runs.values():
        run.has_failed_check = run.id in failed
    book.close()
    refresh_checks({one.check.id for one in recorded})
    refresh_failing_datasets(check.dataset_id for check in shelf.changed_checks.values() if check.dataset_id)
    return recorded


def _may_turn(reports: Sequence[ResultReport]) -> bool:
    """Whether a check may begin or cease to fail: a guess, made before anything is locked."""
    known = _find_checks(reports)
    failing = {key for key, check in known.items() if check.failing_since is not None}
    return any((report.status in FAILING) != (report.check_key in failing) for report in reports)


def _find_checks(reports: Sequence[ResultReport]) -> dict[tuple[UUID, bytes], Check]:
    keys = list({report.check_key for report in reports})
    rows = fetch(_FIND_CHECKS, pipelines=[key[0] for key in keys], identities=[key[1] for key in keys])
    checks = (instance_of(Check, row) for row in rows)
    return {(check.pipeline_id, bytes(check.identity)): check for check in checks}


_FIND_CHECKS = f"""
    SELECT {columns_of(Check, "c")}
    FROM unnest(%(pipelines)s::uuid[], %(identities)s::bytea[]) AS wanted (pipeline_id, identity)
    JOIN catalog_check c ON c.organization_id = %(organization)s AND c.pipeline_id = wanted.pipeline_id
                        AND c.identity = wanted.identity
"""  # noqa: S608  (names of our own columns)
_FAILED_RUNS = """
    SELECT DISTINCT run_id FROM catalog_checkresult
    WHERE organization_id = %(organization)s AND run_id = ANY(%(ids)s) AND severity = 'error'
      AND status IN ('fail', 'error')
"""
_FIND_RESULTS = """
    SELECT r.id FROM unnest(%(checks)s::uuid[], %(runs)s::uuid[]) AS wanted (check_id, run_id)
    JOIN catalog_checkresult r ON r.organization_id = %(organization)s AND r.check_rule_id = wanted.check_id
                              AND r.run_id = wanted.run_id
    UNION ALL
    SELECT r.id FROM unnest(%(timed_checks)s::uuid[], %(times)s::timestamptz[]) AS wanted (check_id, executed_at)
    JOIN catalog_checkresult r ON r.organization_id = %(organization)s AND r.check_rule_id = wanted.check_id
                              AND r.executed_at = wanted.executed_at AND r.run_id IS NULL
"""


class _Shelf:
    """The checks and results of one batch."""

    def __init__(self, reports: Sequence[ResultReport], runs: dict[RunKey, Run]) -> None:
        self.runs = runs
        self.new_checks: list[Check] = []
        self.changed_checks: dict[UUID, Check] = {}
        self.new: list[CheckResult] = []
        self.changed: dict[UUID, CheckResult] = {}
        self.checks = _find_checks(reports)
        self.results = {_key(result): result for result in self._stored(reports)}

    def put(self, report: ResultReport) -> RecordedResult:
        check = self._check(report)
        run = self.runs[report.run] if report.run else None
        result = _result(report, check, run)
        known = self.results.setdefault(_key(result), result)
        if known is result:
            self.new.append(result)
        elif (report.is_dated or known.status != result.status) and result.rank > known.rank:
            for name in _SAID:
                setattr(known, name, getattr(result, name))
            self.changed[known.id] = known
        return RecordedResult(known, check, run, is_created=known is result)

    def write(self) -> None:
        new_results = {result.id for result in self.new}
        new_checks = {check.id for check in self.new_checks}
        Check.objects.bulk_create(sorted(self.new_checks, key=lambda check: (check.pipeline_id, check.identity)))
        changed = (check for id_, check in self.changed_checks.items() if id_ not in new_checks)
        update_rows(changed, ["dataset_id", "severity", "origin", "ended_at"])
        CheckResult.objects.bulk_create(sorted(self.new, key=lambda result: result.id))
        count("check_results", len(self.new))
        update_rows((result for id_, result in self.changed.items() if id_ not in new_results), _SAID)

    def _check(self, report: ResultReport) -> Check:
        check = self.checks.get(report.check_key)
        if check is None:
            check = self.checks[report.check_key] = Check(
                pipeline_id=report.pipeline_id,
                check_id=report.check_id,
                identity=report.identity,
                column=report.column,
                dataset_id=report.dataset_id,
                severity=report.severity or Severity.ERROR,
                origin=report.origin,
            )
            self.new_checks.append(check)
            return check
        if check.ended_at is not None:  # no longer declared, and still run
            self._change(check, ended_at=None, origin=report.origin)
        if report.severity and check.origin != Check.Origin.SPEC:
            self._change(check, severity=report.severity)
        if report.dataset_id and check.dataset_id is None:
            self._change(check, dataset_id=report.dataset_id)
        if report.dataset_id not in (None, check.dataset_id):
            raise CheckOfAnotherDataset(f"The check {check.check_id} is about another dataset of the pipeline.")
        return check

    def _change(self, check: Check, **values: Any) -> None:
        for name, value in values.items():
            if getattr(check, name) != value:
                setattr(check, name, value)
                self.changed_checks[check.id] = check

    def failed_runs(self) -> set[UUID]:
        """Those of the batch's runs of which an error check fails, by all that is known now."""
        ids = {run.id for run in self.runs.values()}
        return {run_id for (run_id,) in fetch(_FAILED_RUNS, ids=list(ids))} if ids else set()

    def _stored(self, reports: Sequence[ResultReport]) -> Any:
        """What is known of the same checks and runs, or instants; new checks have nothing."""
        known = [(self.checks[one.check_key].id, one) for one in reports if one.check_key in self.checks]
        of_runs = [(check_id, self.runs[one.run].id) for check_id, one in known if one.run]
        timed = [(check_id, one.executed_at) for check_id, one in known if not one.run]
        ids = known and fetch(
            _FIND_RESULTS,
            checks=[check_id for check_id, _ in of_runs],
            runs=[run_id for _, run_id in of_runs],
            timed_checks=[check_id for check_id, _ in timed],
            times=[at for _, at in timed],
        )
        return CheckResult.objects.filter(id__in=[id_ for (id_,) in ids]) if ids else []


def _result(report: ResultReport, check: Check, run: Run | None) -> CheckResult:
    return CheckResult(
        check_rule=check,
        pipeline_id=report.pipeline_id,
        run=run,
        dataset_id=check.dataset_id,
        status=report.status,
        severity=check.severity,
        executed_at=report.executed_at,
        rows_checked=report.rows_checked,
        rows_failed=report.rows_failed,
        value=report.value,
        threshold=report.threshold,
        message=report.message,
    )


def _key(result: CheckResult) -> tuple[Any, ...]:
    """One result for each check and run, or instant when it belongs to no run."""
    return result.check_rule_id, result.run_id, None if result.run_id else result.executed_at
