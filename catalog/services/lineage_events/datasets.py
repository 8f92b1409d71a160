"""The datasets of a batch, under one name each, and when they were last written and read."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from catalog.models import Dataset, identity_of
from catalog.openlineage.events import DatasetRef
from catalog.openlineage.names import DatasetName, normalize_dataset
from catalog.services.statements import execute, fetch
from orgs.actors import Actor
from orgs.audit import Action, record_all

Instant = datetime.datetime | None

# Often enough to tell how fresh a table is, and rare enough that a busy one is not rewritten by every event.
REFRESHED_AFTER = datetime.timedelta(minutes=1)

_FIND = """
    SELECT id, identity, last_written_at, last_read_at FROM catalog_dataset
    WHERE organization_id = %(organization)s AND identity = ANY(%(identities)s)
"""
# Rows are locked in one order, so that batches which share datasets wait for each other and never in a circle.
_TOUCH = """
    WITH new AS (
        SELECT * FROM unnest(%(ids)s::uuid[], %(written)s::timestamptz[], %(read)s::timestamptz[])
            AS n (id, written_at, read_at)
    ), locked AS MATERIALIZED (
        SELECT id FROM catalog_dataset WHERE organization_id = %(organization)s AND id = ANY(%(ids)s)
        ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE catalog_dataset d SET last_written_at = greatest(d.last_written_at, new.written_at),
        last_read_at = greatest(d.last_read_at, new.read_at)
    FROM new JOIN locked USING (id) WHERE d.organization_id = %(organization)s AND d.id = new.id
"""


@dataclass(slots=True)
class DatasetRow:
    id: UUID
    last_written_at: Instant = None
    last_read_at: Instant = None


@dataclass(slots=True)
class Stock:
    """Datasets by the name a producer gave them. `aliases` are namespaces that connections declare as one."""

    aliases: Mapping[str, str]
    rows: dict[tuple[str, str], DatasetRow] = field(default_factory=dict)
    _written: dict[UUID, datetime.datetime] = field(default_factory=dict)
    _read: dict[UUID, datetime.datetime] = field(default_factory=dict)

    def find(self, ref: DatasetRef) -> DatasetRow:
        return self.rows[ref.namespace, ref.name]

    def stock_up(self, names: Iterable[tuple[str, str]], actor: Actor) -> None:
        """Loads these datasets; those that nobody has named before are made."""
        new = {
            spelled: normalize_dataset(*spelled, aliases=self.aliases)
            for spelled in dict.fromkeys(names)
            if spelled not in self.rows
        }
        if not new:
            return
        identities = {spelled: identity_of(name.namespace, name.name) for spelled, name in new.items()}
        wanted = {identities[spelled]: name for spelled, name in new.items()}
        found = _stored(wanted)
        if missing := {identity: name for identity, name in wanted.items() if identity not in found}:
            found |= _create(missing, actor)
        for spelled, identity in identities.items():
            self.rows[spelled] = found[identity]

    def note(self, row: DatasetRow, at: datetime.datetime, *, is_written: bool) -> None:
        times = self._written if is_written else self._read
        times[row.id] = max(at, times.get(row.id, at))

    def was_written(self, row: DatasetRow) -> bool:
        return row.last_written_at is not None or row.id in self._written

    def write_times(self) -> None:
        rows = {row.id: row for row in self.rows.values()}
        written = {id_: at for id_, at in self._written.items() if _is_due(rows[id_].last_written_at, at)}
        read = {id_: at for id_, at in self._read.items() if _is_due(rows[id_].last_read_at, at)}
        ids = sorted(written.keys() | read.keys())
        if ids:
            times = {"written": [written.get(id_) for id_ in ids], "read": [read.get(id_) for id_ in ids]}
            execute(_TOUCH, ids=ids, **times)


def _is_due(stored: Instant, at: datetime.datetime) -> bool:
    return stored is None or at - stored >= REFRESHED_AFTER


def _stored(identities: Iterable[bytes]) -> dict[bytes, DatasetRow]:
    return {
        bytes(identity): DatasetRow(id_, *times) for id_, identity, *times in fetch(_FIND, identities=list(identities))
    }


def _create(names: Mapping[bytes, DatasetName], actor: Actor) -> dict[bytes, DatasetRow]:
    rows = [
        Dataset(
            namespace=name.namespace,
            name=name.name,
            identity=identity,
            raw_name=name.raw_name[:2100] if name.raw_name != name.name else "",
            search_text=f"{name.name} {name.namespace}".lower(),
            type=name.namespace.partition(":")[0][:30],
        )
        for identity, name in sorted(names.items())
    ]
    Dataset.objects.bulk_create(rows, ignore_conflicts=True)
    found = _stored(names)
    made = [row for row in rows if found[bytes(row.identity)].id == row.id]
    if made:
        record_all(
            actor,
            [(Action.DATASET_OBSERVED, row, "", None, {"namespace": row.namespace, "name": row.name}) for row in made],
        )
    return found
