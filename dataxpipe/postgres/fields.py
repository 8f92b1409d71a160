"""Fields that the engine understands: they survive into the historical models of migrations, base classes do not."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from django.db import models
from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> uuid.UUID:
    """A time-ordered UUID (RFC 9562), made here because PostgreSQL knows them only from version 18 on."""
    return _uuid7()


def first_uuid7(at: datetime.datetime) -> uuid.UUID:
    """The smallest id that can have been made at this millisecond: a time as a bound on ids."""
    return uuid.UUID(int=int(at.timestamp() * 1000) << 80)


class OrganizationKey(models.ForeignKey):  # type: ignore[type-arg]
    """The key of a tenant table. Having one gives the table row-level security and composite keys."""

    def __init__(self, **kwargs: Any) -> None:
        defaults: dict[str, Any] = {"to": "orgs.Organization", "on_delete": models.DO_NOTHING, "editable": False}
        super().__init__(**{**kwargs, **defaults, "db_index": False, "related_name": "+"})

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, _, _, _ = super().deconstruct()
        return name, "dataxpipe.postgres.fields.OrganizationKey", [], {}


class UUID7Key(models.UUIDField):  # type: ignore[type-arg]
    """A public, time-ordered identifier. On a tenant table the primary key is (organization, id)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "primary_key": True, "default": uuid7, "editable": False})

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, _, _ = super().deconstruct()
        return name, path, [], {}


class WeeklyPartitionKey(UUID7Key):
    """A `UUID7Key` whose table is partitioned by the week in which the id was made."""
