from __future__ import annotations

import json
from typing import Any

from django import template
from django.urls import reverse

from orgs.settings_pages import SETTINGS_PAGES

register = template.Library()


@register.inclusion_tag("orgs/_settings_tabs.html", takes_context=True)
def settings_tabs(context: template.Context, current: str) -> dict[str, Any]:
    """The tabs of the settings that the member may open; `current` is the name of a `SettingsPage`."""
    actor, slug = context["actor"], context["organization"].slug
    return {
        "tabs": [
            {"label": page.label, "url": reverse(page.name, kwargs={"slug": slug}), "is_current": page.name == current}
            for page in SETTINGS_PAGES
            if actor.role.rank >= page.role.rank
        ]
    }


@register.filter
def as_json(value: Any) -> str:
    """A change as it stands in the audit, keys sorted."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
