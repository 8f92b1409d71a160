"""Taking an organization out of use, and back: for operators, with a reason that its owners are told."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from dataxpipe.problems import Conflict, FieldError, ValidationFailed
from orgs import audit
from orgs.actors import Actor
from orgs.audit import Action
from orgs.mail import one_line, send_mail
from orgs.models import Organization, OrganizationStatus
from orgs.permissions import Role
from orgs.services.organizations import lock_organization
from orgs.tenancy import tenant_scope

MAX_REASON = 500


class StatusStandsInTheWay(Conflict):
    slug = "status-stands-in-the-way"
    title = "The status does not allow this"
    about = "Only an organization in use is suspended, only a suspended one resumed. `status_now` says what it is."


def suspend_organization(*, organization: Organization, reason: str, actor: Actor) -> Organization:
    """Reads and exports only, from the next request on; enters the organization's scope itself.

    Raises `StatusStandsInTheWay`, `ValidationFailed` without a reason.
    """
    reason = require_reason(reason)
    with tenant_scope(organization):
        organization = lock_organization(organization)
        _require_status(organization, OrganizationStatus.ACTIVE, OrganizationStatus.PAST_DUE)
        before = organization.status
        set_status(organization, OrganizationStatus.SUSPENDED, reason=reason, before=before)
        audit.record(
            Action.ORGANIZATION_SUSPENDED,
            actor,
            target=organization,
            before={"status": before},
            after={"status": organization.status, "reason": reason},
        )
        transaction.on_commit(lambda: tell_owners(organization, "suspended", "is suspended", reason=reason))
    return organization


def resume_organization(*, organization: Organization, reason: str, actor: Actor) -> Organization:
    """As it was before it was suspended. Raises `StatusStandsInTheWay`, `ValidationFailed` without a reason."""
    reason = require_reason(reason)
    with tenant_scope(organization):
        organization = lock_organization(organization)
        _require_status(organization, OrganizationStatus.SUSPENDED)
        before = {"status": organization.status, "reason": organization.status_reason}
        set_status(organization, organization.status_before or OrganizationStatus.ACTIVE)
        after = {"status": organization.status, "reason": reason}
        audit.record(Action.ORGANIZATION_RESUMED, actor, target=organization, before=before, after=after)
        transaction.on_commit(lambda: tell_owners(organization, "resumed", "is in use again", reason=reason))
    return organization


def set_status(organization: Organization, status: str, *, reason: str = "", before: str = "") -> None:
    """On a locked row. `before` is what it goes back to."""
    organization.status, organization.status_reason, organization.status_before = status, reason, before
    organization.save(update_fields=["status", "status_reason", "status_before", "deletion_at", "updated_at"])


def tell_owners(organization: Organization, mail: str, subject: str, **context: object) -> None:
    """Outside any scope, after the commit."""
    owners = organization.memberships.filter(role=Role.OWNER.value, user__is_active=True).select_related("user")
    context |= {
        "organization": organization,
        "organization_name": one_line(organization.name),
        "link": settings.BASE_URL + organization.get_absolute_url(),
    }
    for membership in owners:
        title = f"{organization.name} {subject}"
        send_mail(mail, to=membership.user.email, subject=title, context={**context, "person": membership.user})


def require_reason(reason: str) -> str:
    """The reason on one line; raises `ValidationFailed` without one."""
    reason = one_line(reason)
    if not reason or len(reason) > MAX_REASON:
        detail = f"Say why, in at most {MAX_REASON} characters."
        raise ValidationFailed(detail, errors=[FieldError("required", detail, pointer="/reason")])
    return reason


def _require_status(organization: Organization, *allowed: OrganizationStatus) -> None:
    if organization.status not in allowed:
        raise StatusStandsInTheWay(
            f"{organization.slug} is {organization.status}, not {' or '.join(allowed)}.",
            status_now=organization.status,
        )
