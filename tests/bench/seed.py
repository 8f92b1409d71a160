"""Rows by the hundred thousand: one statement per table and chunk, inside the organization's scope.

Under row security like everything else, so that what is measured was also written that way.
"""

from __future__ import annotations

import datetime
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection
from django.utils import timezone

from catalog.models import (
    Connection,
    Dataset,
    LineageLink,
    LineageVersion,
    Pipeline,
    PipelineOwner,
    PipelineTag,
    PipelineVersion,
    Run,
    Step,
    identity_of,
)
from dataxpipe.postgres.fields import uuid7
from orgs import keys
from orgs.models import ApiKey, Organization
from orgs.permissions import SCOPES
from orgs.plans import Override
from orgs.tenancy import JOB, current_organization, tenant_scope
from tests.bench.shape import ENVIRONMENTS, OWNERS, TAGS, Shape, make_shape

CHUNK = 5_000
DATASET_NAMESPACE = "postgres://warehouse:5432"
STATES = ("success",) * 17 + ("failed", "failed", "aborted")
UNBOUNDED = {
    resource: Override(resource, 10**8, "measured").as_json()
    for resource in ("requests_per_minute", "events_per_minute")
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much the measured organization holds, and among how many it stands."""

    pipelines: int = 1_000
    runs: int = 100_000
    layers: int = 14
    organizations: int = 500
    wide_pipelines: int = 0


@dataclass(frozen=True, slots=True)
class Tenant:
    """A seeded organization, a key with every scope, and what it holds."""

    organization: Organization
    key: str
    shape: Shape
    pipeline_ids: list[uuid.UUID]
    dataset_ids: list[uuid.UUID]


def seed(size: Size, *, analyze: Callable[[], None]) -> Tenant:
    """The measured organization `bench`, `wide` when asked for, and the neighbours.

    `analyze` is called before many rows are added: without statistics PostgreSQL checks foreign keys by whatever index
    begins with the organization, and each check then reads all of the organization's rows.
    """
    for number in range(size.organizations - 1):
        _fill(Organization.objects.create(slug=f"neighbour-{number}", name=f"Neighbour {number}"), 4, 8, layers=2)
    analyze()
    if size.wide_pipelines:
        _fill(make_organization("wide"), size.wide_pipelines, size.wide_pipelines, layers=28)
        analyze()
    return _fill(make_organization("bench"), size.pipelines, size.runs, layers=size.layers)


def make_organization(slug: str) -> Organization:
    return Organization.objects.create(slug=slug, name=slug.title(), plan_name="business", limit_overrides=UNBOUNDED)


def reopen(slug: str, pipelines: int, layers: int) -> Tenant:
    """An organization of an earlier `seed`, with a new key."""
    organization = Organization.objects.get(slug=slug)
    with tenant_scope(organization):
        pipeline_ids = list(Pipeline.objects.order_by("id").values_list("id", flat=True)[:pipelines])
        dataset_ids = list(Dataset.objects.order_by("id").values_list("id", flat=True))
    return Tenant(
        organization, issue_key(organization), make_shape(pipelines, layers=layers), pipeline_ids, dataset_ids
    )


def issue_key(organization: Organization) -> str:
    new = keys.generate()
    ApiKey.objects.create(
        organization=organization,
        name="bench",
        digest=new.digest,
        first_characters=new.first_characters,
        last_characters=new.last_characters,
        scopes=list(SCOPES),
        created_by_label="bench",
    )
    return new.text


def _fill(organization: Organization, pipelines: int, runs: int, *, layers: int) -> Tenant:
    shape = make_shape(pipelines, layers=layers, seed=organization.pk)
    if organization.slug in {"bench", "wide"}:
        shape = make_shape(pipelines, layers=layers)
    with tenant_scope(organization, timeouts=JOB):
        dataset_ids = _datasets(shape)
        pipeline_ids = _pipelines(shape, runs)
        _links(shape, pipeline_ids, dataset_ids)
        _runs(pipeline_ids, runs)
        insert(LineageVersion, [{"id": uuid7()}])
        insert(
            Connection,
            [
                {
                    "id": uuid7(),
                    "slug": "pg-raw",
                    "type": "postgres",
                    "config": {"host": "warehouse", "database": "shop"},
                },
                {"id": uuid7(), "slug": "bq-analytics", "type": "bigquery", "config": {"project": "acme"}},
            ],
        )
    return Tenant(organization, issue_key(organization), shape, pipeline_ids, dataset_ids)


def _datasets(shape: Shape) -> list[uuid.UUID]:
    ids = [uuid7() for _ in shape.dataset_names]
    insert(
        Dataset,
        [
            {
                "id": dataset_id,
                "namespace": DATASET_NAMESPACE,
                "name": name,
                "raw_name": name,
                "identity": identity_of(DATASET_NAMESPACE, name),
                "search_text": f"{name} {DATASET_NAMESPACE}",
                "type": "postgres",
            }
            for dataset_id, name in zip(ids, shape.dataset_names, strict=True)
        ],
    )
    return ids


def _pipelines(shape: Shape, runs: int) -> list[uuid.UUID]:
    now, rows, versions, tags, owners = timezone.now(), [], [], [], []
    for pipeline in shape.pipelines:
        pipeline_id, version_id = uuid7(), uuid7()
        chosen = sorted({TAGS[pipeline.number % 10], TAGS[pipeline.number // 10 % 10]})
        owner = OWNERS[pipeline.number % len(OWNERS)]
        rows.append(
            {
                "id": pipeline_id,
                "name": pipeline.name,
                "identity": identity_of("default", pipeline.name),
                "search_text": f"{pipeline.name} default layer {pipeline.layer} of {pipeline.domain}",
                "description": f"Layer {pipeline.layer} of {pipeline.domain}",
                "owner": owner,
                "owners": [{"name": owner, "origin": "spec"}],
                "tags": chosen,
                "environment": ENVIRONMENTS[pipeline.number % 4],
                "schedule": f"{pipeline.number % 60} {pipeline.number % 24} * * *",
                "current_version_id": version_id,
                "last_run_status": STATES[pipeline.number % len(STATES)] if runs else "",
                "last_run_started_at": now - datetime.timedelta(minutes=pipeline.number % 1440 + 5),
                "last_run_finished_at": now - datetime.timedelta(minutes=pipeline.number % 1440),
                "median_duration_seconds": 300.0,
                "health": "failing" if STATES[pipeline.number % len(STATES)] == "failed" else "healthy",
                "health_since": now,
            }
        )
        versions.append(
            {
                "id": version_id,
                "pipeline_id": pipeline_id,
                "version": "1",
                "number": 1,
                "digest": identity_of(pipeline.name),
                "spec": {"pipeline": {"name": pipeline.name}},
            }
        )
        tags += [{"id": uuid7(), "tag": tag, "pipeline_id": pipeline_id} for tag in chosen]
        owners.append({"id": uuid7(), "owner": owner, "pipeline_id": pipeline_id})
    insert(Pipeline, rows)
    insert(PipelineVersion, versions)
    insert(PipelineTag, tags)
    insert(PipelineOwner, owners)
    return [row["id"] for row in rows]


def _links(shape: Shape, pipeline_ids: Sequence[uuid.UUID], dataset_ids: Sequence[uuid.UUID]) -> None:
    now, steps, links = timezone.now(), [], []
    for pipeline, pipeline_id in zip(shape.pipelines, pipeline_ids, strict=True):
        step_id = uuid7() if pipeline.has_step else None
        if step_id:
            steps.append(
                {"id": step_id, "pipeline_id": pipeline_id, "name": "load", "identity": identity_of("", "load")}
            )
        for direction, numbers in (("reads", pipeline.reads), ("writes", pipeline.writes)):
            links += [
                {
                    "id": uuid7(),
                    "pipeline_id": pipeline_id,
                    "step_id": step_id,
                    "dataset_id": dataset_ids[number],
                    "direction": direction,
                    "origin": "observed",
                    "valid_from": now - datetime.timedelta(days=30),
                    "last_seen_at": now,
                }
                for number in numbers
            ]
    insert(Step, steps)
    insert(LineageLink, links)


def _runs(pipeline_ids: Sequence[uuid.UUID], count: int) -> None:
    """Thirty days of runs, the newest a minute ago; ids in the order of time, as they would have come."""
    chance, end = random.Random(2), timezone.now() - datetime.timedelta(minutes=1)
    apart = datetime.timedelta(days=30) / max(count, 1)
    rows = []
    for number in range(count):
        start = end - apart * (count - number)
        seconds, status = chance.uniform(20, 900), chance.choice(STATES)
        rows.append(
            {
                "id": _uuid_at(start, chance),
                "pipeline_id": pipeline_ids[number % len(pipeline_ids)],
                "run_id": f"scheduled__{start:%Y-%m-%dT%H:%M:%S}_{number}",
                "trigger": "schedule",
                "status": status,
                "reported_status": status,
                "occurred_at": start,
                "started_at": start,
                "finished_at": start + datetime.timedelta(seconds=seconds),
                "reported_at": start + datetime.timedelta(seconds=seconds),
                "last_event_at": start + datetime.timedelta(seconds=seconds),
                "duration_seconds": seconds,
                "rows_written": chance.randrange(1_000_000),
            }
        )
    insert(Run, rows)


def _uuid_at(moment: datetime.datetime, chance: random.Random) -> uuid.UUID:
    milliseconds = int(moment.timestamp() * 1000)
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | chance.getrandbits(12) << 64 | 2 << 62 | chance.getrandbits(62))


def insert(model: Any, rows: list[dict[str, Any]]) -> None:
    """Adds rows given by column; what they leave out gets the field's default. Each brings its id."""
    if not rows:
        return
    defaults = dict(_defaults(model))
    columns = list(defaults | rows[0])
    names = ", ".join(f'"{column}"' for column in columns)
    table = model._meta.db_table
    query = f'INSERT INTO "{table}" ({names}) SELECT {names} FROM json_populate_recordset(NULL::"{table}", %s::json)'
    with connection.cursor() as cursor:
        for first in range(0, len(rows), CHUNK):
            chunk = [defaults | row for row in rows[first : first + CHUNK]]
            cursor.execute(query, [orjson.dumps(chunk, default=_as_bytea).decode()])


def _defaults(model: Any) -> Iterator[tuple[str, Any]]:
    for field in model._meta.concrete_fields:
        if field.name == "organization":
            yield field.column, current_organization().pk
        elif getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
            yield field.column, timezone.now()
        elif not field.primary_key:
            yield field.column, field.get_default()


def _as_bytea(value: Any) -> str:
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    raise TypeError(f"{type(value).__name__} has no place in a seeded row")
