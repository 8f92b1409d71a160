from __future__ import annotations

import json
from typing import Any

from django import template
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from orgs.permissions import Role
from orgs.plans import LABELS, overrides_of
from orgs.services.history import WHAT, shortenings
from orgs.services.key_flags import count_flagged
from orgs.settings_pages import SETTINGS_PAGES
from orgs.templatetags.ui import code_box

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


@register.inclusion_tag("orgs/_key_alerts.html", takes_context=True)
def key_alerts(context: template.Context) -> dict[str, Any]:
    """A banner for admins while usable keys were made by people who left, or live longer than allowed."""
    actor, organization = context["actor"], context["organization"]
    if actor.role is None or actor.role.rank < Role.ADMIN.rank:
        return {}
    return {"organization": organization, "counts": count_flagged(organization)}


@register.inclusion_tag("orgs/_overrides.html", takes_context=True)
def limit_overrides(context: template.Context) -> dict[str, Any]:
    """The limits agreed with the organization in place of its plan's; nothing where there are none."""
    organization = context["organization"]
    rows = [
        {"label": LABELS[one.resource], "override": one, "plan_limit": organization.plan.limit(one.resource)}
        for one in overrides_of(organization)
    ]
    return {"rows": rows, "plan": organization.plan}


@register.inclusion_tag("orgs/_shortenings.html")
def shorter_histories() -> dict[str, Any]:
    """What became shorter and is deleted later; nothing where nothing did."""
    return {"rows": [{"what": WHAT[row.resource], "history": row} for row in shortenings()]}


@register.simple_tag(takes_context=True)
def publisher_workflow(context: template.Context) -> SafeString:
    """A workflow's steps with this organization's own values, to copy."""
    values = {"base_url": settings.BASE_URL, "slug": context["organization"].slug}
    return code_box(render_to_string("orgs/publisher_workflow.txt", values).strip())


@register.filter
def as_json(value: Any) -> str:
    """A change as it stands in the audit, keys sorted."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
