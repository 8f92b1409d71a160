"""OpenLineage events and facets of a run, folded: their text is shown, never trusted."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from catalog.models import EventInbox, FacetUse
from catalog.openlineage.masking import redact_sources
from catalog.services.lineage_events.inbox import document_of
from orgs.permissions import Right
from orgs.requests import OrganizationRequest

MOST_BYTES = 64_000
BAD = {"FAIL", "ABORT"}


@dataclass(frozen=True, slots=True)
class Sight:
    """Which code in events a person may see: an organization can keep it to its editors."""

    sql: bool
    source_code: bool

    @classmethod
    def of(cls, request: OrganizationRequest) -> Sight:
        wide_enough = {"all", "editors"} if request.actor.may(Right.WRITE_CATALOG) else {"all"}
        setting = request.organization.setting
        return cls(setting("store_sql") in wide_enough, setting("store_source_code") in wide_enough)

    def seen(self, body: Any) -> Any:
        return redact_sources(body, self.sql, self.source_code) if isinstance(body, dict) else body


@dataclass(frozen=True, slots=True)
class EventRow:
    event: Any
    facets: str
    json: str
    is_bad: bool


@dataclass(frozen=True, slots=True)
class EventRows:
    rows: list[EventRow]
    is_truncated: bool


def event_rows(events: Iterable[EventInbox], most: int, sight: Sight) -> EventRows:
    found = list(events)
    return EventRows([_row(event, sight) for event in found[:most]], len(found) > most)


def _row(event: EventInbox, sight: Sight) -> EventRow:
    body = sight.seen(body_of(event))
    return EventRow(event, facet_words(body), pretty(body), event.event_type in BAD)


def body_of(event: EventInbox) -> Any:
    """The event as it was stored; None where it can no longer be read."""
    try:
        return document_of(bytes(event.body))
    except (zlib.error, orjson.JSONDecodeError):
        return None


def facet_words(body: Any) -> str:
    """Up to three names of facets, or how many there are."""
    if not isinstance(body, dict):
        return ""
    names = [name for part in ("run", "job") for name in ((body.get(part) or {}).get("facets") or {})]
    if len(names) <= 3:
        return ", ".join(names)
    return f"{len(names)} facets"


def pretty(value: Any) -> str:
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return text if len(text) <= MOST_BYTES else text[:MOST_BYTES] + "\n…"


@dataclass(frozen=True, slots=True)
class FacetRow:
    name: str
    json: str
    is_cut: bool


def facet_rows(uses: Iterable[FacetUse], sight: Sight) -> list[FacetRow]:
    by_name = {use.name: use.facet for use in uses}
    seen = sight.seen({"run": {"facets": {name: facet.content for name, facet in by_name.items()}}})
    return [FacetRow(name, pretty(content), by_name[name].is_cut) for name, content in seen["run"]["facets"].items()]
