"""Facets of a dataset: columns, where they come from, other names, quality and size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.openlineage.facets.shapes import members
from catalog.openlineage.facets.values import flag, mapping, moment, number, objects, text, whole

# per dataset: what no warehouse reaches, and what keeps one event from writing a million rows
MAX_COLUMNS = 5_000
MAX_COLUMN_SOURCES = 20_000
COLUMN_NAME_LENGTH = 500
COLUMN_TYPE_LENGTH = 500
LIFECYCLE_STATES = frozenset({"ALTER", "CREATE", "DROP", "OVERWRITE", "RENAME", "TRUNCATE"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column; nested ones are named by their path, `address.city`. Positions count from 1."""

    name: str
    type: str | None
    description: str | None
    position: int


@dataclass(frozen=True, slots=True)
class DataSource:
    name: str | None
    uri: str | None


@dataclass(frozen=True, slots=True)
class Transformation:
    type: str
    subtype: str | None
    description: str | None
    is_masking: bool


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """A column of an input dataset, under its name as sent."""

    namespace: str
    name: str
    field: str
    transformations: tuple[Transformation, ...]

    @property
    def is_direct(self) -> bool:
        """False where the column only filters, joins, groups or sorts. Silence counts as direct."""
        return not self.transformations or any(t.type == "DIRECT" for t in self.transformations)

    @property
    def is_masking(self) -> bool:
        """True where no transformation lets the original value through."""
        direct = [t for t in self.transformations if t.type == "DIRECT"] or self.transformations
        return bool(direct) and all(t.is_masking for t in direct)


@dataclass(frozen=True, slots=True)
class ColumnLineage:
    """`fields`: the sources of each column; `dataset`: what decides over whole rows (filters, joins)."""

    fields: Mapping[str, tuple[ColumnSource, ...]]
    dataset: tuple[ColumnSource, ...]


@dataclass(frozen=True, slots=True)
class Symlink:
    namespace: str
    name: str
    type: str | None


@dataclass(frozen=True, slots=True)
class LifecycleStateChange:
    """`state`: ALTER, CREATE, DROP, OVERWRITE, RENAME or TRUNCATE; a rename tells the previous name."""

    state: str
    previous_namespace: str | None
    previous_name: str | None


@dataclass(frozen=True, slots=True)
class Storage:
    storage_layer: str
    file_format: str | None


@dataclass(frozen=True, slots=True)
class ColumnMetrics:
    null_count: int | None
    distinct_count: int | None
    count: float | None
    sum: float | None
    min: float | None
    max: float | None
    quantiles: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class DataQualityMetrics:
    row_count: int | None
    size_bytes: int | None
    file_count: int | None
    last_updated_at: datetime | None
    columns: Mapping[str, ColumnMetrics]


@dataclass(frozen=True, slots=True)
class AssertionResult:
    """The outcome of one quality rule; `status` and `severity` in the words of check results."""

    name: str
    assertion: str
    column: str | None
    status: str
    severity: str
    expected: str | None
    actual: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class Statistics:
    row_count: int | None
    size_bytes: int | None
    file_count: int | None


def read_schema(facet: Any) -> tuple[Column, ...] | None:
    """Columns in order, nested ones after their parent; of equal names the first, at most `MAX_COLUMNS`.

    Paths over `COLUMN_NAME_LENGTH` are left out, longer types (structs written out) are cut.
    """
    if (found := members("schema", facet)) is None:
        return None
    columns: dict[str, Column] = {}
    for name, field in _flattened(found["fields"], ""):
        if len(columns) == MAX_COLUMNS:
            break
        kind = (text(field.get("type")) or "")[:COLUMN_TYPE_LENGTH]
        column = Column(name, kind or None, text(field.get("description")), len(columns) + 1)
        columns.setdefault(name, column)
    return tuple(columns.values())


def read_data_source(facet: Any) -> DataSource | None:
    if (found := members("dataSource", facet)) is None:
        return None
    return DataSource(text(found.get("name")), text(found.get("uri")))


def read_column_lineage(facet: Any) -> ColumnLineage | None:
    if (found := members("columnLineage", facet)) is None:
        return None
    fields: dict[str, tuple[ColumnSource, ...]] = {}
    room = MAX_COLUMN_SOURCES
    for column, entry in list(found["fields"].items())[:MAX_COLUMNS]:
        sources = _column_sources(mapping(entry).get("inputFields"), _old_transformation(mapping(entry)))
        if text(column) and len(column) <= COLUMN_NAME_LENGTH and sources:
            fields[column] = sources[:room]
            room -= len(fields[column])
        if not room:
            break
    return ColumnLineage(fields, _column_sources(found.get("dataset"), ())[:MAX_COLUMNS])


def read_symlinks(facet: Any) -> tuple[Symlink, ...] | None:
    if (found := members("symlinks", facet)) is None:
        return None
    return tuple(
        Symlink(namespace, name, text(entry.get("type")))
        for entry in objects(found["identifiers"])
        if (namespace := text(entry.get("namespace"))) and (name := text(entry.get("name")))
    )


def read_lifecycle_state_change(facet: Any) -> LifecycleStateChange | None:
    if (found := members("lifecycleStateChange", facet)) is None:
        return None
    state, previous = found["lifecycleStateChange"].upper(), mapping(found.get("previousIdentifier"))
    if state not in LIFECYCLE_STATES:
        return None
    return LifecycleStateChange(state, text(previous.get("namespace")), text(previous.get("name")))


