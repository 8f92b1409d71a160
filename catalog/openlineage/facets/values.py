"""Lenient readers of single JSON values: a value of the wrong type is absent, never an error."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

INT64_MAX = 2**63 - 1


def text(value: Any) -> str | None:
    """A string with something in it."""
    return value if isinstance(value, str) and value.strip() else None


def flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def whole(value: Any) -> int | None:
    """A count that fits bigint. Producers write -1 for «not known», which is absent here."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= INT64_MAX else None


def number(value: Any) -> float | None:
    """A finite number, also from text, because assertions carry their values as strings."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def moment(value: Any) -> datetime | None:
    """An ISO 8601 time with an offset, in UTC; digits beyond microseconds are dropped."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.astimezone(UTC) if parsed.tzinfo else None
    except (ValueError, OverflowError):
        return None


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of a list; other entries are passed over."""
    return (entry for entry in value if isinstance(entry, dict)) if isinstance(value, list) else iter(())
