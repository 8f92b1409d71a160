"""What happened to a pipeline during ninety days: its runs, the runs of its steps, the results of its checks."""

from __future__ import annotations

import datetime
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from catalog.demo.stories import Story
from catalog.models import Check, CheckResult, Pipeline, PipelineVersion, Run, RunStatus, Step
from catalog.spec.schedule import next_start
from orgs.templatetags.ui import compact

DAYS = 90
MOST_RUNS = 300
CHECKED_RUNS, DETAILED_RUNS = 40, 6
MINUTE = datetime.timedelta(minutes=1)
LATE_BY = datetime.timedelta(minutes=125)
FAILURES = (
    "ConnectionResetError: [Errno 104] Connection reset by peer\n  while reading from {source}, retried 3 times",
    "google.api_core.exceptions.ServiceUnavailable: 503 Visibility check was unavailable. Please retry the request",
    "psycopg.errors.QueryCanceled: canceling statement due to statement timeout\n  in step build, after 15m 00s",
    "MemoryError: worker was killed with 7.6 of 8.0 GiB in use\n  in step build",
)


@dataclass(slots=True)
class History:
    runs: list[Run] = field(default_factory=list)
    step_runs: list[Run] = field(default_factory=list)
    results: list[CheckResult] = field(default_factory=list)


