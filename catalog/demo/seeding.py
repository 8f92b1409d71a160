"""Puts the stories into the bound organization: connections, versions, runs, results, and what follows from them."""

from __future__ import annotations

import datetime
import gzip
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence

import orjson
from django.db import connection
from django.db.models import Min
from django.utils import timezone

from catalog.demo.history import MOST_RUNS, History, Telling
from catalog.demo.specs import earlier_spec_of, spec_of
from catalog.demo.stories import ARCHIVED, CONNECTIONS, Story
from catalog.models import (
    Check,
    CheckResult,
    ColumnLink,
    Connection,
    Dataset,
    EventInbox,
    Health,
    LineageLink,
    Pipeline,
    PipelineVersion,
    Run,
    RunStatus,
    Step,
    identity_of,
)
from catalog.services.at_risk import refresh_checks
from catalog.services.connections import create_connection
from catalog.services.health import refresh_health
from catalog.services.pipelines import archive_pipeline, register_pipelines
from orgs.actors import Actor

SEEDER = Actor.system("demo data")
CHUNK = 2_000
FRESH_PLANS_AFTER = 10_000
EARLIER_VERSIONS = 2


def seed_pipelines(stories: Sequence[Story], *, most_runs: int = MOST_RUNS) -> None:
    """Registers the stories and tells their past; those that are there already are left alone."""
    known = set(Pipeline.objects.existing().values_list("namespace", "name"))
    stories = [story for story in stories if (story.namespace, story.name) not in known]
    if not stories:
        return
    _connect()
    now = timezone.now()
    pipelines = _register(stories)
    versions = _backdate(stories, pipelines, now)
    _add_task_steps(stories, pipelines)
    steps, checks = _by_pipeline(Step, pipelines), _by_pipeline(Check, pipelines)
    _order_checks(checks, stories, pipelines)
    histories = {}
    for story in stories:
        pipeline = pipelines[story.namespace, story.name]
        telling = Telling(
            story, pipeline, versions[pipeline.pk], steps[pipeline.pk], checks[pipeline.pk], now, most_runs
        )
        histories[pipeline.pk] = telling.tell()
    _save(histories.values())
    Pipeline.objects.bulk_update(pipelines.values(), ["created_at"], batch_size=500)
    _settle(stories, pipelines, (check for own in checks.values() for check in own))
    _settle_datasets(histories)


def seed_archived() -> None:
    seed_pipelines(ARCHIVED, most_runs=30)
    for story in ARCHIVED:
        pipeline = Pipeline.objects.named(story.name, story.namespace).get()
        if pipeline.archived_at is None:
            archive_pipeline(pipeline=pipeline, actor=SEEDER)


def _connect() -> None:
    present = set(Connection.objects.values_list("slug", flat=True))
    for slug, kind, config in CONNECTIONS.values():
        if slug not in present:
            create_connection(slug=slug, type=kind, config=config, actor=SEEDER)


def _register(stories: Sequence[Story]) -> dict[tuple[str, str], Pipeline]:
    """Oldest versions first, as they came in over time."""
    found: dict[tuple[str, str], Pipeline] = {}
    for number in range(EARLIER_VERSIONS, -1, -1):
        told = [story for story in stories if number == 0 or (story.ending != "never" and "load" not in story.tags)]
        documents = [spec_of(story) if number == 0 else earlier_spec_of(story, number) for story in told]
        for start in range(0, len(documents), 250):
            registered = register_pipelines(documents=documents[start : start + 250], actor=SEEDER)
            found |= {(row.pipeline.namespace, row.pipeline.name): row.pipeline for row in registered}
    return found


def _backdate(
    stories: Sequence[Story], pipelines: dict[tuple[str, str], Pipeline], now: datetime.datetime
) -> dict[object, list[PipelineVersion]]:
    """Gives versions, pipelines and links the times at which they would have come in; versions newest first."""
    versions = _by_pipeline(PipelineVersion, pipelines)
    changed = []
    for story in stories:
        pipeline = pipelines[story.namespace, story.name]
        source = random.Random(story.name)  # noqa: S311 - no secret
        own = sorted(versions[pipeline.pk], key=lambda version: -version.number)
        days = 1.6 if story.ending in {"check", "never"} else source.uniform(9, 50)
        for version in own:
            version.created_at = now - datetime.timedelta(days=days)
            version.created_by_label = f"ci of {story.owner}"
            days += source.uniform(20, 45)
        pipeline.created_at = own[-1].created_at
        versions[pipeline.pk] = own
        changed += own
    PipelineVersion.objects.bulk_update(changed, ["created_at", "created_by_label"], batch_size=500)
    since = now - datetime.timedelta(days=95)
    for model in (LineageLink, ColumnLink):
        model.objects.filter(pipeline__in=list(pipelines.values())).update(valid_from=since, last_seen_at=now)
    return versions


def _by_pipeline(model: type, pipelines: dict[tuple[str, str], Pipeline]) -> dict[object, list]:  # type: ignore[type-arg]
    """Rows by pipeline, each holding the one instance of it."""
    by_id = {pipeline.pk: pipeline for pipeline in pipelines.values()}
    found: dict[object, list] = defaultdict(list)  # type: ignore[type-arg]
    for row in model.objects.filter(pipeline_id__in=by_id).order_by("pk"):  # type: ignore[attr-defined]
        row.pipeline = by_id[row.pipeline_id]
        found[row.pipeline_id].append(row)
    return found


