"""A valid pipeline spec in its normalized form: defaults filled, tags lower-cased and sorted, texts trimmed.

`Spec.as_document()` is what is stored, compared and digested: the wrapped form with the keys in the order of
the documentation, without what is empty, so that a new optional key never changes an old spec.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str | None = None
    tags: tuple[str, ...] = ()

    def as_document(self) -> Document:
        return _filled(name=self.name, type=self.type, tags=self.tags)


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset the pipeline reads. `load_mode`: full, incremental, cdc."""

    id: str
    type: str
    connection_ref: str
    object: str
    load_mode: str = "full"
    watermark_column: str | None = None
    columns: tuple[Column, ...] = ()

    def as_document(self) -> Document:
        return _filled(
            id=self.id,
            type=self.type,
            connection_ref=self.connection_ref,
            object=self.object,
            load_mode=self.load_mode,
            watermark_column=self.watermark_column,
            columns=_documents(self.columns),
        )


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """One output column and the `dataset.column` it comes from."""

    to: str
    sources: tuple[str, ...]
    masking: bool = False

    def as_document(self) -> Document:
        return _filled(**{"to": self.to, "from": self.sources, "masking": self.masking or None})


@dataclass(frozen=True, slots=True)
class Transform:
    """A step. `inputs` are ids of datasets or of other transforms, `outputs` ids of targets or names of
    intermediate results."""

    id: str
    type: str
    code_ref: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    code_sha256: str | None = None
    column_lineage: tuple[ColumnMapping, ...] = ()

    def as_document(self) -> Document:
        named = {"id": self.id, "type": self.type, "code_ref": self.code_ref, "inputs": list(self.inputs)}
        return named | _filled(
            outputs=self.outputs,
            code_sha256=self.code_sha256,
            column_lineage=_documents(self.column_lineage),
        )


@dataclass(frozen=True, slots=True)
class Target:
    """A dataset the pipeline writes. `write_mode`: append, overwrite, merge."""

    id: str
    type: str
    connection_ref: str
    object: str
    write_mode: str = "append"
    primary_key: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()

    def as_document(self) -> Document:
        return _filled(
            id=self.id,
            type=self.type,
            connection_ref=self.connection_ref,
            object=self.object,
            write_mode=self.write_mode,
            primary_key=self.primary_key,
            columns=_documents(self.columns),
        )


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """A quality rule. `severity`: error, warn."""

    id: str
    dataset: str
    sql: str | None = None
    severity: str = "error"

    def as_document(self) -> Document:
        return _filled(id=self.id, dataset=self.dataset, sql=self.sql, severity=self.severity)


@dataclass(frozen=True, slots=True)
class Slo:
    freshness_minutes: int | None = None
    success_rate: float | None = None

    def as_document(self) -> Document:
        return _filled(freshness_minutes=self.freshness_minutes, success_rate=self.success_rate)


@dataclass(frozen=True, slots=True)
class OpenLineageJob:
    """A job whose events are runs of this pipeline."""

    namespace: str
    job: str

    def as_document(self) -> Document:
        return _filled(namespace=self.namespace, job=self.job)


@dataclass(frozen=True, slots=True)
class Edge:
    """Declared lineage between two ids of the spec."""

    from_id: str
    to_id: str

    def as_document(self) -> Document:
        return {"from": self.from_id, "to": self.to_id}


@dataclass(frozen=True, slots=True)
class SpecSource:
    """Where CI found the spec; not part of its content."""

    repository: str | None = None
    commit: str | None = None
    path: str | None = None
    run_url: str | None = None

    def as_document(self) -> Document:
        return _filled(repository=self.repository, commit=self.commit, path=self.path, run_url=self.run_url)


@dataclass(frozen=True, slots=True)
class Spec:
    name: str
    description: str
    owner: str
    environment: str
    schedule: str | None
    timezone: str = "UTC"
    tags: tuple[str, ...] = ()
    namespace: str = "default"
    version: str | None = None
    sources: tuple[Source, ...] = ()
    transforms: tuple[Transform, ...] = ()
    targets: tuple[Target, ...] = ()
    checks: tuple[CheckSpec, ...] = ()
    slo: Slo | None = None
    openlineage: tuple[OpenLineageJob, ...] = ()
    edges: tuple[Edge, ...] = ()
    source: SpecSource | None = None

    @property
    def datasets(self) -> dict[str, Source | Target]:
        """What has a physical name, by id: the sources, then the targets."""
        found: dict[str, Source | Target] = {source.id: source for source in self.sources}
        return found | {target.id: target for target in self.targets}

    def as_document(self) -> Document:
        return _filled(
            version=self.version,
            pipeline=self._pipeline_document(),
            sources=_documents(self.sources),
            transforms=_documents(self.transforms),
            targets=_documents(self.targets),
            checks=_documents(self.checks),
            slo=self.slo.as_document() if self.slo else None,
            openlineage=_documents(self.openlineage),
            lineage={"edges": _documents(self.edges)} if self.edges else None,
            source=self.source.as_document() if self.source else None,
        )

    def _pipeline_document(self) -> Document:
        return {
            "name": self.name,
            "description": self.description,
            "owner": self.owner,
            "environment": self.environment,
            "schedule": self.schedule,
        } | _filled(timezone=self.timezone, tags=self.tags, namespace=self.namespace)


def _documents(items: Iterable[Any]) -> list[Document]:
    return [item.as_document() for item in items]


def _filled(**fields: Any) -> Document:
    """Without None, empty lists and empty objects; tuples become lists."""
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}
    return {key: value for key, value in plain.items() if value not in (None, [], {})}