@dataclass(slots=True)
class Telling:
    """One pipeline's past. `versions` newest first; `checks` and `steps` as registered."""

    story: Story
    pipeline: Pipeline
    versions: list[PipelineVersion]
    steps: list[Step]
    checks: list[Check]
    now: datetime.datetime
    most_runs: int = MOST_RUNS
    history: History = field(default_factory=History)
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.pipeline.namespace}/{self.pipeline.name}")  # noqa: S311 - no secret

    def tell(self) -> History:
        if self.story.ending != "never":
            starts = list(self._starts())
            for distance, start in zip(range(len(starts) - 1, -1, -1), starts, strict=True):
                self._run(start, distance)
            self._add_backfills()
        return self.history

    def _starts(self) -> Iterator[datetime.datetime]:
        moment = self._beginning()
        until = self.now - (LATE_BY if self.story.ending == "late" else MINUTE * self.story.minutes * 1.6)
        while (start := next_start(self.story.schedule, self.pipeline.timezone, moment)) and start < until:
            yield start
            moment = start

    def _beginning(self) -> datetime.datetime:
        """Ninety days ago, or where as many runs as we keep began."""
        beginning = self.now - datetime.timedelta(days=DAYS)
        first = next_start(self.story.schedule, self.pipeline.timezone, beginning)
        second = next_start(self.story.schedule, self.pipeline.timezone, first) if first else None
        if first is None or second is None:
            return beginning
        return max(beginning, self.now - (second - first) * self.most_runs)

    def _run(self, start: datetime.datetime, distance: int) -> None:
        status, cause, error = self._outcome(distance)
        seconds = self._seconds(status if cause != "check" else RunStatus.SUCCESS)
        started_at = start + datetime.timedelta(seconds=self.random.uniform(2, 40))
        if status == RunStatus.RUNNING:
            started_at = self.now - MINUTE * self.story.minutes * 0.6
        run = self._row(started_at, start, "schedule", status, seconds)
        run.cause, run.error, run.has_failed_check = cause, error, cause == "check"
        if cause == "check":
            run.reported_status = RunStatus.SUCCESS
        if status == RunStatus.RUNNING:
            run.finished_at = run.duration_seconds = run.rows_written = None
        run.last_event_at = run.finished_at or run.started_at
        self.history.runs.append(run)
        if distance < CHECKED_RUNS and status != RunStatus.RUNNING:
            self._check(run, distance)
        if distance < DETAILED_RUNS:
            self._take_steps(run)

    def _outcome(self, distance: int) -> tuple[str, str, str]:
        ending = self.story.ending
        if distance == 0 and ending == "running":
            return RunStatus.RUNNING, "", ""
        if distance == 0 and ending == "aborted":
            return RunStatus.ABORTED, "", ""
        if distance < 2 and ending == "check":
            return RunStatus.FAILED, "check", ""
        if distance == 0 and ending == "failed":
            return RunStatus.FAILED, "", self.story.error
        if self.random.random() < self.story.trouble:
            source = self.story.reads.split()[0].partition(":")[2]
            return RunStatus.FAILED, "", self.random.choice(FAILURES).format(source=source)
        return (RunStatus.ABORTED if self.random.random() < 0.002 else RunStatus.SUCCESS), "", ""

    def _seconds(self, status: str) -> float:
        usual = self.story.minutes * 60 * self.random.lognormvariate(0, 0.1)
        if self.random.random() < 0.02:
            usual *= self.random.uniform(1.5, 2.2)
        return usual if status == RunStatus.SUCCESS else usual * self.random.uniform(0.15, 0.8)

    def _row(
        self, started_at: datetime.datetime, nominal: datetime.datetime, trigger: str, status: str, seconds: float
    ) -> Run:
        rows = round(self.story.rows * self.random.lognormvariate(0, 0.03)) or None
        finished_at = started_at + datetime.timedelta(seconds=seconds)
        word = {"schedule": "scheduled", "backfill": "backfill"}[trigger]
        return Run(
            id=id_at(started_at, self.random),
            pipeline=self.pipeline,
            version=next((v for v in self.versions if v.created_at <= started_at), self.versions[-1]),
            run_id=f"{word}__{nominal.isoformat()}",
            trigger=trigger,
            status=status,
            reported_status=status,
            reported_at=finished_at,
            last_event_at=finished_at,
            occurred_at=started_at,
            nominal_start_at=nominal,
            started_at=started_at,
            finished_at=finished_at,
            duration_seconds=round(seconds, 1),
            rows_read=rows,
            rows_written=rows and round(rows * 0.97) if status == RunStatus.SUCCESS else None,
            external_url=f"https://airflow.acme-corp.example/dags/{self.pipeline.name}/grid",
        )

    def _add_backfills(self) -> None:
        if self.story.ending != "backfilled":
            return
        done = [run for run in self.history.runs if run.status == RunStatus.SUCCESS][-9:-6]
        for run in done:
            started_at = run.occurred_at + datetime.timedelta(hours=3)
            nominal = run.occurred_at - datetime.timedelta(days=30)
            self.history.runs.append(
                self._row(started_at, nominal, "backfill", "success", self._seconds("success") * 0.8)
            )

    # Steps

    def _take_steps(self, run: Run) -> None:
        """Extracts side by side, then the transforms, then what publishes; what follows a failure is skipped."""
        begin, seconds = run.occurred_at, (run.duration_seconds or self.story.minutes * 36)
        extracts = [step for step in self.steps if ".extract_" in step.name]
        others = [step for step in self.steps if ".extract_" not in step.name]
        for step in extracts:
            self._step_run(run, step, begin, seconds * self.random.uniform(0.18, 0.3))
        begin += datetime.timedelta(seconds=seconds * 0.3)
        share = seconds * 0.68 / max(len(others), 1)
        fatal = self.random.randrange(len(others)) if run.error else None
        for index, step in enumerate(others):
            if fatal is not None and index > fatal:
                self._step_run(run, step, begin, 0, status=RunStatus.SKIPPED)
                continue
            is_last = run.status == RunStatus.RUNNING and index == len(others) - 1
            status = RunStatus.FAILED if index == fatal else RunStatus.RUNNING if is_last else RunStatus.SUCCESS
            if step.name.endswith(".load_partitions"):
                self._mapped(run, step, begin, share)
            else:
                self._attempts(run, step, begin, share * self.random.uniform(0.8, 1), status)
            begin += datetime.timedelta(seconds=share)

    def _attempts(self, run: Run, step: Step, begin: datetime.datetime, seconds: float, status: str) -> None:
        if status == RunStatus.SUCCESS and self.random.random() < 0.08:
            self._step_run(run, step, begin, seconds * 0.3, status=RunStatus.FAILED)
            begin += datetime.timedelta(seconds=seconds * 0.5)
            self._step_run(run, step, begin, seconds * 0.5, status=status, attempt=2)
        else:
            self._step_run(run, step, begin, seconds, status=status)

    def _mapped(self, run: Run, step: Step, begin: datetime.datetime, seconds: float) -> None:
        for index in range(40):
            status = RunStatus.FAILED if run.has_failed_check and index in (11, 24, 38) else RunStatus.SUCCESS
            start = begin + datetime.timedelta(seconds=index * seconds / 40)
            self._step_run(run, step, start, seconds / 40, status=status, map_index=index)

    def _step_run(
        self,
        run: Run,
        step: Step,
        begin: datetime.datetime,
        seconds: float,
        *,
        status: str = RunStatus.SUCCESS,
        attempt: int = 1,
        map_index: int | None = None,
    ) -> None:
        is_open, is_skipped = status == RunStatus.RUNNING, status == RunStatus.SKIPPED
        end = begin + datetime.timedelta(seconds=seconds)
        self.history.step_runs.append(
            Run(
                id=id_at(begin, self.random),
                pipeline=self.pipeline,
                step=step,
                parent_run=run,
                run_id=f"{run.run_id}/{step.name}" + (f"[{map_index}]" if map_index is not None else ""),
                attempt=attempt,
                map_index=map_index,
                trigger=run.trigger,
                status=status,
                reported_status=status,
                reported_at=end,
                last_event_at=end,
                occurred_at=begin,
                started_at=None if is_skipped else begin,
                finished_at=None if is_open else end,
                duration_seconds=None if is_open or is_skipped else round(seconds, 1),
                error="ValueError: partition holds no rows" if status == RunStatus.FAILED else "",
            )
        )

    # Checks

    def _check(self, run: Run, distance: int) -> None:
        rows = run.rows_read or 1000
        for position, check in enumerate(self.checks):
            status, failed = "pass", 0
            if run.cause == "check" and position == 0:
                status, failed = "fail", 1284 if distance == 0 else 912
            elif (position == 1) if run.cause == "check" else (run.status != RunStatus.SUCCESS):
                status = "skipped"
            elif check.severity == "warn" and self.random.random() < 0.03:
                status = "fail"
            self.history.results.append(self._result(run, check, status, rows, failed))

    def _result(self, run: Run, check: Check, status: str, rows: int, failed: int) -> CheckResult:
        value, threshold = f"{failed:,} rows" if status != "skipped" else "", "max 0"
        if check.check_id == "row_count_within_band":
            rows = rows if status != "fail" else round(rows * 0.8)
            value, threshold = f"{rows:,}", f"{compact(self.story.rows * 0.95)} to {compact(self.story.rows * 1.1)}"
        elif check.check_id == "freshness_updated_at":
            value, threshold = ("2h 08m", "max 90m") if status == "fail" else ("0h 41m", "max 90m")
        return CheckResult(
            id=id_at(run.finished_at, self.random),
            check_rule=check,
            pipeline=self.pipeline,
            run=run,
            dataset_id=check.dataset_id,
            status=status,
            severity=check.severity,
            executed_at=run.finished_at or self.now,
            rows_checked=rows if status != "skipped" else None,
            rows_failed=failed if status != "skipped" else None,
            value=value if status != "skipped" else "",
            threshold=threshold,
            message=f"{failed:,} of {rows:,} rows have no order_id, allowed 0." if failed else "",
        )


def id_at(moment: datetime.datetime | None, source: random.Random) -> uuid.UUID:
    """A UUIDv7 of that moment (RFC 9562): 48 bits of milliseconds, 74 of chance."""
    if moment is None:
        raise ValueError("an id needs a moment")
    number = int(moment.timestamp() * 1000) << 80 | 0x7 << 76 | source.getrandbits(12) << 64
    return uuid.UUID(int=number | 0b10 << 62 | source.getrandbits(62))
