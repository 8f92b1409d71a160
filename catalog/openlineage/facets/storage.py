"""How facets are stored: once by content, and never larger than a limit."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

FACET_LIMIT_BYTES = 256_000
_NOTHING_FITS = object()


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def facet_digest(value: Any) -> bytes:
    """SHA-256 of the facet's JSON with sorted keys: equal facets are one row."""
    return hashlib.sha256(_json(value)).digest()


def trim_facet(name: str, value: Any, limit: int = FACET_LIMIT_BYTES) -> tuple[Any, bool]:
    """`(facet, is_cut)`: the facet itself, or what of it fits `limit` bytes of JSON.

    Small members stay whole, long texts and lists keep their beginnings, so that a Spark plan of megabytes
    leaves its head and never pushes out the members beside it. `_producer` and `_schemaURL` are small.
    """
    if len(_json(value)) <= limit:
        return value, False
    cut = _shortened(value, limit)
    return ({} if cut is _NOTHING_FITS else cut), True


def _shortened(value: Any, room: int) -> Any:
    if len(_json(value)) <= room:
        return value
    if isinstance(value, str):
        return _shortened_text(value, room)
    if isinstance(value, list):
        return _shortened_list(value, room)
    if isinstance(value, dict):
        return _shortened_object(value, room)
    return _NOTHING_FITS


def _shortened_text(value: str, room: int) -> Any:
    kept = value[: max(room - 2, 0)]
    while kept and len(_json(kept)) > room:  # escapes and UTF-8 take up to six bytes a character
        kept = kept[: len(kept) * 3 // 4]
    return kept if room >= 2 else _NOTHING_FITS


def _shortened_list(value: list[Any], room: int) -> Any:
    kept: list[Any] = []
    left = room - 2
    for item in value:
        size = len(_json(item)) + 1
        if size > left:
            break
        kept.append(item)
        left -= size
    if not kept and value:
        first = _shortened(value[0], left)
        kept = [] if first is _NOTHING_FITS else [first]
    return kept if room >= 2 else _NOTHING_FITS


def _shortened_object(value: dict[str, Any], room: int) -> Any:
    left = room - 2
    kept: dict[str, Any] = {}
    sizes = {key: len(_json(key)) + 2 + len(_json(member)) for key, member in value.items()}
    for count, key in enumerate(sorted(sizes, key=sizes.__getitem__)):
        share = left // (len(sizes) - count)
        label = len(_json(key)) + 2
        member = _shortened(value[key], max(share, 0) - label) if share > label else _NOTHING_FITS
        if member is not _NOTHING_FITS:
            kept[key] = member
            left -= label + len(_json(member))
    return {key: kept[key] for key in value if key in kept} if room >= 2 else _NOTHING_FITS
