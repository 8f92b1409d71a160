"""Removing an organization for good, in short transactions: whatever kills the worker, the next round goes on.

Rows go in an order in which nothing refers to what goes. What is insert-only goes by the database's own function
`purge_organization()`, which serves an organization whose days of undo are over and no other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import Error, connection, models, transaction
from django.utils import timezone

from orgs.actors import Actor
from orgs.mail import one_line, send_mail
from orgs.models import Membership, Organization, OrganizationSlug, OrganizationStatus
from orgs.permissions import Role
from orgs.platform_audit import PlatformAction, remember
from orgs.services.deletion import is_final
from orgs.services.organizations import lock_organization
from orgs.tenancy import JOB, tenant_scope

BATCH = 5_000
WORKER = Actor.system("purge")
# With the organization itself, at the end: whom to tell, and the names nobody gets again.
KEPT_TO_THE_END = (Membership, OrganizationSlug)

logger = logging.getLogger(__name__)


def purge_deleted_organizations(*, for_seconds: float = 240, batch: int = BATCH) -> int:
    """Goes on with every organization whose days of undo are over; returns how many are gone. Outside any scope."""
    deadline, gone = time.monotonic() + for_seconds, 0
    doomed = Organization.objects.filter(status=OrganizationStatus.DELETING, deletion_at__lte=timezone.now())
    # A sub-organization goes before its parent.
    for organization in doomed.order_by(models.F("parent").asc(nulls_last=True), "pk"):
        try:
            gone += _purge(organization, deadline, batch)
        except Error:
            logger.exception("the purge of organization %s failed and is tried again", organization.pk)
    return gone


def _purge(organization: Organization, deadline: float, batch: int) -> bool:
    order = removal_order()
    while time.monotonic() < deadline:
        with tenant_scope(organization, timeouts=JOB):
            if not _is_still_doomed(organization):
                return False
            removed = _remove_some(order, organization, batch)
        if not removed:
            _finish(organization)
            return True
    return False


def _is_still_doomed(organization: Organization) -> bool:
    """Under the lock, so that an undo of the last second and the first batch exclude each other."""
    organization = lock_organization(organization)
    return organization.status == OrganizationStatus.DELETING and is_final(organization)


def _remove_some(order: list[type[models.Model]], organization: Organization, batch: int) -> int:
    for model in order:
        if removed := _remove(model, organization, batch):
            return removed
    with connection.cursor() as cursor:
        cursor.execute("SELECT purge_organization(%s)", [batch])
        return int(cursor.fetchone()[0])


def _remove(model: type[models.Model], organization: Organization, batch: int) -> int:
    rows = model._base_manager.filter(organization_id=organization.pk)
    if isinstance(model._meta.pk, models.CompositePrimaryKey):
        return rows._raw_delete(rows.db)  # counters: few rows
    ids = list(rows.order_by("pk").values_list("pk", flat=True)[:batch])
    if not ids:
        return 0
    for referring, field in _may_be_null(model):
        referring._base_manager.filter(organization_id=organization.pk, **{f"{field}__in": ids}).update(**{field: None})
    doomed = rows.filter(pk__in=ids)
    doomed._raw_delete(doomed.db)
    return len(ids)


def _finish(organization: Organization) -> None:
    """All that is left, and the proof, in one transaction. A row that was forgotten somewhere refuses it at commit."""
    with transaction.atomic():
        with tenant_scope(organization, timeouts=JOB):
            members = organization.memberships.select_related("user").filter(role=Role.OWNER.value)
            owners = [membership.user for membership in members if membership.user.is_active]
            organization.memberships.all()._raw_delete(organization.memberships.db)
        OrganizationSlug.objects.get_or_create(slug=organization.slug)
        OrganizationSlug.objects.filter(organization=organization).update(organization=None, ended_at=timezone.now())
        Organization.objects.filter(pk=organization.pk)._raw_delete(Organization.objects.db)
        remember(
            PlatformAction.ORGANIZATION_PURGED,
            WORKER,
            organization_slug=organization.slug,
            target_label=organization.name,
            before={
                "id": organization.pk,
                "plan": organization.plan_name,
                "created_at": organization.created_at.isoformat(),
                "deletion_at": organization.deletion_at.isoformat() if organization.deletion_at else None,
            },
        )
    for owner in owners:
        context = {"organization_name": one_line(organization.name), "person": owner}
        send_mail("purged", to=owner.email, subject=f"{organization.name} is deleted", context=context)


def removal_order() -> list[type[models.Model]]:
    """Models with rows of organizations, those that refer before those they refer to.

    A circle is cut at a key that may be null. Left out is what the application's role may not delete.
    """
    left = [model for model in _owned_models() if model not in KEPT_TO_THE_END and _may_delete(model)]
    order: list[type[models.Model]] = []
    while left:
        free = [m for m in left if not any(_keys(other, m) for other in left if other is not m)]
        free = free or [m for m in left if all(k.null for other in left if other is not m for k in _keys(other, m))]
        if not free:
            raise RuntimeError(f"the keys of {', '.join(m.__name__ for m in left)} run in a circle")
        order.append(free[0])
        left.remove(free[0])
    return order


def _owned_models() -> Iterator[type[models.Model]]:
    for model in apps.get_models():
        if model._meta.managed and any(
            field.column == "organization_id" for field in model._meta.local_concrete_fields
        ):
            yield model


def _keys(model: type[models.Model], target: type[models.Model]) -> list[Any]:
    return [
        field
        for field in model._meta.local_concrete_fields
        if isinstance(field, models.ForeignKey) and field.remote_field.model is target
    ]


def _may_be_null(model: type[models.Model]) -> Iterator[tuple[type[models.Model], str]]:
    """Keys that lead to the model, of itself or across a circle, and have to let go first."""
    for other in _owned_models():
        for key in _keys(other, model):
            if key.null:
                yield other, key.attname


def _may_delete(model: type[models.Model]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(%s, 'DELETE')", [model._meta.db_table])
        return bool(cursor.fetchone()[0])
