"""Facets, stored once by content; and which of them runs, jobs and datasets carry now."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from catalog.openlineage.facets import FACET_LIMIT_BYTES, trim_facet
from catalog.services.statements import execute, fetch, insert_rows
from dataxpipe.postgres.fields import uuid7

Subject = tuple[str, UUID]
Use = tuple[Subject, str]

# A facet of a job or dataset that is only said again is not written again, until this much time has passed.
REFRESHED_AFTER = datetime.timedelta(hours=1)

_FACET = {"id": "uuid", "content": "jsonb", "byte_count": "integer", "is_cut": "boolean"}
_USE = {
    "id": "uuid",
    "subject_kind": "varchar",
    "subject_id": "uuid",
    "name": "varchar",
    "facet_id": "uuid",
    "event_time": "timestamptz",
}
_LATEST = """(organization_id, subject_id, name) DO UPDATE SET
    facet_id = excluded.facet_id, event_time = excluded.event_time
    WHERE catalog_facetuse.event_time <= excluded.event_time
"""
_STORED = """
    SELECT subject_id, name, facet_id, event_time FROM catalog_facetuse
    WHERE organization_id = %(organization)s AND subject_id = ANY(%(subjects)s)
"""
_CARRIED = """
    SELECT u.subject_kind, u.subject_id, u.name, u.event_time, f.content::text FROM catalog_facetuse u
    JOIN catalog_facet f ON f.organization_id = u.organization_id AND f.id = u.facet_id
    WHERE u.organization_id = %(organization)s AND u.subject_id = ANY(%(subjects)s)
"""
_COPY = """
    INSERT INTO catalog_facetuse (id, organization_id, subject_kind, subject_id, name, facet_id, event_time)
    SELECT gen_random_uuid(), u.organization_id, u.subject_kind, new.subject_id, u.name, u.facet_id, u.event_time
    FROM unnest(%(sources)s::uuid[], %(targets)s::uuid[]) AS new (source_id, subject_id)
    JOIN catalog_facetuse u ON u.organization_id = %(organization)s AND u.subject_id = new.source_id
    ON CONFLICT (organization_id, subject_id, name) DO NOTHING
"""


@dataclass(slots=True)
class Album:
    """The facets a batch tells, the latest of each name; one that says `_deleted` stands there as such."""

    told: dict[Use, tuple[datetime.datetime, Any]] = field(default_factory=dict)

    def put(self, kind: str, subject_id: UUID, facets: Mapping[str, Any], at: datetime.datetime) -> None:
        for name, content in facets.items():
            use = ((kind, subject_id), name)
            before = self.told.get(use)
            if before is None or before[0] <= at:
                self.told[use] = (at, content)

    def write(self) -> dict[Use, tuple[datetime.datetime, Any]]:
        """Answers the facets whose content is new for their subject: what else is kept of them follows from these."""
        stored = _stored({subject_id for (_, subject_id), _ in self.told})
        facets: dict[UUID, tuple[Any, ...]] = {}
        uses = []
        changed = {}
        for use, (at, content) in self.told.items():
            (kind, subject_id), name = use
            body = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
            facet_id = _content_id(body)
            known = stored.get((subject_id, name))
            if known is not None and not _is_news(kind, known, facet_id, at):
                continue
            if known is None or known[0] != facet_id:
                facets[facet_id] = _facet(facet_id, name, content, body)
                changed[use] = (at, content)
            uses.append((uuid7(), kind, subject_id, name, facet_id, at))
        _write(facets, uses)
        return changed


def copy_uses(subjects: Mapping[UUID, UUID]) -> None:
    """Gives what one subject carries to another as well, where that has nothing of the name."""
    execute(_COPY, sources=list(subjects), targets=list(subjects.values()))


def carried_by(subject_ids: Iterable[UUID]) -> dict[Use, tuple[datetime.datetime, Any]]:
    """The facets that these carry now, as `Album.write` answers those that are new."""
    rows = fetch(_CARRIED, subjects=list(subject_ids))
    return {((kind, subject_id), name): (at, orjson.loads(content)) for kind, subject_id, name, at, content in rows}


def _content_id(body: bytes) -> UUID:
    return UUID(bytes=hashlib.sha256(body).digest()[:16])


def _is_news(kind: str, known: tuple[UUID, datetime.datetime], facet_id: UUID, at: datetime.datetime) -> bool:
    """Later than what is stored; where only the time is new, runs keep it exactly and others roughly."""
    stored_id, stored_at = known
    if stored_id != facet_id:
        return at >= stored_at
    return at > stored_at if kind == "run" else at - stored_at >= REFRESHED_AFTER


def _facet(facet_id: UUID, name: str, content: Any, body: bytes) -> tuple[Any, ...]:
    if len(body) <= FACET_LIMIT_BYTES:
        return facet_id, body.decode(), len(body), False
    cut, is_cut = trim_facet(name, content)
    return facet_id, orjson.dumps(cut).decode(), len(body), is_cut


def _write(facets: Mapping[UUID, tuple[Any, ...]], uses: Iterable[tuple[Any, ...]]) -> None:
    insert_rows("catalog_facet", _FACET, [facets[id_] for id_ in sorted(facets)], conflict="DO NOTHING")
    rows = sorted(uses, key=lambda row: (row[2], row[3]))
    insert_rows("catalog_facetuse", _USE, rows, conflict=_LATEST)


def _stored(subject_ids: set[UUID]) -> dict[tuple[UUID, str], tuple[UUID, datetime.datetime]]:
    if not subject_ids:
        return {}
    rows = fetch(_STORED, subjects=sorted(subject_ids))
    return {(subject_id, name): (facet_id, at) for subject_id, name, facet_id, at in rows}
