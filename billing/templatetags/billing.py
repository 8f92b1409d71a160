"""What a refusal for want of room shows in the browser: how far the plan goes, and the one that goes further."""

from __future__ import annotations

from typing import Any

from django import template

from billing import gateway
from billing.prices import price_of_plan
from billing.services.checkout import SOLD_PLANS
from dataxpipe.problems import PlanLimitReached
from orgs.permissions import Role
from orgs.plans import PLANS

register = template.Library()


@register.inclusion_tag("billing/_plan_limit.html", takes_context=True)
def plan_limit_card(context: template.Context) -> dict[str, Any]:
    """Nothing for another refusal. The button goes to Checkout where the reader is an owner and the plan is sold."""
    problem, organization, actor = context["problem"], context.get("organization"), context.get("actor")
    if not isinstance(problem, PlanLimitReached) or organization is None:
        return {}
    larger = _next_plan(problem.extensions.get("plan", ""))
    is_owner = actor is not None and actor.role is Role.OWNER
    may_buy = is_owner and larger is not None and organization.parent_id is None and gateway.is_configured()
    return {
        "problem": problem,
        "organization": organization,
        "plan": organization.plan,
        "larger": larger,
        "may_buy": may_buy and bool(price_of_plan(larger.name if larger else "")),
        "is_owner": is_owner,
        "csrf_token": context.get("csrf_token"),
        **{name: problem.extensions.get(name) for name in ("limit", "used", "upgrade_url")},
    }


def _next_plan(name: str) -> Any:
    names = list(PLANS)
    following = names[names.index(name) + 1 :] if name in PLANS else []
    return next((PLANS[name] for name in following if name in SOLD_PLANS), None)
