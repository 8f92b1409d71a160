"""The steps of a run over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from django.utils import timezone
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from catalog.charts.marks import STATUS_SHAPES, axis_step, css_state
from orgs.templatetags.ui import duration, exact, shape


@dataclass(frozen=True, slots=True)
class GanttBar:
    """`kind`: `run`, `earlier` for a repeated attempt, `segment` for one of many mapped tasks, `skipped`."""

    started_at: datetime
    finished_at: datetime
    status: str
    kind: str = "run"


@dataclass(frozen=True, slots=True)
class GanttRow:
    name: str
    status: str
    bars: Sequence[GanttBar] = field(default_factory=tuple)
    seconds: float | None = None
    level: int = 0
    tag: str = ""
    is_cause: bool = False
    url: str = ""


def gantt_bar(item: GanttBar, start: datetime, span: float) -> str:
    left = 100 * (item.started_at - start).total_seconds() / span
    width = max(0.25, 100 * (item.finished_at - item.started_at).total_seconds() / span)
    box = f'x="{left:.2f}%" width="{width:.2f}%"'
    seconds = duration(item.finished_at - item.started_at)
    title = f"<title>{escape(item.status)}, {seconds}, from {exact(item.started_at)}</title>"
    if item.kind == "skipped":
        return f'<rect class="never" {box} y="10" height="8" rx="1.5">{title}</rect>'
    state = css_state(item.status)
    if item.kind == "segment" and item.status == "failed":
        return f'<rect class="{state}" {box} y="6" height="16">{title}</rect>'
    if item.kind == "segment":
        return f'<rect class="{state}" {box} y="8" height="12">{title}</rect>'
    hollow = " ha" if item.kind == "earlier" else ""
    return f'<rect class="{state}{hollow}" {box} y="8" height="12" rx="1.5">{title}</rect>'


def waits(bars: Sequence[GanttBar], start: datetime, span: float) -> str:
    """The back-off between attempts, dotted."""
    if not any(item.kind == "earlier" for item in bars):
        return ""
    ordered = sorted(bars, key=lambda item: item.started_at)
    gaps = ((a.finished_at, b.started_at) for a, b in pairwise(ordered) if b.started_at > a.finished_at)
    lines = []
    for left, right in gaps:
        x1, x2 = (100 * (moment - start).total_seconds() / span for moment in (left, right))
        lines.append(f'<line class="wait" x1="{x1:.2f}%" x2="{x2:.2f}%" y1="14" y2="14"/>')
    return "".join(lines)


def gantt_row(row: GanttRow, start: datetime, span: float, grid: str) -> SafeString:
    drawn = grid + waits(row.bars, start, span) + "".join(gantt_bar(item, start, span) for item in row.bars)
    name = format_html('<a class="clip" href="{}">{}</a>', row.url, row.name) if row.url else row.name
    return format_html(
        '<li class="gr{}"><span class="gn lv{}">{}{}<span class="sr">{}</span>{}</span>'
        '<svg class="gantt" aria-hidden="true">{}</svg><span class="gd num">{}</span></li>',
        " hotrow" if row.is_cause else "",
        min(row.level, 2),
        shape(STATUS_SHAPES.get(row.status, "unknown")),
        name if row.url else format_html('<span class="clip" title="{0}">{0}</span>', row.name),
        f", {row.status}",
        format_html('<span class="tag">{}</span>', row.tag) if row.tag else "",
        mark_safe(drawn),  # noqa: S308  numbers and escaped titles
        duration(row.seconds) if row.seconds is not None else row.status,
    )


def tick_label(moment: datetime, step: float) -> str:
    return f"{timezone.localtime(moment):%H:%M}" if step >= 60 else f"{timezone.localtime(moment):%H:%M:%S}"


def gantt(rows: Sequence[GanttRow], started_at: datetime, finished_at: datetime) -> SafeString:
    """Steps of a run over time, with an axis of about five round ticks."""
    span = max((finished_at - started_at).total_seconds(), 1.0)
    step = axis_step(span, 5)
    ticks = [i * step for i in range(int(span // step) + 1) if i * step <= span * 0.98]
    grid = "".join(
        f'<line class="gl" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="28"/>' for x in (100 * t / span for t in ticks[1:])
    )
    labels = format_html_join(
        "",
        '<text x="{}%" y="17">{}</text>',
        ((f"{100 * t / span:.2f}", tick_label(started_at + timedelta(seconds=t), step)) for t in ticks),
    )
    return format_html(
        '<div class="gax num" aria-hidden="true"><span></span><svg class="gticks">{}</svg><span></span></div>'
        '<ol class="gl-list">{}</ol>',
        labels,
        format_html_join("", "{}", ((gantt_row(row, started_at, span, grid),) for row in rows)),
    )
