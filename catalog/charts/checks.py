"""Results of a check as a strip of cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from catalog.charts.marks import css_state, linked

CELLS = {"pass": (7, 8), "warn": (4, 14), "fail": (1, 20), "error": (1, 20), "skipped": (10, 2)}


@dataclass(frozen=True, slots=True)
class ResultMark:
    """One check result as a cell: `pass`, `warn`, `fail`, `error` or `skipped`."""

    status: str
    title: str = ""
    url: str = ""


def heat_strip(results: Sequence[ResultMark], slots: int = 36) -> SafeString:
    """Results of one check, oldest first: a pass is low, a warning higher, a failure full, a skip a dash."""
    results = results[-slots:]
    empty, drawn = slots - len(results), []
    for i, result in enumerate(results):
        top, height = CELLS.get(result.status, CELLS["skipped"])
        left = 25 * (empty + i) + 2
        cell = f'<rect class="{css_state(result.status)}" x="{left}" y="{top}" width="21" height="{height}"/>'
        drawn.append(linked(result.url, result.title or result.status, cell))
    count = {status: sum(result.status == status for result in results) for status in CELLS}
    label = f"{count['pass']} passed, {count['fail'] + count['error']} failed, {count['warn']} warned"
    return format_html(
        '<svg class="cells" viewBox="0 0 {} 22" preserveAspectRatio="none" role="{}" aria-label="{}">{}</svg>',
        25 * slots,
        "group" if any(result.url for result in results) else "img",
        label if results else "no results yet",
        mark_safe("".join(drawn)),  # noqa: S308  numbers and escaped titles
    )
