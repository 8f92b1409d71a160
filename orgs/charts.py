"""Usage as SVG, drawn on the server: columns of what was counted, a line of what there was.

Marks carry classes and presentation attributes only, so they live under `style-src 'self'` and follow the theme;
labels are HTML, so that stretching never distorts text. A table beside each chart tells the same.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

WIDTH, HEIGHT = 900, 120
LABELS = 5
Words = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Column:
    """An interval: `part` is what the chosen key did of it, or None when none is chosen."""

    at: datetime.datetime
    value: int
    part: int | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """What there was at the end of an interval; None where it was not measured, or lies ahead."""

    at: datetime.datetime
    value: int | None


def column_chart(
    columns: Sequence[Column], *, title: str, interval: str, words: Words, limit: int | None = None
) -> SafeString:
    """Columns, oldest first. The limit is drawn where it is in sight: within five times the highest column."""
    highest = max([column.value for column in columns], default=0)
    is_near = limit is not None and highest * 5 >= limit
    top = round_up(max(highest, limit if is_near and limit else 0, 1))
    pitch = WIDTH / max(len(columns), 1)
    drawn = "".join(_column(column, index * pitch, pitch, top, interval, words) for index, column in enumerate(columns))
    line = _limit(limit, top) if is_near and limit else ""
    return _frame(drawn + line, title, top, _axis([column.at for column in columns], interval), words)


def level_chart(
    levels: Sequence[Level],
    *,
    title: str,
    interval: str,
    words: Words,
    limit: int | None = None,
    reached: float | None = None,
) -> SafeString:
    """A line through the levels. `reached` tells after how many further intervals the limit is met: a dotted line
    leads there, as far as the chart goes."""
    known = [level.value for level in levels if level.value is not None]
    is_near = limit is not None and (not known or max(known) * 5 >= limit or reached is not None)
    top = round_up(max([*known, limit if is_near and limit else 0, 1]))
    pitch = WIDTH / max(len(levels), 1)
    spots = [
        (pitch * (index + 0.5), HEIGHT * (1 - level.value / top))
        for index, level in enumerate(levels)
        if level.value is not None
    ]
    drawn = ""
    if spots:
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
        drawn = f'<path class="under" d="M{spots[0][0]:.1f} {HEIGHT}L{path}L{spots[-1][0]:.1f} {HEIGHT}Z"/>'
        drawn += f'<path class="level" d="M{path}"/>' if len(spots) > 1 else ""
        if len(spots) == 1:
            x, y = spots[0]
            drawn += f'<path class="level" d="M{x - pitch / 2:.1f} {y:.1f}H{x + pitch / 2:.1f}"/>'
        if limit and reached is not None and len(spots) < len(levels):
            drawn += _forecast(spots[-1], pitch, HEIGHT * (1 - limit / top), reached)
    drawn += "".join(_hit(level, index * pitch, pitch, interval, words) for index, level in enumerate(levels))
    line = _limit(limit, top) if is_near and limit else ""
    return _frame(drawn + line, title, top, _axis([level.at for level in levels], interval), words)


def round_up(value: int) -> int:
    """To 1, 2 or 5 times a power of ten, or a step between: an axis people can read."""
    power = 1
    while power * 10 <= value:
        power *= 10
    return next(step for step in (int(power * factor) for factor in (1, 1.5, 2, 3, 4, 5, 6, 8, 10)) if step >= value)


def _column(column: Column, left: float, pitch: float, top: int, interval: str, words: Words) -> str:
    width = min(pitch * 0.72, 40.0)
    x = left + (pitch - width) / 2
    drawn = _bar("all" if column.part is not None else "part", x, width, column.value, top)
    title = f"{label_of(column.at, interval)}: {words(column.value)}"
    if column.part is not None:
        drawn += _bar("part", x, width, column.part, top)
        title += f", {words(column.part)} of it by the chosen key"
    hit = f'<rect class="hit" x="{left:.1f}" y="0" width="{pitch:.1f}" height="{HEIGHT}"/>'
    return f"<g><title>{escape(title)}</title>{hit}{drawn}</g>"


def _bar(css: str, x: float, width: float, value: int, top: int) -> str:
    if not value:
        return ""
    height = max(1.5, HEIGHT * value / top)
    return f'<rect class="{css}" x="{x:.1f}" y="{HEIGHT - height:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def _hit(level: Level, left: float, pitch: float, interval: str, words: Words) -> str:
    if level.value is None:
        return ""
    title = escape(f"{label_of(level.at, interval)}: {words(level.value)}")
    return f'<rect class="hit" x="{left:.1f}" y="0" width="{pitch:.1f}" height="{HEIGHT}"><title>{title}</title></rect>'


def _forecast(last: tuple[float, float], pitch: float, limit_y: float, intervals: float) -> str:
    """From the last level to where the limit is met, cut at the chart's end."""
    x, y = last
    end = x + intervals * pitch
    share = min(1.0, (WIDTH - x) / (end - x)) if end > x else 1.0
    return f'<path class="ahead" d="M{x:.1f} {y:.1f}L{x + (end - x) * share:.1f} {y + (limit_y - y) * share:.1f}"/>'


def _limit(limit: int, top: int) -> str:
    return f'<path class="limit" d="M0 {HEIGHT * (1 - limit / top):.1f}H{WIDTH}"/>'


def _frame(drawn: str, title: str, top: int, labels: Sequence[str], words: Words) -> SafeString:
    heights = (top, top // 2, 0) if top > 1 else (top, 0)
    return format_html(
        '<div class="durbox usebox"><div class="yax num" aria-hidden="true">{}</div>'
        '<svg class="dur use" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg></div>'
        '<div class="xax num" aria-hidden="true">{}</div>',
        format_html_join("", "<span>{}</span>", ((words(value),) for value in heights)),
        WIDTH,
        HEIGHT,
        title,
        mark_safe(drawn),  # noqa: S308  numbers and escaped titles
        format_html_join("", "<span>{}</span>", ((label,) for label in labels)),
    )


def _axis(moments: Sequence[datetime.datetime], interval: str) -> list[str]:
    """A few labels; hours of several days are told by their day, those of one by the clock."""
    if len(moments) > LABELS:
        moments = [moments[round(index * (len(moments) - 1) / (LABELS - 1))] for index in range(LABELS)]
    if interval == "hour" and moments[-1] - moments[0] > datetime.timedelta(days=2):
        interval = "day"
    return [f"{at:%H:%M}" if interval == "hour" else label_of(at, interval) for at in moments]


def label_of(at: datetime.datetime, interval: str) -> str:
    """Of an interval (UTC): `3 Nov 14:00`, `3 Nov`, `Nov 2026`."""
    if interval == "hour":
        return f"{at.day} {at:%b} {at:%H:%M}"
    return f"{at.day} {at:%b}" if interval == "day" else f"{at:%b %Y}"
