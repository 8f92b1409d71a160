"""A workshop in which tables are made by migration operations, as the owner, and never outlive the test."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections, migrations, models, transaction
from django.db.migrations.loader import MigrationLoader

from dataxpipe.postgres import gate
from dataxpipe.postgres.fields import OrganizationKey, UUID7Key
from dataxpipe.postgres.walls import SETTING
from orgs.models import Organization
from orgs.tenancy import CONTROL_TABLES

ALIAS = "owner"
Operation = migrations.operations.base.Operation


@pytest.fixture
def owner_connection(db: None) -> Iterator[Any]:
    """The default database as the owner's role, under an alias of its own; everything in it is rolled back.

    The test's own connection must not write meanwhile: a new key locks the table it refers to.
    """
    wrapper = connection.copy(alias=ALIAS)
    connections[ALIAS] = wrapper
    try:
        with wrapper.as_owner(), transaction.atomic(ALIAS):
            yield wrapper
            transaction.set_rollback(True, using=ALIAS)
    finally:
        del connections[ALIAS]


@functools.cache
def state_of_orgs() -> Any:
    return MigrationLoader(None).project_state(("orgs", "0002_who"))


class Workshop:
    def __init__(self, wrapper: Any) -> None:
        self.connection = wrapper
        self.state = state_of_orgs().clone()
        self.acme, self.globex = (
            Organization.objects.using(ALIAS).create(slug=slug, name=slug) for slug in ("acme", "globex")
        )

    def apply(self, *operations: Operation) -> None:
        """As `migrate` does: each operation gets the models before and after it, and deferred SQL runs at the end."""
        self.check_keys()  # as the COMMIT of an earlier migration would have; else the tables are in use
        with self.connection.schema_editor() as editor:
            for operation in operations:
                before, self.state = self.state, self.state.clone()
                operation.state_forwards("toys", self.state)
                operation.database_forwards("toys", editor, before, self.state)

    def make(self, name: str, *fields: tuple[str, Any], is_tenant: bool = True) -> None:
        organization = [("organization", OrganizationKey())] if is_tenant else []
        self.apply(migrations.CreateModel(name, [("id", UUID7Key()), *organization, *fields]))

    def rows(self, name: str) -> Any:
        return self.state.apps.get_model("toys", name)._default_manager.using(ALIAS)

    def bind(self, organization: Organization | None) -> None:
        self.sql(f"SELECT set_config('{SETTING}', %s, true)", str(organization.pk) if organization else "")

    def sql(self, statement: str, *params: Any) -> list[Any]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, params or None)
            return cursor.fetchall() if cursor.description else []

    def check_keys(self) -> None:
        self.connection.check_constraints()

    def key_columns(self, table: str, kind: str) -> list[list[str]]:
        """The columns of the primary (`p`) or foreign (`f`) keys."""
        return sorted(
            columns
            for (columns,) in self.sql(
                "SELECT array(SELECT a.attname FROM unnest(k.conkey) WITH ORDINALITY u(n, i) JOIN pg_attribute a"
                " ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY i)::text[]"
                " FROM pg_constraint k WHERE k.conrelid = %s::regclass AND k.contype = %s",
                table,
                kind,
            )
        )

    def index_columns(self, table: str) -> list[list[str]]:
        return sorted(
            columns
            for (columns,) in self.sql(
                "SELECT array(SELECT a.attname FROM unnest(i.indkey::int[]) WITH ORDINALITY u(n, j) JOIN pg_attribute a"
                " ON a.attrelid = i.indrelid AND a.attnum = u.n ORDER BY j)::text[]"
                " FROM pg_index i WHERE i.indrelid = %s::regclass AND NOT i.indisprimary",
                table,
            )
        )

    def defects(self, *, control_tables: set[str] = frozenset()) -> list[str]:
        """What the gate says of the toys; that the owner owns them is no news."""
        found = gate.violations(self.connection, control_tables={*CONTROL_TABLES, *control_tables})
        return [text for text in found if text.startswith("toys_") and "owns it" not in text and "TRUNCATE" not in text]


@pytest.fixture
def workshop(owner_connection: Any) -> Workshop:
    return Workshop(owner_connection)


def key_to(model: str, **options: Any) -> Any:
    return models.ForeignKey(f"toys.{model}", on_delete=models.DO_NOTHING, **options)