def read_dataset_version(facet: Any) -> str | None:
    found = members("datasetVersion", facet)
    return None if found is None else text(found["datasetVersion"])


def read_storage(facet: Any) -> Storage | None:
    if (found := members("storage", facet)) is None:
        return None
    return Storage(found["storageLayer"], text(found.get("fileFormat")))


def read_data_quality_metrics(facet: Any) -> DataQualityMetrics | None:
    if (found := members("dataQualityMetrics", facet)) is None:
        return None
    return DataQualityMetrics(
        row_count=whole(found.get("rowCount")),
        size_bytes=whole(found.get("bytes")),
        file_count=whole(found.get("fileCount")),
        last_updated_at=moment(found.get("lastUpdated")),
        columns={
            column: _column_metrics(metrics)
            for column, metrics in list(found["columnMetrics"].items())[:MAX_COLUMNS]
            if isinstance(metrics, dict)
        },
    )


def read_data_quality_assertions(facet: Any) -> tuple[AssertionResult, ...] | None:
    """Assertions about one dataset; those that do not say whether they held are passed over."""
    if (found := members("dataQualityAssertions", facet)) is None:
        return None
    return tuple(
        _assertion_result(entry, assertion, "pass" if success else "fail")
        for entry in objects(found["assertions"])
        if (assertion := text(entry.get("assertion"))) and (success := flag(entry.get("success"))) is not None
    )


def read_tests(facet: Any) -> tuple[AssertionResult, ...] | None:
    """The run facet `test`: results that name no dataset."""
    if (found := members("test", facet)) is None:
        return None
    return tuple(
        _assertion_result(entry, text(entry.get("type")) or name, status)
        for entry in objects(found["tests"])
        if (name := text(entry.get("name"))) and (status := _test_status(entry.get("status")))
    )


def read_statistics(facet: Any) -> Statistics | None:
    """`inputStatistics` and `outputStatistics`: rows, bytes and files this run read or wrote."""
    if (found := members("inputStatistics", facet)) is None:
        return None
    return Statistics(whole(found.get("rowCount")), whole(found.get("size")), whole(found.get("fileCount")))


read_input_statistics = read_statistics
read_output_statistics = read_statistics


def _flattened(fields: Any, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for field in objects(fields):
        if name := text(field.get("name")):
            if len(prefix) + len(name) > COLUMN_NAME_LENGTH:
                continue
            yield prefix + name, field
            yield from _flattened(field.get("fields"), f"{prefix}{name}.")


def _column_sources(value: Any, otherwise: tuple[Transformation, ...]) -> tuple[ColumnSource, ...]:
    found = []
    for entry in objects(value):
        namespace, name = text(entry.get("namespace")), text(entry.get("name"))
        field = text(entry.get("field"))
        if namespace and name and field and len(field) <= COLUMN_NAME_LENGTH:
            transformations = tuple(_transformations(entry.get("transformations"))) or otherwise
            found.append(ColumnSource(namespace, name, field, transformations))
    return tuple(found)


def _transformations(value: Any) -> Iterator[Transformation]:
    for entry in objects(value):
        if kind := text(entry.get("type")):
            subtype, description = text(entry.get("subtype")), text(entry.get("description"))
            yield Transformation(kind.upper(), subtype, description, entry.get("masking") is True)


def _old_transformation(field: dict[str, Any]) -> tuple[Transformation, ...]:
    """Before 1-1-0 one type, IDENTITY or MASKED, stood for all input fields."""
    if (kind := text(field.get("transformationType"))) is None:
        return ()
    description = text(field.get("transformationDescription"))
    return (Transformation("DIRECT", kind.upper(), description, kind.upper() == "MASKED"),)


def _column_metrics(metrics: dict[str, Any]) -> ColumnMetrics:
    quantiles = ((key, number(value)) for key, value in mapping(metrics.get("quantiles")).items())
    return ColumnMetrics(
        null_count=whole(metrics.get("nullCount")),
        distinct_count=whole(metrics.get("distinctCount")),
        count=number(metrics.get("count")),
        sum=number(metrics.get("sum")),
        min=number(metrics.get("min")),
        max=number(metrics.get("max")),
        quantiles={key: value for key, value in quantiles if value is not None},
    )


def _assertion_result(entry: dict[str, Any], assertion: str, status: str) -> AssertionResult:
    return AssertionResult(
        name=text(entry.get("name")) or assertion,
        assertion=assertion,
        column=text(entry.get("column")) or text(mapping(entry.get("params")).get("column_name")),
        status=status,
        severity="warn" if (text(entry.get("severity")) or "").lower().startswith("warn") else "error",
        expected=_as_text(entry.get("expected")),
        actual=_as_text(entry.get("actual")),
        message=text(entry.get("description")),
    )


def _as_text(value: Any) -> str | None:
    """Values are strings by the specification and numbers in practice."""
    return str(value) if isinstance(value, int | float) else text(value)


def _test_status(value: Any) -> str | None:
    words = {"pass": "pass", "fail": "fail", "error": "error", "skip": "skipped", "skipped": "skipped"}
    return words.get(value.lower()) if isinstance(value, str) else None
