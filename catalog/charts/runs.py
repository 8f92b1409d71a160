"""Runs as bars: the last few in a row of a table, and the duration chart of one pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from catalog.charts.marks import axis_step, css_state, linked
from orgs.templatetags.ui import duration


@dataclass(frozen=True, slots=True)
class RunMark:
    """One run as a bar. `duration_seconds` of a running one is the time so far."""

    status: str
    duration_seconds: float | None = None
    started_at: datetime | None = None
    is_backfill: bool = False
    url: str = ""

    @property
    def title(self) -> str:
        words = [self.status.capitalize()]
        if self.is_backfill:
            words.append("backfill")
        if self.duration_seconds is not None:
            words.append(duration(self.duration_seconds))
        if self.started_at is not None:
            moment = timezone.localtime(self.started_at)
            words.append(f"{moment.day} {moment:%b %H:%M}")
        return ", ".join(words)


def bar(mark: RunMark, left: int, longest: float) -> str:
    height = max(3, round(21 * (mark.duration_seconds or 0) / longest)) if longest else 3
    state = css_state(mark.status)
    if mark.is_backfill and mark.status != "failed":
        top, inner = 23 - height, max(height - 1.2, 1.8)
        box = f'x="{left + 0.6:g}" y="{top + 0.6:g}" width="4.8" height="{inner:g}"'
        drawn = f'<rect class="{state} bf" {box} rx="1"/>'
    else:
        drawn = f'<rect class="{state}" x="{left}" y="{23 - height}" width="6" height="{height}" rx="1"/>'
    if mark.status == "failed":
        drawn += f'<rect class="{state}" x="{left}" y="25" width="6" height="2" rx="1"/>'
    hit = f'<path class="hit" d="M{left - 1} 0h8v28h-8z"/>' if mark.url else ""
    return linked(mark.url, mark.title, drawn, hit)


def run_bars(runs: Sequence[RunMark], name: str, slots: int = 14) -> SafeString:
    """The last `slots` runs, oldest first: height is the duration against the longest of them."""
    runs = runs[-slots:]
    longest = max((run.duration_seconds or 0 for run in runs), default=0)
    empty = slots - len(runs)
    ghosts = "".join(f'<rect class="ghost" x="{8 * i}" y="21" width="6" height="2" rx="1"/>' for i in range(empty))
    bars = "".join(bar(run, 8 * (empty + i), longest) for i, run in enumerate(runs))
    failed = sum(run.status == "failed" for run in runs)
    width = 8 * slots - 2
    return format_html(
        '<svg class="bars" width="{0}" height="28" viewBox="0 0 {0} 28" role="{1}" aria-label="{2}">{3}</svg>',
        width,
        "group" if any(run.url for run in runs) else "img",
        f"{name}: last {len(runs)} runs, {failed} failed, newest right" if runs else f"{name}: no run yet",
        mark_safe(ghosts + bars),  # noqa: S308  numbers and escaped titles
    )


def axis_label(seconds: float) -> str:
    return "0" if not seconds else duration(seconds).replace(" 00s", "").replace(" 00m", "").replace(" 0h", "")


def column(mark: RunMark, left: float, width: float, top: float) -> str:
    share = (mark.duration_seconds or 0) / top
    height = max(2.0, 120 * min(share, 1))
    state, box = css_state(mark.status), f'x="{left:.1f}" width="{width:.1f}"'
    hollow = " bf" if mark.is_backfill and mark.status != "failed" else ""
    if share > 1:  # cut, so that one long run does not flatten the others; the break says so
        parts = ((0, 6), (10, 110))
        drawn = "".join(f'<rect class="{state}{hollow}" {box} y="{y}" height="{h}"/>' for y, h in parts)
    else:
        drawn = f'<rect class="{state}{hollow}" {box} y="{120 - height:.1f}" height="{height:.1f}"/>'
    if mark.status == "failed":
        drawn += f'<rect class="{state}" {box} y="124" height="3"/>'
    return linked(mark.url, mark.title, drawn)


def date_labels(runs: Sequence[RunMark], count: int = 5) -> list[str]:
    moments = [timezone.localtime(run.started_at) for run in runs if run.started_at]
    if len(moments) < 2:
        return [f"{moment.day} {moment:%b}" for moment in moments]
    picked = [moments[round(i * (len(moments) - 1) / (count - 1))] for i in range(count)]
    if moments[-1] - moments[0] < timedelta(days=2):
        return [f"{moment:%H:%M}" for moment in picked]
    return [f"{moment.day} {moment:%b}" for moment in picked]


def duration_chart(
    runs: Sequence[RunMark], median: float | None = None, band: tuple[float, float] | None = None
) -> SafeString:
    """Bars of duration, oldest first; behind them the median in seconds and its usual band (low, high)."""
    longest = max((run.duration_seconds or 0 for run in runs), default=0)
    ceiling = min(longest, 2.5 * median) if median else longest
    step = axis_step(max(ceiling, 1), 3)
    top = 3 * step
    pitch = 900 / max(len(runs), 12)
    width = min(16.0, pitch * 0.64)
    start = 900 - pitch * len(runs) + (pitch - width) / 2
    under = ""
    if band:
        low, high = (min(edge, top) for edge in band)
        y, height = 120 * (1 - high / top), 120 * (high - low) / top
        under += f'<rect class="band" x="0" y="{y:.1f}" width="900" height="{height:.1f}"/>'
    if median:
        under += f'<path class="med" d="M0 {120 * (1 - median / top):.1f}H900"/>'
    columns = "".join(column(run, start + i * pitch, width, top) for i, run in enumerate(runs))
    label = f"Duration of the last {len(runs)} runs" + (f", median {duration(median)}" if median else "")
    return format_html(
        '<div class="durbox"><div class="yax num" aria-hidden="true">{}</div>'
        '<svg class="dur" viewBox="0 0 900 128" preserveAspectRatio="none" role="{}" aria-label="{}">'
        "{}</svg></div>"
        '<div class="xax num" aria-hidden="true">{}</div>',
        format_html_join("", "<span>{}</span>", ((axis_label(step * i),) for i in (3, 2, 1, 0))),
        "group" if any(run.url for run in runs) else "img",
        label,
        mark_safe(under + columns),  # noqa: S308  numbers and escaped titles
        format_html_join("", "<span>{}</span>", ((text,) for text in date_labels(runs))),
    )
