"""Template tags of the catalog: health, run states, tags, owners and the charts of `catalog.charts`.

They take plain values, never a queryset, and query nothing.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import Any

from django import template
from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from catalog import charts
from catalog.spec.schedule import zone, zones
from orgs.templatetags.ui import calendar, code_box, icon, shape

register = template.Library()

register.simple_tag(charts.run_bars)
register.simple_tag(charts.duration_chart)
register.simple_tag(charts.heat_strip)
register.simple_tag(charts.gantt)
register.simple_tag(charts.health_strip)
register.simple_tag(charts.hour_chart)


@register.simple_tag
def health(state: str, words: str = "") -> SafeString:
    """A health state as shape and word, the same word everywhere; `words` may say it more exactly."""
    return format_html(
        '<span class="health h-{}">{}{}</span>',
        state.replace("_", "-"),
        shape(state),
        words or charts.word(state),
    )


@register.simple_tag
def status(state: str, words: str = "") -> SafeString:
    """The state of a run or of a check result, drawn with the shape of the health it means."""
    return health(charts.STATUS_SHAPES.get(state, "unknown"), words or charts.word(state))


@register.simple_tag
def status_shape(state: str) -> SafeString:
    """The same as `status`, the mark alone: the word must stand beside it."""
    return shape(charts.STATUS_SHAPES.get(state, "unknown"))


def fitting_tags(names: Sequence[str], shown: int, letters: int) -> list[str]:
    """The first names that fit, at least one; when some do not, their number needs room too."""
    width, widths = 0, []
    for name in names[:shown]:
        width += len(name) + 3
        widths.append(width)
    if len(names) <= shown and width <= letters:
        return list(names)
    return [name for name, width in zip(names, widths, strict=False) if width <= letters - 4] or list(names[:1])


@register.simple_tag
def tags(names: Sequence[str], shown: int = 3, href: str = "?", letters: int = 27) -> SafeString:
    """Tags as links that filter by them: up to `shown` in about `letters` characters, the rest behind `+n`.

    `shown=0` shows all of them, on several lines.
    """
    fitting = fitting_tags(names, shown, letters) if shown else list(names)
    rest = names[len(fitting) :]
    links = format_html_join(
        "",
        '<a class="tag" href="{}">{}</a>',
        ((f"{href}{urlencode({'tag': name})}", name) for name in fitting),
    )
    more = ""
    if rest:
        listed = ", ".join(rest)
        more = format_html(
            '<span class="tag more" title="{0}"><span aria-hidden="true">+{1}</span>'
            '<span class="sr">and {0}</span></span>',
            listed,
            len(rest),
        )
    return format_html('<span class="tags{}">{}{}</span>', "" if shown else " wrap", links, more)


@register.simple_tag
def owner(name: str | None, origin: str = "", others: int = 0) -> SafeString:
    """The first owner, how many more there are, and where that was said: `spec`, `facet`, `a person`."""
    if not name:
        return format_html('<span class="faint">{}</span>', "nobody")
    more = format_html(' <span class="faint small">+{}</span>', others) if others else ""
    source = format_html(' <span class="faint small">from {}</span>', origin) if origin else ""
    return format_html('<span class="clip" title="{0}">{0}</span>{1}{2}', name, more, source)


@register.simple_tag
def sort_header(label: str, css: str, sort: str, name: str, href: str) -> SafeString:
    """The head of a column that sorts; `aria-sort` and an arrow say how it is sorted now."""
    is_sorted = sort.lstrip("-") == name
    direction = ("descending" if sort.startswith("-") else "ascending") if is_sorted else "none"
    arrow = icon("arrow-up" if sort.startswith("-") else "arrow-down") if is_sorted else ""
    return format_html(
        '<th role="columnheader" class="{}" aria-sort="{}"><a class="sort" href="{}">{}{}</a></th>',
        css,
        direction,
        href,
        label,
        arrow,
    )


@register.simple_tag
def register_command() -> SafeString:
    """The command that registers a first pipeline at this server, to copy."""
    return code_box(
        f"""curl -X POST {settings.BASE_URL}/api/v1/pipelines/ \\
  -H "X-API-KEY: $DXP_KEY" -H "Content-Type: application/json" \\
  -d '{{"name": "orders_sync", "description": "Sync orders", "owner": "team@example.com",
       "environment": "production", "schedule": "0 6 * * *", "tags": ["ecommerce"]}}'"""
    )


@register.simple_tag
def run_command(pipeline: Any) -> SafeString:
    """The command that reports a run of the pipeline, to copy."""
    body = json.dumps({"pipeline_id": str(pipeline.pk), "status": "success"})
    return code_box(
        f"""curl -X POST {settings.BASE_URL}/api/v1/runs/ \\
  -H "X-API-KEY: $DXP_KEY" -H "Content-Type: application/json" \\
  -d '{body}'"""
    )


@register.filter
def first_line(text: str) -> str:
    """The first line that says something, cut to a sentence's length."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= 240 else line[:240] + "…"


@register.filter
def is_web_address(text: str) -> bool:
    """Whether a reported address may become a link: others, such as `javascript:`, would run something."""
    return text.startswith(("https://", "http://"))


@register.simple_tag
def change_against(value: float | None, usual: float | None) -> SafeString:
    """How much more or less than in the run compared with: ` +3.1 %`; nothing without both."""
    if not isinstance(value, int | float) or not isinstance(usual, int | float) or not usual:
        return SafeString("")
    share = 100 * (value / usual - 1)
    css = "bad small" if share <= -5 else "faint small"
    sign = "+" if share >= 0 else "\u2212"
    return format_html(' <span class="{}">{}{} %</span>', css, sign, f"{abs(share):.1f}")


@register.simple_tag
def connection_command() -> SafeString:
    """The command that makes a first connection, to copy."""
    return code_box(
        f"""curl -X POST {settings.BASE_URL}/api/v1/connections/ \\
  -H "X-API-KEY: $DXP_KEY" -H "Content-Type: application/json" \\
  -d '{{"id": "pg-raw", "type": "postgres", "config": {{"host": "db.example.com", "database": "shop"}}}}'"""
    )


@register.filter
def calendar_in(value: datetime.datetime | None, zone_name: str) -> SafeString:
    """`tomorrow 06:00` in the zone of a schedule, so that it agrees with the schedule's words beside it."""
    with timezone.override(zone(zone_name) if zone_name in zones() else None):
        return calendar(value)
