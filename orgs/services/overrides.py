"""Limits agreed with one organization in place of its plan's; for operators."""

from __future__ import annotations

from dataxpipe.problems import FieldError, NotFound, ValidationFailed
from orgs.actors import Actor
from orgs.audit import Action, record
from orgs.models import Organization
from orgs.plans import LIMITS, PLANS, Override, override_of
from orgs.services.history import promise_history
from orgs.services.organizations import lock_organization
from orgs.tenancy import tenant_scope

MAX_REASON = 500
MAX_LIMIT = 10**15


class NotOverridden(NotFound):
    slug = "limit-not-overridden"
    title = "No limit was agreed"
    about = "There is no agreed limit to end: this one comes from the plan."


def override_limit(*, organization: Organization, override: Override, actor: Actor) -> Organization:
    """Holds from the next request until its end; enters the organization's scope itself. A second one for the same
    resource takes the place of the first. Raises `ValidationFailed`."""
    _require_sound(override)
    with tenant_scope(organization):
        organization = lock_organization(organization)
        promise_history(organization)
        before = override_of(organization, override.resource)
        organization.limit_overrides = {**organization.limit_overrides, override.resource: override.as_json()}
        _save(organization, Action.ORGANIZATION_LIMIT_OVERRIDDEN, actor, before=before, after=override)
    return organization


def end_override(*, organization: Organization, resource: str, reason: str, actor: Actor) -> Organization:
    """The plan's limit holds again from the next request. Raises `NotOverridden`, `ValidationFailed`."""
    _require_reason(reason)
    with tenant_scope(organization):
        organization = lock_organization(organization)
        before = override_of(organization, resource)
        if before is None:
            raise NotOverridden(f"{organization.slug} has no agreed limit of {resource}.")
        promise_history(organization)
        kept = organization.limit_overrides.items()
        organization.limit_overrides = {name: value for name, value in kept if name != resource}
        after = Override(resource, organization.plan.limit(resource), reason)
        _save(organization, Action.ORGANIZATION_LIMIT_OVERRIDE_ENDED, actor, before=before, after=after)
    return organization


def _save(
    organization: Organization, action: Action, actor: Actor, *, before: Override | None, after: Override
) -> None:
    organization.save(update_fields=["limit_overrides", "updated_at"])
    resource, plan = after.resource, organization.plan
    then = before.as_json() if before else {"limit": plan.limit(resource), "reason": f"{plan.label} plan"}
    record(
        action,
        actor,
        target=organization,
        before={"resource": resource, **then},
        after={"resource": resource, **after.as_json()},
    )


def _require_sound(override: Override) -> None:
    if override.resource not in LIMITS:
        raise _invalid("resource", f"Limits are {', '.join(LIMITS)}.")
    may_be_unlimited = any(plan.limit(override.resource) is None for plan in PLANS.values())
    if override.limit is None and not may_be_unlimited:
        raise _invalid("limit", f"{override.resource} needs a number.")
    if override.limit is not None and not 0 <= override.limit <= MAX_LIMIT:
        raise _invalid("limit", f"A whole number from 0 to {MAX_LIMIT}.")
    if override.has_ended:
        raise _invalid("ends_at", "The end has passed.")
    _require_reason(override.reason)


def _require_reason(reason: str) -> None:
    if not reason.strip() or len(reason) > MAX_REASON or "\0" in reason:
        raise _invalid("reason", f"Say why, in at most {MAX_REASON} characters.")


def _invalid(name: str, detail: str) -> ValidationFailed:
    return ValidationFailed(detail, errors=[FieldError("invalid", detail, pointer=f"/{name}")])
