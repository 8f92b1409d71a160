"""Runs of a day as stacked columns, an hour each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

# From the axis upwards: what went well is the ground that the rest stands on.
STACKED = ("success", "running", "queued", "skipped", "aborted", "lost", "failed")
HEIGHT = 92


def hour_chart(hours: Sequence[Mapping[str, Any]]) -> SafeString:
    """`hours`: `{"at": hour, status: count, …}`, oldest first. A failure has a foot below the line."""
    totals = [sum(hour.get(status, 0) for status in STACKED) for hour in hours]
    tallest = max([*totals, 1])
    columns = "".join(_column(hour, index, tallest) for index, hour in enumerate(hours))
    failed = sum(hour.get("failed", 0) for hour in hours)
    labels = [f"{timezone.localtime(hour['at']):%H:%M}" for hour in hours[:: max(1, len(hours) // 6)]]
    return format_html(
        '<div class="hourbox"><svg class="hours" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg><div class="xax num" aria-hidden="true">{}</div></div>',
        40 * len(hours),
        HEIGHT + 8,
        f"{sum(totals)} runs in {len(hours)} hours, {failed} failed",
        mark_safe(columns),  # noqa: S308  numbers, known names and escaped titles
        format_html_join("", "<span>{}</span>", ((label,) for label in labels)),
    )


def _column(hour: Mapping[str, Any], index: int, tallest: int) -> str:
    drawn, top, words = "", float(HEIGHT), []
    for status in STACKED:
        if count := hour.get(status, 0):
            height = max(2.0, HEIGHT * count / tallest)
            top -= height
            box = f'x="{40 * index + 6}" y="{top:.1f}" width="28" height="{height:.1f}"'
            drawn += f'<rect class="s-{status}" {box}/>'
            words.append(f"{count} {status}")
    if hour.get("failed"):
        drawn += f'<rect class="s-failed" x="{40 * index + 6}" y="{HEIGHT + 3}" width="28" height="3"/>'
    title = f"{timezone.localtime(hour['at']):%H:%M}: {', '.join(words) or 'no run'}"
    return f"<g><title>{escape(title)}</title>{drawn}</g>"
