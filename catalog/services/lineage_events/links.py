"""Which pipelines and steps read and write which datasets and columns, as runs were seen to do."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from catalog.models import identity_of
from catalog.openlineage.facets import ColumnSource
from catalog.services.statements import Rows, execute, fetch, insert_rows
from dataxpipe.postgres.fields import uuid7

# A link that is seen again all the time is written again once an hour.
REFRESHED_AFTER = datetime.timedelta(hours=1)
OBSERVED = "observed"


class Link(NamedTuple):
    pipeline_id: UUID
    step_id: UUID | None
    dataset_id: UUID
    direction: str


class ColumnLink(NamedTuple):
    pipeline_id: UUID
    step_id: UUID | None
    from_dataset_id: UUID
    from_column: str
    to_dataset_id: UUID
    to_column: str

    @property
    def identity(self) -> bytes:
        places = (self.pipeline_id, self.step_id or "", self.from_dataset_id, self.to_dataset_id)
        return identity_of(OBSERVED, *map(str, places), self.from_column, self.to_column)


@dataclass(slots=True)
class Span:
    """When a link was seen, first and last."""

    first: datetime.datetime
    last: datetime.datetime

    def widen(self, at: datetime.datetime) -> None:
        self.first, self.last = min(self.first, at), max(self.last, at)

    def after(self, end: datetime.datetime) -> Span:
        """What of it lies after an instant: nothing, when it begins later than it ends."""
        return Span(max(self.first, end), self.last)

    @property
    def is_seen(self) -> bool:
        return self.first <= self.last


@dataclass(slots=True)
class Observations:
    """The links that a batch saw. A run's are the union over its events; none is closed by not being seen."""

    links: dict[Link, Span] = field(default_factory=dict)
    columns: dict[ColumnLink, Span] = field(default_factory=dict)
    transformations: dict[ColumnLink, ColumnSource] = field(default_factory=dict)

    def saw(self, link: Link, at: datetime.datetime) -> None:
        _saw(self.links, link, at)

    def saw_column(self, link: ColumnLink, source: ColumnSource, at: datetime.datetime) -> None:
        _saw(self.columns, link, at)
        if self.columns[link].last == at:
            self.transformations[link] = source

    def write(self) -> bool:
        """Says whether a link appeared, or begins earlier than was known."""
        is_changed = self._write_links()
        return self._write_columns() or is_changed

    def _write_links(self) -> bool:
        if not self.links:
            return False
        first = min(span.first for span in self.links.values())
        pipelines, datasets = {link.pipeline_id for link in self.links}, {link.dataset_id for link in self.links}
        stored = fetch(_STORED, pipelines=sorted(pipelines), datasets=sorted(datasets), since=first)
        news = _News(self.links, stored, lambda columns: Link(*columns))
        rows = [(uuid7(), *link, span.first, span.last) for link, span in news.opened]
        rows.sort(key=lambda row: (row[1], row[3], row[4], str(row[2])))
        insert_rows("catalog_lineagelink", _LINK, rows, constants={"origin": f"'{OBSERVED}'"}, conflict=_LINK_OPEN_ONCE)
        news.refresh("catalog_lineagelink")
        return bool(rows) or news.begins_earlier

    def _write_columns(self) -> bool:
        if not self.columns:
            return False
        identities = {link.identity: link for link in self.columns}
        first = min(span.first for span in self.columns.values())
        pipelines = sorted({link.pipeline_id for link in self.columns})
        stored = fetch(_STORED_COLUMNS, identities=sorted(identities), pipelines=pipelines, since=first)
        news = _News(self.columns, stored, lambda columns: identities.get(bytes(columns[0])))
        rows = [self._column_row(link, span) for link, span in news.opened]
        insert_rows(
            "catalog_columnlink",
            _COLUMN_LINK,
            sorted(rows, key=lambda row: row[9]),
            constants={"origin": f"'{OBSERVED}'"},
            conflict="(organization_id, identity) WHERE valid_to IS NULL DO NOTHING",
        )
        news.refresh("catalog_columnlink")
        return bool(rows) or news.begins_earlier

    def _column_row(self, link: ColumnLink, span: Span) -> tuple[Any, ...]:
        source = self.transformations[link]
        return uuid7(), *link, _words(source), source.is_masking, link.identity, span.first, span.last


