"""The small parts every page is made of: icons, times, numbers, keys, copy boxes, fields, notices.

Plain values in, escaped HTML out; nothing here queries. No inline style or script: the
Content-Security-Policy forbids both. Times are shown in the current time zone, with the exact UTC
instant on hover.
"""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.contrib.messages import get_messages
from django.contrib.messages.storage.base import Message
from django.forms import BoundField, CheckboxInput, FileInput, Select, SelectMultiple
from django.forms.widgets import CheckboxSelectMultiple, RadioSelect
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString, mark_safe

from orgs import quantities

register = template.Library()

DASH = "\N{EN DASH}"  # stands for a value that is not there


def sprite(symbol: str) -> str:
    """Address of one symbol of the icon sprite."""
    return f"{static('img/icons.svg')}#{symbol}"


@register.simple_tag
def icon(name: str, css: str = "", label: str = "") -> SafeString:
    """One outline icon of `static/img/icons.svg`. Decoration unless it has a `label`."""
    if label:
        return format_html(
            '<svg class="i {}" role="img" aria-label="{}"><use href="{}"/></svg>', css, label, sprite(name)
        )
    return format_html('<svg class="i {}" aria-hidden="true"><use href="{}"/></svg>', css, sprite(name))


@register.simple_tag
def shape(state: str) -> SafeString:
    """The mark of a state without its word: `failing late at_risk running healthy never_run unknown warn`."""
    name = state.replace("_", "-")
    return format_html('<svg class="hi h-{}" aria-hidden="true"><use href="{}"/></svg>', name, sprite(f"h-{name}"))


# Times