def _add_task_steps(stories: Sequence[Story], pipelines: dict[tuple[str, str], Pipeline]) -> None:
    """The tasks that an orchestrator reports beside the transforms of the spec."""
    rows = []
    for story in stories:
        if "load" in story.tags:
            continue
        names = [f"extract_{name.replace('/', '.').rpartition('.')[2]}" for name in story.reads.split()]
        names += ["load_partitions"] if story.ending == "check" else []
        for name in [*names, "publish"]:
            full = f"{story.name}.{name.replace(':', '_')}"
            rows.append(
                Step(
                    pipeline=pipelines[story.namespace, story.name],
                    namespace="airflow-prod",
                    name=full,
                    identity=identity_of("airflow-prod", full),
                    kind="TASK",
                )
            )
    Step.objects.bulk_create(rows, batch_size=CHUNK)


def _order_checks(
    checks: dict[object, list[Check]], stories: Sequence[Story], pipelines: dict[tuple[str, str], Pipeline]
) -> None:
    """As the spec lists them: the first one is the one that fails in a story that ends so."""
    for story in stories:
        order = [check["id"] for check in spec_of(story)["checks"]]
        pipeline = pipelines[story.namespace, story.name]
        checks[pipeline.pk] = sorted(
            (check for check in checks[pipeline.pk] if check.check_id in order),
            key=lambda check: order.index(check.check_id),
        )


def _save(histories: Iterable[History]) -> None:
    runs, step_runs, results = [], [], []
    for history in histories:
        runs += history.runs
        step_runs += history.step_runs
        results += history.results
    for start in range(0, len(runs), FRESH_PLANS_AFTER):
        _plan_anew()
        Run.objects.bulk_create(runs[start : start + FRESH_PLANS_AFTER], batch_size=CHUNK)
    _plan_anew()
    Run.objects.bulk_create(step_runs, batch_size=CHUNK)
    _plan_anew()
    CheckResult.objects.bulk_create(results, batch_size=CHUNK)
    latest = [history.runs[-1] for history in histories if history.runs]
    EventInbox.objects.bulk_create([event for run in latest for event in _events(run)], batch_size=CHUNK)


def _plan_anew() -> None:
    """Foreign keys are checked by plans the session keeps; made while the tables were empty, they read all of them."""
    with connection.cursor() as cursor:
        cursor.execute("DISCARD PLANS")


def _events(run: Run) -> Iterable[EventInbox]:
    """What an orchestrator sent about the run: its start, and its end if it has one."""
    kinds = {"success": "COMPLETE", "failed": "FAIL", "aborted": "ABORT"}
    told = [("START", run.started_at or run.occurred_at)]
    if run.finished_at and run.reported_status in kinds:
        told.append((kinds[run.reported_status], run.finished_at))
    for kind, moment in told:
        body = {
            "eventType": kind,
            "eventTime": moment.isoformat(),
            "producer": "https://github.com/apache/airflow/tree/providers-openlineage/2.7.0",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/definitions/RunEvent",
            "run": {"runId": str(run.id), "facets": {"processing_engine": {"name": "Airflow", "version": "3.0.2"}}},
            "job": {"namespace": "airflow-prod", "name": run.pipeline.name, "facets": {}},
            "inputs": [],
            "outputs": [],
        }
        yield EventInbox(
            body=gzip.compress(orjson.dumps(body), mtime=0),
            kind="run",
            event_type=kind,
            event_time=moment,
            job_namespace="airflow-prod",
            job_name=run.pipeline.name,
            run=run.id,
            state=EventInbox.State.APPLIED,
            received_at=moment,
        )


def _settle(stories: Sequence[Story], pipelines: dict[tuple[str, str], Pipeline], checks: Iterable[Check]) -> None:
    """What follows from runs and results, by the services that also follow them."""
    refresh_health(pipeline.pk for pipeline in pipelines.values())
    refresh_checks(check.pk for check in checks)
    since = Check.objects.failing().filter(severity="error").aggregate(since=Min("failing_since"))["since"]
    Pipeline.objects.filter(health=Health.AT_RISK).update(health_since=since)
    # The demo runs nothing: looked at next week, it would otherwise be late as a whole.
    punctual = [pipelines[story.namespace, story.name].pk for story in stories if story.ending != "late"]
    Pipeline.objects.filter(pk__in=punctual).update(late_after=timezone.now() + datetime.timedelta(days=365))


def _settle_datasets(histories: dict[object, History]) -> None:
    """When each dataset was last written and read."""
    successes = {
        pk: max(
            (run.finished_at for run in history.runs if run.status == RunStatus.SUCCESS and run.finished_at),
            default=None,
        )
        for pk, history in histories.items()
    }
    datasets = {dataset.pk: dataset for dataset in Dataset.objects.only("id", "last_written_at", "last_read_at")}
    for pipeline_id, dataset_id, direction in LineageLink.objects.valid().values_list(
        "pipeline_id", "dataset_id", "direction"
    ):
        moment = successes.get(pipeline_id)
        name = "last_written_at" if direction == "writes" else "last_read_at"
        known = getattr(datasets[dataset_id], name)
        if moment and (known is None or known < moment):
            setattr(datasets[dataset_id], name, moment)
    Dataset.objects.bulk_update(datasets.values(), ["last_written_at", "last_read_at"], batch_size=500)
