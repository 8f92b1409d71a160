"""System checks that keep every tenant model in the shape the walls need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, register
from django.db import models

from dataxpipe.postgres.fields import OrganizationKey


@register()
def check_tenant_models(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    configs = app_configs if app_configs is not None else apps.get_app_configs()
    return [
        message
        for config in configs
        for model in config.get_models()
        if any(isinstance(field, OrganizationKey) for field in model._meta.local_fields)
        for message in _defects(model)
    ]


def _defects(model: type[models.Model]) -> Iterator[CheckMessage]:
    meta = model._meta
    for field in meta.local_many_to_many:
        yield Error(f"{field} makes a link table without an organization.", obj=model, id="orgs.E001")
    for column in meta.local_fields:
        if isinstance(column, models.OneToOneField) or (column.unique and not column.primary_key):
            yield Error(f"{column} is unique across organizations.", obj=model, id="orgs.E002")
    for constraint in meta.constraints:
        if isinstance(constraint, models.UniqueConstraint) and not _starts_with_organization(constraint.fields):
            yield Error(f"{constraint.name} does not start with the organization.", obj=model, id="orgs.E003")
    for index in meta.indexes:
        if not _starts_with_organization(index.fields):
            yield Error(f"{index.name} does not start with the organization.", obj=model, id="orgs.E004")


def _starts_with_organization(fields: Any) -> bool:
    return bool(fields) and fields[0] in {"organization", "organization_id"}