class _News:
    """What links of a batch add to those stored: `(id, *key, valid_from, valid_to, last_seen_at)` each."""

    def __init__(self, seen: Mapping[Any, Span], stored: Rows, key_of: Callable[[Sequence[Any]], Any]) -> None:
        self.earlier: dict[UUID, datetime.datetime] = {}
        self.later: dict[UUID, datetime.datetime] = {}
        spans = dict(seen)
        is_open = set()
        for _, *columns, _, valid_to, _ in stored:
            key = key_of(columns)
            if key in spans and valid_to is not None:
                spans[key] = spans[key].after(valid_to)  # what was seen before somebody closed it stays closed
        for id_, *columns, valid_from, valid_to, last_seen_at in stored:
            key = key_of(columns)
            if key not in spans or valid_to is not None:
                continue
            span = spans[key]
            is_open.add(key)
            if span.is_seen and span.first < valid_from:
                self.earlier[id_] = span.first
            if span.last - last_seen_at >= REFRESHED_AFTER:
                self.later[id_] = span.last
        self.opened: Iterable[tuple[Any, Span]] = [
            (key, span) for key, span in spans.items() if key not in is_open and span.is_seen
        ]

    @property
    def begins_earlier(self) -> bool:
        return bool(self.earlier)

    def refresh(self, table: str) -> None:
        ids = sorted(self.earlier.keys() | self.later.keys())
        if ids:
            execute(
                _REFRESH.format(table=table),
                ids=ids,
                earlier=[self.earlier.get(id_) for id_ in ids],
                later=[self.later.get(id_) for id_ in ids],
            )


def _saw(spans: dict[Any, Span], key: Any, at: datetime.datetime) -> None:
    span = spans.get(key)
    if span is None:
        spans[key] = Span(at, at)
    else:
        span.widen(at)


def _words(source: ColumnSource) -> str:
    """`DIRECT/IDENTITY`, in the specification's words; the direct one where there are several."""
    found = sorted(source.transformations, key=lambda transformation: transformation.type != "DIRECT")
    return "/".join(filter(None, (found[0].type, found[0].subtype)))[:100] if found else ""


_LINK = {
    "id": "uuid",
    "pipeline_id": "uuid",
    "step_id": "uuid",
    "dataset_id": "uuid",
    "direction": "varchar",
    "valid_from": "timestamptz",
    "last_seen_at": "timestamptz",
}
_LINK_OPEN_ONCE = (
    "(organization_id, pipeline_id, dataset_id, direction, step_id, origin) WHERE valid_to IS NULL DO NOTHING"
)
_COLUMN_LINK = {
    "id": "uuid",
    "pipeline_id": "uuid",
    "step_id": "uuid",
    "from_dataset_id": "uuid",
    "from_column": "varchar",
    "to_dataset_id": "uuid",
    "to_column": "varchar",
    "transformation": "varchar",
    "is_masked": "boolean",
    "identity": "bytea",
    "valid_from": "timestamptz",
    "last_seen_at": "timestamptz",
}
_STORED = """
    SELECT id, pipeline_id, step_id, dataset_id, direction, valid_from, valid_to, last_seen_at
    FROM catalog_lineagelink
    WHERE organization_id = %(organization)s AND pipeline_id = ANY(%(pipelines)s) AND dataset_id = ANY(%(datasets)s)
        AND origin = 'observed' AND (valid_to IS NULL OR valid_to >= %(since)s)
"""
# The open ones by the index that holds only them, the closed ones by their pipeline.
_STORED_COLUMNS = """
    SELECT id, identity, valid_from, valid_to, last_seen_at FROM catalog_columnlink
    WHERE organization_id = %(organization)s AND identity = ANY(%(identities)s) AND valid_to IS NULL
    UNION ALL
    SELECT id, identity, valid_from, valid_to, last_seen_at FROM catalog_columnlink
    WHERE organization_id = %(organization)s AND pipeline_id = ANY(%(pipelines)s) AND valid_to >= %(since)s
        AND origin = 'observed'
"""
_REFRESH = """
    UPDATE {table} l SET valid_from = least(l.valid_from, new.earlier),
        last_seen_at = greatest(l.last_seen_at, new.later)
    FROM unnest(%(ids)s::uuid[], %(earlier)s::timestamptz[], %(later)s::timestamptz[]) AS new (id, earlier, later)
    WHERE l.organization_id = %(organization)s AND l.id = new.id
"""
