"""Template tags of the catalog: health, run states, tags, owners and the charts of `catalog.charts`.

They take plain values, never a queryset, and query nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from catalog import charts
from orgs.templatetags.ui import shape

register = template.Library()

register.simple_tag(charts.run_bars)
register.simple_tag(charts.duration_chart)
register.simple_tag(charts.heat_strip)
register.simple_tag(charts.gantt)
register.simple_tag(charts.health_strip)


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
