"""The columns of datasets, as their schemas tell them; nothing is written while a schema stays the same."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from uuid import UUID

import orjson

from catalog.models import Dataset, DatasetColumn
from catalog.openlineage.facets import Column
from dataxpipe.postgres.bulk import update_rows

Schema = tuple[datetime.datetime, Sequence[Column]]


def write_columns(schemas: Mapping[UUID, Schema]) -> None:
    """Columns that a schema no longer has end with it; a schema older than the one known is passed over."""
    if not schemas:
        return
    fields = ("id", "organization", "schema_digest", "schema_changed_at")
    changed = []
    locked = Dataset.objects.filter(id__in=schemas).order_by("id").select_for_update(no_key=True)
    for dataset in locked.only(*fields):
        at, columns = schemas[dataset.id]
        digest = _digest(columns)
        is_late = dataset.schema_changed_at is not None and at < dataset.schema_changed_at
        if is_late or (dataset.schema_digest is not None and bytes(dataset.schema_digest) == digest):
            continue
        dataset.schema_digest, dataset.schema_changed_at = digest, at
        changed.append(dataset)
    update_rows(changed, ["schema_digest", "schema_changed_at"])
    if changed:
        _write({dataset.id: schemas[dataset.id] for dataset in changed})


def tag_columns(tags: Mapping[tuple[UUID, str], Sequence[str]]) -> None:
    """Adds tags to columns that are there."""
    datasets = {dataset_id for dataset_id, _ in tags}
    if not datasets:
        return
    changed = []
    for row in DatasetColumn.objects.filter(dataset_id__in=datasets, name__in={name for _, name in tags}):
        if new := set(tags.get((row.dataset_id, row.name), ())) - set(row.tags):
            row.tags = sorted({*row.tags, *new})
            changed.append(row)
    for row in sorted(changed, key=lambda row: row.id):
        row.save(update_fields=["tags"])


def _write(schemas: Mapping[UUID, Schema]) -> None:
    known: dict[UUID, dict[str, DatasetColumn]] = {dataset_id: {} for dataset_id in schemas}
    for row in DatasetColumn.objects.filter(dataset_id__in=schemas):
        known[row.dataset_id][row.name] = row
    changed = []
    for dataset_id, (at, columns) in schemas.items():
        for column in columns:
            row = known[dataset_id].get(column.name) or DatasetColumn(
                dataset_id=dataset_id, name=column.name, position=-1, first_seen_at=at
            )
            said = (column.position, column.type or "", column.description or row.description, None)
            if said != (row.position, row.type, row.description, row.ended_at):
                row.position, row.type, row.description, row.ended_at = said
                changed.append(row)
        names = {column.name for column in columns}
        for name, row in known[dataset_id].items():
            if name not in names and row.ended_at is None:
                row.ended_at = at
                changed.append(row)
    changed.sort(key=lambda row: (row.dataset_id, row.name))
    DatasetColumn.objects.bulk_create(
        changed,
        update_conflicts=True,
        unique_fields=["organization", "dataset", "name"],
        update_fields=["position", "type", "description", "ended_at"],
    )


def _digest(columns: Sequence[Column]) -> bytes:
    return hashlib.sha256(orjson.dumps(list(columns))).digest()
