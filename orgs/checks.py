"""System checks that keep every tenant model in the shape the walls need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, register
from django.db import models

from dataxpipe.postgres.fields import OrganizationKey
from orgs.tenancy import CONTROL_TABLES, TenantManager, TenantModel


@register()
def check_tenant_models(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    configs = app_configs if app_configs is not None else apps.get_app_configs()
    return [message for config in configs for model in config.get_models() for message in defects(model)]


def defects(model: type[models.Model]) -> Iterator[CheckMessage]:
    """What keeps a model from standing behind the walls; nothing for a model without an organization."""
    if any(isinstance(field, OrganizationKey) for field in model._meta.local_fields):
        yield from _keys_across_organizations(model)
        yield from _ways_around(model)
    elif _has_column(model, "organization_id") and model._meta.db_table not in CONTROL_TABLES:
        hint = "Make the key an OrganizationKey, or name the table in CONTROL_TABLES with the reason."
        yield Error("It has an organization and no wall.", hint=hint, obj=model, id="orgs.E005")


def _keys_across_organizations(model: type[models.Model]) -> Iterator[CheckMessage]:
    meta = model._meta
    for field in meta.local_many_to_many:
        yield Error(f"{field} makes a link table without an organization.", obj=model, id="orgs.E001")
    for column in meta.local_fields:
        if isinstance(column, models.OneToOneField) or (column.unique and not column.primary_key):
            yield Error(f"{column} is unique across organizations.", obj=model, id="orgs.E002")
    for fields in meta.unique_together:
        if not _starts_with_organization(fields):
            yield Error(f"unique_together {fields} does not start with the organization.", obj=model, id="orgs.E003")
    for constraint in meta.constraints:
        if isinstance(constraint, models.CheckConstraint):
            continue
        if not _starts_with_organization(getattr(constraint, "fields", ())):
            yield Error(f"{constraint.name} does not start with the organization.", obj=model, id="orgs.E003")
    for index in meta.indexes:
        if not _starts_with_organization(index.fields):
            yield Error(f"{index.name} does not start with the organization.", obj=model, id="orgs.E004")


def _ways_around(model: type[models.Model]) -> Iterator[CheckMessage]:
    for manager in model._meta.managers:
        if not isinstance(manager, TenantManager):
            yield Error(f"{manager.name} reads every organization's rows.", obj=model, id="orgs.E006")
    if not issubclass(model, TenantModel):
        yield Error("It saves rows without filling in their organization.", obj=model, id="orgs.E006")
    for column in model._meta.local_fields:
        target = column.remote_field.model if column.remote_field else None
        if target is None or isinstance(column, OrganizationKey):
            continue
        if not any(isinstance(field, OrganizationKey) for field in target._meta.local_fields):
            hint = "Keep the id and a label: a dedicated database does not hold the others' people."
            yield Error(f"{column} leads out of the organization's database.", hint=hint, obj=model, id="orgs.E007")


def _has_column(model: type[models.Model], name: str) -> bool:
    return any(field.column == name for field in model._meta.local_fields)


def _starts_with_organization(fields: Any) -> bool:
    return bool(fields) and fields[0] in {"organization", "organization_id"}
