"""Deleting an organization: asked for, undone within 14 days, or carried out by `orgs.services.purge`."""

from __future__ import annotations

import datetime
from functools import partial
from typing import Protocol

from django.db import transaction
from django.utils import timezone

from dataxpipe.problems import Conflict, FieldError, ValidationFailed
from orgs import audit
from orgs.actors import Actor
from orgs.audit import Action
from orgs.mail import one_line
from orgs.models import Organization, OrganizationStatus
from orgs.services.organizations import lock_organization
from orgs.services.suspension import StatusStandsInTheWay, set_status, tell_owners
from orgs.tenancy import tenant_scope

UNDO_FOR = datetime.timedelta(days=14)


class Ending(Protocol):
    def __call__(self, *, organization: Organization) -> object: ...


_endings: list[Ending] = []


class HasSubOrganizations(Conflict):
    slug = "has-sub-organizations"
    title = "The organization has sub-organizations"
    about = "An organization goes after its sub-organizations. Delete those first; `sub_organizations` names them."


class DeletionIsFinal(Conflict):
    slug = "deletion-is-final"
    title = "The deletion cannot be undone any more"
    about = "The 14 days are over, and what belonged to the organization is being purged."


def call_before_deletion(ending: Ending) -> None:
    """`ending` settles what the organization owes the outside, in no scope. It may refuse the deletion by raising a
    `Problem`, and may be called again. Apps register in `ready()`."""
    if ending not in _endings:
        _endings.append(ending)


def confirmation_of(organization: Organization) -> str:
    """What a program has to send along, so that no slip deletes an organization."""
    return f"I understand this will permanently delete all data of {organization.slug}"


def require_confirmation(organization: Organization, text: str) -> None:
    """Raises `ValidationFailed` with the words that are expected."""
    if text != confirmation_of(organization):
        detail = f"Send these words: {confirmation_of(organization)}"
        raise ValidationFailed(detail, errors=[FieldError("unconfirmed", detail, pointer="/confirmation")])


def request_deletion(*, organization: Organization, actor: Actor) -> Organization:
    """Closed from the next request on, purged after 14 days. Outside any scope.

    Raises `HasSubOrganizations`, `StatusStandsInTheWay` while it moves or is being deleted already.
    """
    _require_deletable(organization)
    _require_no_children(organization)
    for ending in _endings:
        ending(organization=organization)
    with tenant_scope(organization):
        organization = lock_organization(organization)
        _require_deletable(organization)
        before = organization.status
        organization.deletion_at = timezone.now() + UNDO_FOR
        set_status(organization, OrganizationStatus.DELETING, reason=organization.status_reason, before=before)
        after = {"status": organization.status, "deletion_at": organization.deletion_at.isoformat()}
        audit.record(
            Action.ORGANIZATION_DELETION_REQUESTED, actor, target=organization, before={"status": before}, after=after
        )
        label = one_line(actor.label)
        told = partial(tell_owners, organization, "deletion_requested", "is being deleted", actor_label=label)
        transaction.on_commit(told)
    return organization


def undo_deletion(*, organization: Organization, actor: Actor) -> Organization:
    """As it was before, if the 14 days are not over. Enters the organization's scope itself.

    Raises `DeletionIsFinal`, `StatusStandsInTheWay` where nothing is being deleted.
    """
    with tenant_scope(organization):
        organization = lock_organization(organization)
        if organization.status != OrganizationStatus.DELETING:
            raise StatusStandsInTheWay(f"{organization.slug} is not being deleted.", status_now=organization.status)
        if is_final(organization):
            raise DeletionIsFinal(f"The days in which the deletion of {organization.slug} could be undone are over.")
        organization.deletion_at = None
        status = organization.status_before or OrganizationStatus.ACTIVE
        set_status(organization, status, reason=organization.status_reason)
        audit.record(Action.ORGANIZATION_DELETION_UNDONE, actor, target=organization, after={"status": status})
        label = one_line(actor.label)
        transaction.on_commit(
            partial(tell_owners, organization, "deletion_undone", "is not deleted", actor_label=label)
        )
    return organization


def is_final(organization: Organization) -> bool:
    return organization.deletion_at is None or organization.deletion_at <= timezone.now()


def _require_deletable(organization: Organization) -> None:
    if organization.status in {OrganizationStatus.DELETING, OrganizationStatus.MOVING}:
        raise StatusStandsInTheWay(f"{organization.slug} is {organization.status}.", status_now=organization.status)


def _require_no_children(organization: Organization) -> None:
    """Outside any scope: inside one they are not seen. One that comes meanwhile keeps its parent from being purged."""
    with_rows = organization.children.exclude(status=OrganizationStatus.DELETING)
    children = list(with_rows.order_by("slug").values_list("slug", flat=True)[:20])
    if children:
        raise HasSubOrganizations(f"Delete {', '.join(children)} first.", sub_organizations=children)
