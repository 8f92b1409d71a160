"""Specs as people read them: highlighted YAML, and two versions side by side."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers.data import YamlLexer

from catalog.spec.render import render_yaml

MAX_LINES = 5_000  # what difflib still compares within a request


# The order in which people write a spec; the database keeps none.
ORDER = (
    "version", "pipeline", "sources", "transforms", "targets", "checks", "slo", "openlineage", "lineage", "source",
    "id", "name", "to", "from", "namespace", "job", "description", "owner", "environment", "schedule", "timezone",
    "tags", "type", "connection_ref", "object", "load_mode", "watermark_column", "write_mode", "primary_key",
    "code_ref", "code_sha256", "inputs", "outputs", "columns", "column_lineage", "dataset", "sql", "severity", "edges",
)  # fmt: skip
PLACES = {key: place for place, key in enumerate(ORDER)}


def spec_yaml(document: dict[str, Any]) -> str:
    return render_yaml(in_order(document))


def in_order(value: Any) -> Any:
    if isinstance(value, list):
        return [in_order(item) for item in value]
    if not isinstance(value, dict):
        return value
    keys = sorted(value, key=lambda key: PLACES.get(key, len(PLACES)))
    return {key: in_order(value[key]) for key in keys}


def highlighted(document: dict[str, Any]) -> SafeString:
    """YAML with Pygments' short class names; the formatter escapes."""
    text: str = highlight(spec_yaml(document), YamlLexer(), HtmlFormatter(nowrap=True))
    return mark_safe(text)  # noqa: S308  escaped by Pygments


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of both texts, or of one of them; numbers count from 1, None where there is no line."""

    left_number: int | None
    left: str
    right_number: int | None
    right: str
    is_same: bool


def side_by_side(before: str, after: str, context: int = 4) -> list[DiffLine | None]:
    """The changed lines with some around them; None where equal lines are left out."""
    left, right = before.splitlines()[:MAX_LINES], after.splitlines()[:MAX_LINES]
    lines: list[DiffLine | None] = []
    for group in SequenceMatcher(None, left, right, autojunk=False).get_grouped_opcodes(context):
        if lines or group[0][1]:
            lines.append(None)
        for kind, left_from, left_to, right_from, right_to in group:
            lines += _pairs(left, left_from, left_to, right, right_from, right_to, kind == "equal")
    return lines


def _pairs(
    left: list[str], left_from: int, left_to: int, right: list[str], right_from: int, right_to: int, is_same: bool
) -> list[DiffLine]:
    height = max(left_to - left_from, right_to - right_from)
    pairs = []
    for offset in range(height):
        i, j = left_from + offset, right_from + offset
        has_left, has_right = i < left_to, j < right_to
        pairs.append(
            DiffLine(
                i + 1 if has_left else None,
                left[i] if has_left else "",
                j + 1 if has_right else None,
                right[j] if has_right else "",
                is_same,
            )
        )
    return pairs
