"""The inbox: every event as it came, masked, before and beside what became of it."""

from __future__ import annotations

import datetime
import zlib
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import orjson

from catalog.models import EventInbox
from catalog.openlineage.events import DatasetEvent, RunEvent
from catalog.services.lineage_events.intake import Received, kind_of
from catalog.services.statements import insert_rows
from dataxpipe.postgres.fields import uuid7
from orgs.services.usage.counts import count

_GZIP = 31  # zlib's word for the gzip format
_INBOX = {
    "id": "uuid",
    "body": "bytea",
    "kind": "varchar",
    "event_type": "varchar",
    "event_time": "timestamptz",
    "job_namespace": "varchar",
    "job_name": "varchar",
    "run": "uuid",
    "api_key": "uuid",
    "state": "varchar",
    "received_at": "timestamptz",
}


def store(
    received: Iterable[Received],
    *,
    state: EventInbox.State,
    api_key_id: UUID | None,
    now: datetime.datetime,
    runs: Mapping[int, UUID] | None = None,
) -> None:
    """One row an event, also for one that was sent before. `runs`: which run each became, by its index."""
    runs = runs or {}
    rows = [_row(one, state, api_key_id, now, runs.get(one.index)) for one in received]
    insert_rows("catalog_eventinbox", _INBOX, rows, constants={"reason": "''"}, conflict="DO NOTHING")
    count("events_ingested", len(rows))


def document_of(body: bytes | memoryview) -> Any:
    return orjson.loads(zlib.decompress(body, _GZIP))


def _row(
    one: Received, state: EventInbox.State, api_key_id: UUID | None, now: datetime.datetime, run: UUID | None
) -> tuple[Any, ...]:
    event = one.event
    packer = zlib.compressobj(1, wbits=_GZIP)
    body = packer.compress(orjson.dumps(one.document)) + packer.flush()
    event_type = event.event_type if isinstance(event, RunEvent) else ""
    namespace, name = ("", "") if isinstance(event, DatasetEvent) else (event.job.namespace, event.job.name)
    return (
        *(uuid7(), body, kind_of(event), event_type, event.event_time),
        *(namespace, name, run, api_key_id, state.value, now),
    )