def exact(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def time_element(value: datetime, words: str, css: str = "") -> SafeString:
    return format_html(
        '<time class="{}" datetime="{}" title="{}">{}</time>',
        css,
        value.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        exact(value),
        words,
    )


SPANS = (("s", 1, 60), ("min", 60, 3600), ("h", 3600, 36 * 3600), ("d", 86400, 60 * 86400))


def distance(seconds: float) -> str:
    """A span in its largest unit: `38 s`, `11 min`, `2 h`, `4 d`, `3 mo`, `2 y`."""
    for unit, size, until in SPANS:
        if seconds < until:
            return f"{int(seconds // size)} {unit}"
    days = int(seconds // 86400)
    return f"{days // 30} mo" if days < 700 else f"{days // 365} y"


def relative_words(value: datetime, now: datetime) -> str:
    seconds = (now - value).total_seconds()
    if abs(seconds) < 5:
        return "just now"
    return f"{distance(seconds)} ago" if seconds > 0 else f"in {distance(-seconds)}"


def calendar_words(value: datetime, now: datetime) -> str:
    """`today 08:30`, `Mon 05:30` within six days, `27 Nov 05:30` within half a year, `27 Nov 2027` beyond."""
    value, now = timezone.localtime(value), timezone.localtime(now)
    clock, days = value.strftime("%H:%M"), (value.date() - now.date()).days
    if abs(days) <= 1:
        return ("yesterday ", "today ", "tomorrow ")[days + 1] + clock
    if abs(days) < 7:
        return f"{value:%a} {clock}"
    day = f"{value.day} {value:%b}"
    return f"{day} {clock}" if abs(days) < 180 else f"{day} {value.year}"


@register.filter
def ago(value: datetime | None, empty: str = "never") -> SafeString:
    """`2 h ago` or `in 4 min`, the exact time on hover."""
    if value is None:
        return format_html('<span class="faint">{}</span>', empty)
    return time_element(value, relative_words(value, timezone.now()))


@register.filter
def calendar(value: datetime | None, empty: str = DASH) -> SafeString:
    """`tomorrow 06:00`, the exact time on hover."""
    if value is None:
        return format_html('<span class="faint">{}</span>', empty)
    return time_element(value, calendar_words(value, timezone.now()))


@register.filter
def duration(seconds: float | timedelta | None) -> str:
    """`0.4s`, `38s`, `4m 12s`, `1h 05m`, `2d 3h`; a dash for none."""
    if seconds is None:
        return DASH
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    if 0 < seconds < 1:
        return f"{seconds:.1f}s" if seconds >= 0.05 else "0s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"


# Numbers


@register.filter
def thousands(value: float | None) -> str:
    """`412,806`"""
    return DASH if value is None else f"{value:,}"


@register.filter
def compact(value: float | None) -> str:
    """`980`, `1.2k`, `413k`, `3.4M`, `1.1G`"""
    if value is None:
        return DASH
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            scaled = value / size
            return f"{scaled:.1f}".removesuffix(".0") + unit if abs(scaled) < 99.95 else f"{scaled:.0f}{unit}"
    return f"{value:g}"


register.filter("size", quantities.size)


@register.simple_tag
def meter(value: float, maximum: float | None, label: str, state: str = "") -> SafeString:
    """A bar of `value` out of `maximum`, nothing without one. `state` colours it: `late`, `failing`."""
    if not maximum:
        return mark_safe("")
    width = max(0.0, min(200.0, 200 * value / maximum))
    return format_html(
        '<svg class="meter" viewBox="0 0 200 6" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="bg" width="200" height="6"/><rect class="{}" width="{}" height="6"/></svg>',
        label,
        f"h-{state}" if state else "fillink",
        f"{width:.1f}",
    )


# Keys and things to copy


@register.simple_tag
def key_display(prefix: str, last_four: str) -> SafeString:
    """What is left of an API key after it was shown: `dxp_a1b2…9xYz`."""
    return format_html('<code class="key">{}…{}</code>', prefix, last_four)


def copy_button(target: str, css: str = "") -> SafeString:
    return format_html(
        '<button class="btn {}" type="button" data-copy="#{}">{}<span aria-live="polite">Copy</span></button>',
        css,
        target,
        icon("copy"),
    )


def copy_id(text: str) -> str:
    return f"copy-{zlib.crc32(text.encode()):08x}"


@register.simple_tag
def copy_box(text: str, primary: bool = False, element_id: str = "") -> SafeString:
    """One line to copy, a secret or an address, with its button."""
    element_id = element_id or copy_id(text)
    button = copy_button(element_id, "btn-primary" if primary else "")
    return format_html('<div class="secretbox"><code id="{}">{}</code>{}</div>', element_id, text, button)


@register.simple_tag
def code_box(text: str, element_id: str = "") -> SafeString:
    """Several lines to copy, a command or a file, with their button."""
    element_id = element_id or copy_id(text)
    return format_html(
        '<div class="codebox"><pre class="code" id="{}" tabindex="0">{}</pre>{}</div>',
        element_id,
        text.strip("\n"),
        copy_button(element_id),
    )


# Pages, notices, fields


@register.inclusion_tag("parts/_pager.html")
def pager(previous: str | None, following: str | None, note: str = "") -> dict[str, Any]:
    """Links to the keyset pages on either side, as complete hrefs, and a word on what is shown."""
    return {"previous": previous, "next": following, "note": note}


KINDS = {"error": "failing", "warning": "late", "success": "healthy", "info": "", "debug": ""}


@register.simple_block_tag
def notice(content: str, kind: str = "info", role: str = "") -> SafeString:
    """A ruled box: `info`, `success`, `warning`, `error`; `role="alert"` when it answers an act."""
    state = KINDS[kind]
    return format_html(
        '<div class="notice {}"{}>{}<div class="grow">{}</div></div>',
        f"h-{state}" if state else "",
        format_html(' role="{}"', role) if role else "",
        shape("warn" if state == "late" else state) if state else icon("info-circle"),
        mark_safe(content),  # noqa: S308  rendered by the template engine, escaped there
    )


def undo_url(message: Message) -> str:
    """The path in a message's tag `undo:/…`, if it stays on this site."""
    for tag in (message.extra_tags or "").split():
        path = tag.removeprefix("undo:")
        if path != tag and path.startswith("/") and url_has_allowed_host_and_scheme(path, allowed_hosts=None):
            return path
    return ""


def message_row(message: Message) -> dict[str, str]:
    return {"text": str(message), "state": KINDS.get(message.level_tag, ""), "undo": undo_url(message)}


@register.inclusion_tag("parts/_notices.html", takes_context=True)
def notices(context: template.Context) -> dict[str, Any]:
    """The messages of the request. `extra_tags="undo:/path"` adds an Undo button that posts there."""
    request = context.get("request")
    found = get_messages(request) if isinstance(request, HttpRequest) else []
    rows = [message_row(message) for message in found]
    return {"rows": rows, "request": request, "csrf_token": context.get("csrf_token")}


def widget_class(widget: Any) -> str:
    if isinstance(widget, CheckboxInput | CheckboxSelectMultiple | RadioSelect):
        return ""
    return "form-select" if isinstance(widget, Select | SelectMultiple) else "form-control"


@register.inclusion_tag("parts/_field.html")
def field(bound: BoundField, css: str = "") -> dict[str, Any]:
    """A form field with label, help and errors, tied together by `aria-describedby`."""
    widget = bound.field.widget
    classes = " ".join(filter(None, [widget_class(widget), widget.attrs.get("class", "")]))
    return {
        "bound": bound,
        "control": bound.as_widget(attrs={"class": classes} if classes else {}),
        "css": css,
        "is_check": isinstance(widget, CheckboxInput),
        "is_group": bound.use_fieldset,
        "is_file": isinstance(widget, FileInput),
    }


@register.filter
def initials(name: str) -> str:
    """Two letters for a person: of an e-mail's local part or of a name."""
    words = re.findall(r"[^\W_]+", name.split("@")[0])
    letters = words[0][0] + words[1][0] if len(words) > 1 else "".join(words)[:2]
    return letters.upper()
