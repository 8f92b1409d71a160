"""What is measured without HTTP: tenancy against none, and how quickly PostgreSQL takes the rows of a batch at all."""

from __future__ import annotations

import datetime
import gzip
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection, connections, models, transaction
from django.utils import timezone

from catalog.models import EventInbox, Pipeline, Run
from dataxpipe.postgres.fields import uuid7
from orgs.tenancy import tenant_scope
from tests.bench import bodies
from tests.bench.load import Sample
from tests.bench.seed import DATASET_NAMESPACE, Tenant, insert

WITHOUT = "without"
FIELDS = ("id", "namespace", "name", "owner", "tags", "health", "last_run_status", "last_run_started_at", "updated_at")


@dataclass(frozen=True, slots=True)
class Pair:
    """The same work with tenancy and without, turn by turn."""

    name: str
    tenancy: Sample
    none: Sample

    @property
    def ratio(self) -> float:
        return self.tenancy.quantile(0.5) / self.none.quantile(0.5)


def tenancy_against_none(tenant: Tenant, admin: dict[str, Any], *, seconds: float) -> Iterator[Pair]:
    """Manager, scope and row-level security, against plain querysets of a role that bypasses it."""
    with _without_walls(admin):
        yield _pair("tenancy against none, list of 50", lambda: _list(tenant), lambda: _plain_list(tenant), seconds)
        yield _pair("tenancy against none, insert", lambda: _insert(tenant), lambda: _plain_insert(tenant), seconds)


def lists(tenant: Tenant, *, seconds: float) -> Sample:
    """The same list again and again, with tenancy."""
    sample, end = Sample(), time.perf_counter() + seconds
    _list(tenant)
    while time.perf_counter() < end:
        before = time.perf_counter()
        _list(tenant)
        _count(sample, time.perf_counter() - before, 1)
    return sample


def _list(tenant: Tenant) -> None:
    with tenant_scope(tenant.organization):
        list(Pipeline.objects.active().order_by("name", "id").values(*FIELDS)[:50])


def _plain_list(tenant: Tenant) -> None:
    with transaction.atomic(WITHOUT):
        pipelines = models.QuerySet(Pipeline, using=WITHOUT).filter(organization_id=tenant.organization.pk)
        list(pipelines.filter(deleted_at=None).filter(archived_at=None).order_by("name", "id").values(*FIELDS)[:50])


def _run(tenant: Tenant) -> Run:
    now = timezone.now()
    pipeline = tenant.pipeline_ids[0]
    return Run(pipeline_id=pipeline, run_id=str(uuid7()), status="success", reported_status="success", occurred_at=now)


def _insert(tenant: Tenant) -> None:
    with tenant_scope(tenant.organization):
        _run(tenant).save(force_insert=True)


def _plain_insert(tenant: Tenant) -> None:
    with transaction.atomic(WITHOUT):
        run = _run(tenant)
        run.organization_id = tenant.organization.pk
        models.Model.save(run, force_insert=True, using=WITHOUT)


def _pair(name: str, with_it: Callable[[], None], without: Callable[[], None], seconds: float) -> Pair:
    pair = Pair(name, Sample(), Sample())
    end = time.perf_counter() + seconds
    for number in itertools.count():
        for work, sample in ((with_it, pair.tenancy), (without, pair.none)):
            before = time.perf_counter()
            work()
            if number >= 10:
                _count(sample, time.perf_counter() - before, 1)
        if time.perf_counter() > end and number > 20:
            return pair
    return pair


def _count(sample: Sample, seconds: float, events: int) -> None:
    sample.seconds.append(seconds)
    sample.elapsed += seconds
    sample.events += events


@contextmanager
def _without_walls(admin: dict[str, Any]) -> Iterator[None]:
    """A second connection, through Django's own backend and a pool like the first, of a role that sees all rows."""
    ours = connections.settings["default"]
    connections.settings[WITHOUT] = {
        **ours,
        "ENGINE": "django.db.backends.postgresql",
        "NAME": admin["dbname"],
        "USER": admin["user"],
        "HOST": admin["host"],
        "PORT": admin["port"],
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 2}},
    }
    try:
        yield
    finally:
        connections[WITHOUT].close()
        connections[WITHOUT].close_pool()  # type: ignore[attr-defined]
        del connections[WITHOUT], connections.settings[WITHOUT]


def floor(tenant: Tenant, size: int, *, seconds: float) -> Sample:
    """Batches of events as bare statements on one connection: the compressed inbox, runs, last-run facts.

    A start and an end for each run."""
    sample = Sample()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        before = time.perf_counter()
        with tenant_scope(tenant.organization):
            _store(tenant, size)
        _count(sample, time.perf_counter() - before, size)
    return sample


def _store(tenant: Tenant, size: int) -> None:
    now = timezone.now()
    chosen = list(itertools.islice(itertools.cycle(tenant.pipeline_ids), (size + 1) // 2))
    insert(EventInbox, [_inbox_row(now) for _ in range(size)])
    insert(Run, [_run_row(pipeline, now) for pipeline in chosen])
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE catalog_pipeline SET last_run_status = 'success', last_run_finished_at = %s"
            " WHERE organization_id = %s AND id = ANY (%s)",
            [now, tenant.organization.pk, sorted(set(chosen))],
        )


def _inbox_row(now: datetime.datetime) -> dict[str, Any]:
    event = bodies.event("known", "shop.raw", "shop.clean", DATASET_NAMESPACE, run_id=str(uuid7()), kind="START")
    body = gzip.compress(orjson.dumps(event), 1)
    return {"id": uuid7(), "body": body, "kind": "run", "event_time": now, "state": "applied", "received_at": now}


def _run_row(pipeline: Any, now: datetime.datetime) -> dict[str, Any]:
    row_id = uuid7()
    states = {"status": "success", "reported_status": "success"}
    return {"id": row_id, "pipeline_id": pipeline, "run_id": str(row_id), "occurred_at": now, **states}
