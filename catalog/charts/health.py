"""All pipelines by health, as one bar and its legend."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from catalog.charts.marks import HEALTH, word
from orgs.templatetags.ui import shape


def health_strip(counts: Mapping[str, int], href: str = "?health=", as_of: datetime | None = None) -> SafeString:
    """All pipelines by health as one proportional bar; every word of the legend links to `href` + state."""
    present = [(state, counts[state]) for state in HEALTH if counts.get(state)]
    if not present:
        return mark_safe("")
    room = 960 - 4 * (len(present) - 1)
    total = sum(count for _, count in present)
    wide = [max(8.0, room * count / total) for _, count in present]
    scale, left, segments = room / sum(wide), 0.0, []
    for (state, _), width in zip(present, wide, strict=True):
        name = state.replace("_", "-")
        segments.append(f'<rect class="h-{name}" x="{left:.1f}" width="{width * scale:.1f}" height="6"/>')
        left += width * scale + 4
    legend = format_html_join(
        "",
        '<a href="{}{}" class="lg">{}<b>{}</b> {}</a>',
        ((href, state, shape(state), count, word(state).lower()) for state, count in present),
    )
    return format_html(
        '<section class="hs" aria-label="Pipelines by health">'
        '<svg class="strip" viewBox="0 0 960 6" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
        '<div class="lgs">{}{}</div></section>',
        mark_safe("".join(segments)),  # noqa: S308  numbers and known names
        legend,
        format_html('<span class="faint asof">as of {}</span>', f"{timezone.localtime(as_of):%H:%M:%S}")
        if as_of
        else "",
    )
