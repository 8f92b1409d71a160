"""The number by which an organization's adjacency is kept: it rises only when a link changes."""

from __future__ import annotations

from django.db import connection

from dataxpipe.postgres.fields import uuid7
from orgs.tenancy import before_scope_exit, current_organization

_RISE = """
    INSERT INTO catalog_lineageversion (id, organization_id, version) VALUES (%s, %s, 1)
    ON CONFLICT (organization_id) DO UPDATE SET version = catalog_lineageversion.version + 1
"""


def lineage_changed() -> None:
    """Raises the version once, as one of the scope's last statements: everyone who changes links writes this row."""
    before_scope_exit("lineage_version", _rise)


def _rise() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_RISE, [uuid7(), current_organization().pk])
