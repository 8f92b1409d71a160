"""Writing down what specs declare: tags, owners, jobs, steps, datasets, columns, checks and lineage.

Everything works on many pipelines at once: per table one statement that reads and one that writes, rows in
one order, nothing for what has not changed.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catalog.models import (
    Check,
    ColumnLink,
    Dataset,
    DatasetAlias,
    DatasetColumn,
    Direction,
    LineageLink,
    LinkOrigin,
    Pipeline,
    PipelineJob,
    PipelineOwner,
    PipelineTag,
    Step,
    identity_of,
)
from catalog.services.lineage_version import lineage_changed
from catalog.services.registration import DatasetKey
from catalog.spec.lineage import DeclaredLineage, derive_lineage
from catalog.spec.model import Spec

StepKey = tuple[uuid.UUID, str]


@dataclass(frozen=True, slots=True)
class Declaration:
    """A pipeline and the spec that is now current. `previous` is the document before, None for a new pipeline."""

    pipeline: Pipeline
    spec: Spec
    datasets: Mapping[str, DatasetKey]
    lineage: DeclaredLineage
    is_new: bool
    previous: dict[str, Any] | None = None
    previous_tags: frozenset[str] = frozenset()
    previous_owners: frozenset[str] = frozenset()

    @classmethod
    def of(cls, pipeline: Pipeline, spec: Spec, datasets: Mapping[str, DatasetKey], **fields: Any) -> Declaration:
        return cls(pipeline, spec, datasets, derive_lineage(spec), **fields)

    @property
    def tags(self) -> set[str]:
        return set(self.spec.tags)

    @property
    def owner_names(self) -> set[str]:
        return {entry["name"] for entry in self.pipeline.owners}


@dataclass(slots=True)
class _Ids:
    """The rows that links refer to."""

    steps: dict[StepKey, uuid.UUID] = field(default_factory=dict)
    datasets: dict[DatasetKey, uuid.UUID] = field(default_factory=dict)


def write_declarations(declarations: Sequence[Declaration], now: datetime.datetime) -> None:
    """Makes the catalog say what the specs say. The pipelines themselves are saved before."""
    declarations = sorted(declarations, key=lambda declaration: declaration.pipeline.pk)
    link_tags(declarations)
    link_owners(declarations)
    _write_jobs(declarations)
    write_lineage(declarations, now)


def write_lineage(declarations: Sequence[Declaration], now: datetime.datetime) -> None:
    """Steps, datasets and everything that hangs on them; all that changes when a connection moves."""
    ids = _Ids(steps=_write_steps(declarations, now), datasets=ensure_datasets(declarations))
    _write_aliases(declarations, ids)
    _write_columns(declarations, ids, now)
    _write_checks(declarations, ids, now)
    is_changed = _write_links(declarations, ids, now)
    is_changed |= _write_column_links(declarations, ids, now)
    if is_changed:
        lineage_changed()


def _existing(declarations: Iterable[Declaration]) -> list[uuid.UUID]:
    return [declaration.pipeline.pk for declaration in declarations if not declaration.is_new]


def _upsert(model: Any, rows: Iterable[Any], *, key: Sequence[str], fields: Sequence[str]) -> None:
    model.objects.bulk_create(
        list(rows), update_conflicts=True, unique_fields=["organization", *key], update_fields=list(fields)
    )


def link_tags(declarations: Iterable[Declaration]) -> None:
    changed = [d for d in declarations if d.tags != d.previous_tags]
    if gone := [d.pipeline.pk for d in changed if d.previous_tags]:
        PipelineTag.objects.filter(pipeline__in=gone).delete()
    PipelineTag.objects.bulk_create(
        [PipelineTag(tag=tag, pipeline=d.pipeline) for d in changed for tag in sorted(d.tags)], ignore_conflicts=True
    )


def link_owners(declarations: Iterable[Declaration]) -> None:
    changed = [d for d in declarations if d.owner_names != d.previous_owners]
    if gone := [d.pipeline.pk for d in changed if d.previous_owners]:
        PipelineOwner.objects.filter(pipeline__in=gone).delete()
    PipelineOwner.objects.bulk_create(
        [PipelineOwner(owner=owner, pipeline=d.pipeline) for d in changed for owner in sorted(d.owner_names)],
        ignore_conflicts=True,
    )


def _write_jobs(declarations: Sequence[Declaration]) -> None:
    wanted = {
        identity_of(job.namespace, job.job): PipelineJob(
            namespace=job.namespace,
            name=job.job,
            identity=identity_of(job.namespace, job.job),
            pipeline=declaration.pipeline,
        )
        for declaration in declarations
        for job in declaration.spec.openlineage
    }
    known = list(PipelineJob.objects.filter(pipeline__in=ids)) if (ids := _existing(declarations)) else []
    kept = {bytes(row.identity) for row in known if _is_same_claim(row, wanted)}
    if gone := [row.pk for row in known if bytes(row.identity) not in kept]:
        PipelineJob.objects.filter(pk__in=gone).delete()
    new = [wanted[identity] for identity in sorted(wanted) if identity not in kept]
    PipelineJob.objects.bulk_create(new)


def _is_same_claim(row: PipelineJob, wanted: Mapping[bytes, PipelineJob]) -> bool:
    job = wanted.get(bytes(row.identity))
    return job is not None and job.pipeline.pk == row.pipeline_id


def _write_steps(declarations: Sequence[Declaration], now: datetime.datetime) -> dict[StepKey, uuid.UUID]:
    """The ids of the declared steps; those that specs no longer declare end."""
    known: dict[StepKey, Step] = {}
    if ids := _existing(declarations):
        known = {(row.pipeline_id, row.name): row for row in Step.objects.filter(pipeline__in=ids, namespace="")}
    wanted: dict[StepKey, tuple[str, str]] = {}
    for declaration in declarations:
        pk = declaration.pipeline.pk
        for transform in declaration.spec.transforms:
            wanted[pk, transform.id] = (transform.type[:60], transform.code_ref)
        for name in {link.step for link in declaration.lineage.links if link.step}:
            wanted.setdefault((pk, name), ("load", ""))
    changed = []
    for key, (kind, code_ref) in wanted.items():
        step = known.get(key)
        if step is None:
            step = known[key] = Step(pipeline_id=key[0], name=key[1], identity=identity_of("", key[1]))
        elif (step.kind, step.code_ref, step.ended_at) == (kind, code_ref, None):
            continue
        step.kind, step.code_ref, step.ended_at = kind, code_ref, None
        changed.append(step)
    for key, step in known.items():
        if key not in wanted and step.ended_at is None:
            step.ended_at = now
            changed.append(step)
    changed.sort(key=lambda step: (step.pipeline_id, step.name))
    _upsert(Step, changed, key=["pipeline", "identity"], fields=["kind", "code_ref", "ended_at"])
    return {key: known[key].pk for key in wanted}


def ensure_datasets(declarations: Iterable[Declaration]) -> dict[DatasetKey, uuid.UUID]:
    """The ids of the named datasets; those that nobody has named before are made."""
    types = {
        name: declaration.spec.datasets[item].type
        for declaration in declarations
        for item, name in declaration.datasets.items()
    }
    names = {identity_of(*name): name for name in types}
    found = _dataset_ids(names)
    missing = sorted(names.keys() - found.keys())
    if missing:
        rows = [
            Dataset(
                namespace=names[identity][0],
                name=names[identity][1],
                identity=identity,
                search_text=" ".join(reversed(names[identity])).lower(),
                type=types[names[identity]][:30],
            )
            for identity in missing
        ]
        Dataset.objects.bulk_create(rows, ignore_conflicts=True)
        found |= _dataset_ids(missing)  # ours, or those of whoever was faster
    return {name: found[identity] for identity, name in names.items()}


def _dataset_ids(identities: Iterable[bytes]) -> dict[bytes, uuid.UUID]:
    wanted = sorted(identities)
    if not wanted:
        return {}
    rows = Dataset.objects.filter(identity__in=wanted).values_list("identity", "id")
    return {bytes(identity): pk for identity, pk in rows}


def _write_aliases(declarations: Sequence[Declaration], ids: _Ids) -> None:
    wanted = {(d.pipeline.pk, alias): ids.datasets[name] for d in declarations for alias, name in d.datasets.items()}
    known = {}
    if existing := _existing(declarations):
        known = {(row.pipeline_id, row.alias): row for row in DatasetAlias.objects.filter(pipeline__in=existing)}
    if gone := [row.pk for key, row in known.items() if key not in wanted]:
        DatasetAlias.objects.filter(pk__in=gone).delete()
    changed = [
        DatasetAlias(pipeline_id=key[0], alias=key[1], dataset_id=dataset)
        for key, dataset in sorted(wanted.items())
        if key not in known or known[key].dataset_id != dataset
    ]
    _upsert(DatasetAlias, changed, key=["pipeline", "alias"], fields=["dataset"])


def _write_columns(declarations: Sequence[Declaration], ids: _Ids, now: datetime.datetime) -> None:
    """Columns that this spec declares; those that only its last version declared end until somebody sees them."""
    wanted = {
        (ids.datasets[declaration.datasets[item.id]], column.name): (position, column)
        for declaration in declarations
        for item in declaration.spec.datasets.values()
        for position, column in enumerate(item.columns)
    }
    dropped = {
        (ids.datasets[declaration.datasets[item]], name)
        for declaration in declarations
        for item, name in _columns_before(declaration)
        if item in declaration.datasets
    } - wanted.keys()
    if not wanted and not dropped:
        return
    tables = {dataset for dataset, _ in wanted.keys() | dropped}
    known = {(row.dataset_id, row.name): row for row in DatasetColumn.objects.filter(dataset__in=tables)}
    changed = []
    for key, (position, column) in sorted(wanted.items(), key=lambda item: item[0]):
        row = known.get(key) or DatasetColumn(dataset_id=key[0], name=key[1], first_seen_at=now, position=-1)
        said = (position, column.type or row.type, list(column.tags) or row.tags, None)
        if said != (row.position, row.type, row.tags, row.ended_at):
            row.position, row.type, row.tags, row.ended_at = said
            changed.append(row)
    for key in sorted(dropped & known.keys()):
        if known[key].ended_at is None:
            known[key].ended_at = now
            changed.append(known[key])
    changed.sort(key=lambda row: (row.dataset_id, row.name))
    _upsert(DatasetColumn, changed, key=["dataset", "name"], fields=["position", "type", "tags", "ended_at"])


def _columns_before(declaration: Declaration) -> Iterable[tuple[str, str]]:
    """(id of the dataset, name) of the columns in the document before."""
    previous = declaration.previous or {}
    for section in ("sources", "targets"):
        for item in previous.get(section, ()):
            for column in item.get("columns", ()):
                yield item["id"], column["name"]


def _write_checks(declarations: Sequence[Declaration], ids: _Ids, now: datetime.datetime) -> None:
    wanted = {
        (declaration.pipeline.pk, identity_of("", "", check.id)): (declaration, check)
        for declaration in declarations
        for check in declaration.spec.checks
    }
    known: dict[tuple[uuid.UUID, bytes], Check] = {}
    if existing := _existing(declarations):
        rows = Check.objects.filter(pipeline__in=existing)
        known = {(row.pipeline_id, bytes(row.identity)): row for row in rows}
    changed = []
    for key, (declaration, check) in wanted.items():
        row = known.get(key) or Check(pipeline_id=key[0], identity=key[1], check_id=check.id)
        name = declaration.datasets.get(check.dataset)  # an intermediate result is no dataset
        said = (ids.datasets[name] if name else None, check.severity, check.sql or "", Check.Origin.SPEC, None)
        if key not in known or said != (row.dataset_id, row.severity, row.code_ref, row.origin, row.ended_at):
            row.dataset_id, row.severity, row.code_ref, row.origin, row.ended_at = said
            changed.append(row)
    for key, row in known.items():
        if key not in wanted and row.origin == Check.Origin.SPEC and row.ended_at is None:
            row.ended_at = now
            changed.append(row)
    changed.sort(key=lambda row: (row.pipeline_id, bytes(row.identity)))
    fields = ["dataset", "severity", "code_ref", "origin", "ended_at"]
    _upsert(Check, changed, key=["pipeline", "identity"], fields=fields)


def _write_links(declarations: Sequence[Declaration], ids: _Ids, now: datetime.datetime) -> bool:
    """Opens the links that are new and closes those that are gone; says whether there were any."""
    wanted = {
        (d.pipeline.pk, _step_id(d, ids, link.step), ids.datasets[d.datasets[link.dataset]], link.direction)
        for d in declarations
        for link in d.lineage.links
    }
    open_now: dict[Any, uuid.UUID] = {}
    if existing := _existing(declarations):
        rows = LineageLink.objects.valid().filter(pipeline__in=existing, origin=LinkOrigin.DECLARED)
        open_now = {(row.pipeline_id, row.step_id, row.dataset_id, row.direction): row.pk for row in rows}
    if closed := [pk for key, pk in open_now.items() if key not in wanted]:
        LineageLink.objects.filter(pk__in=closed).update(valid_to=now)
    new = [
        LineageLink(
            pipeline_id=pipeline,
            step_id=step,
            dataset_id=dataset,
            direction=Direction(direction),
            origin=LinkOrigin.DECLARED,
            valid_from=now,
            last_seen_at=now,
        )
        for pipeline, step, dataset, direction in sorted(wanted - open_now.keys(), key=str)
    ]
    LineageLink.objects.bulk_create(new)
    return bool(new or closed)


def _write_column_links(declarations: Sequence[Declaration], ids: _Ids, now: datetime.datetime) -> bool:
    wanted: dict[bytes, ColumnLink] = {}
    for declaration in declarations:
        for link in declaration.lineage.columns:
            row = ColumnLink(
                pipeline=declaration.pipeline,
                step_id=_step_id(declaration, ids, link.step),
                from_dataset_id=ids.datasets[declaration.datasets[link.from_dataset]],
                from_column=link.from_column,
                to_dataset_id=ids.datasets[declaration.datasets[link.to_dataset]],
                to_column=link.to_column,
                is_masked=link.masking,
                origin=LinkOrigin.DECLARED,
                valid_from=now,
                last_seen_at=now,
            )
            row.identity = _column_link_identity(row)
            wanted[row.identity] = row
    open_now: dict[bytes, ColumnLink] = {}
    if existing := _existing(declarations):
        rows = ColumnLink.objects.valid().filter(pipeline__in=existing, origin=LinkOrigin.DECLARED)
        open_now = {bytes(row.identity): row for row in rows}
    kept = {key for key, row in open_now.items() if key in wanted and row.is_masked == wanted[key].is_masked}
    if closed := [row.pk for key, row in open_now.items() if key not in kept]:
        ColumnLink.objects.filter(pk__in=closed).update(valid_to=now)
    new = [wanted[key] for key in sorted(wanted.keys() - kept)]
    ColumnLink.objects.bulk_create(new)
    return bool(new or closed)


def _step_id(declaration: Declaration, ids: _Ids, step: str | None) -> uuid.UUID | None:
    return ids.steps[declaration.pipeline.pk, step] if step else None


def _column_link_identity(row: ColumnLink) -> bytes:
    places = (row.pipeline_id, row.step_id or "", row.from_dataset_id, row.to_dataset_id)
    return identity_of(row.origin, *map(str, places), row.from_column, row.to_column)
