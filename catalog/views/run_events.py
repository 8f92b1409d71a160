"""OpenLineage events and facets of a run, folded: their text is shown, never trusted."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from catalog.models import EventInbox, FacetUse

MOST_BYTES = 64_000
BAD = {"FAIL", "ABORT"}


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


def event_rows(events: Iterable[EventInbox], most: int) -> EventRows:
    found = list(events)
    return EventRows([_row(event) for event in found[:most]], len(found) > most)


def _row(event: EventInbox) -> EventRow:
    body = body_of(event)
    return EventRow(event, facet_words(body), pretty(body), event.event_type in BAD)


def body_of(event: EventInbox) -> Any:
    """The event as it was stored; None where it can no longer be read."""
    try:
        return orjson.loads(gzip.decompress(bytes(event.body)))
    except (OSError, EOFError, zlib.error, orjson.JSONDecodeError):
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


def facet_rows(uses: Iterable[FacetUse]) -> list[FacetRow]:
    return [FacetRow(use.name, pretty(use.facet.content), use.facet.is_cut) for use in uses]
