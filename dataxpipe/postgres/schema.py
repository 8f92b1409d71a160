"""The schema editor that builds the second and third wall for every table with an `OrganizationKey`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import NotSupportedError, transaction
from django.db.backends.ddl_references import Columns, Statement
from django.db.backends.postgresql.schema import DatabaseSchemaEditor as PostgresSchemaEditor
from django.db.models import Field, ForeignKey, Model

from dataxpipe.postgres import partitions, walls
from dataxpipe.postgres.fields import OrganizationKey, WeeklyPartitionKey


def organization_field(model: type[Model]) -> OrganizationKey | None:
    """The field that makes the model's table a tenant table."""
    return next((field for field in model._meta.local_fields if isinstance(field, OrganizationKey)), None)


def control_column(model: type[Model]) -> str | None:
    """The column by which a control table belongs to an organization."""
    if model._meta.label_lower == "orgs.organization":
        return "id"
    plain = (
        field.column
        for field in model._meta.local_fields
        if isinstance(field, ForeignKey) and not isinstance(field, OrganizationKey)
    )
    return next((column for column in plain if column == "organization_id"), None)


class DatabaseSchemaEditor(PostgresSchemaEditor):
    sql_create_column_inline_fk = None  # an inline key could name one column only

    def create_model(self, model: type[Model]) -> None:
        super().create_model(model)
        self._raise_walls(model)
        if isinstance(model._meta.pk, WeeklyPartitionKey):
            self.execute(partitions.add_partitions_sql(model._meta.db_table), None)

    def add_field(self, model: type[Model], field: Field[Any, Any]) -> None:
        super().add_field(model, field)
        self._follow_organization(field)

    def alter_field(
        self, model: type[Model], old_field: Field[Any, Any], new_field: Field[Any, Any], strict: bool = False
    ) -> None:
        """A new default for NULLs is an UPDATE, which under FORCE would change no row, silently."""
        self._refuse_to_lose_organization(old_field, new_field)
        with self._all_rows_visible(model):
            super().alter_field(model, old_field, new_field, strict)
        if type(old_field) is not type(new_field):
            self._follow_organization(new_field)

    def remove_field(self, model: type[Model], field: Field[Any, Any]) -> None:
        self._refuse_to_lose_organization(field, None)
        super().remove_field(model, field)

    def table_sql(self, model: type[Model]) -> tuple[str, list[Any]]:
        sql, params = super().table_sql(model)
        pk = model._meta.pk
        if organization_field(model):
            key = f"PRIMARY KEY ({self.quote_name('organization_id')}, {self.quote_name(pk.column)})"
            sql = f"{sql[:-1]}, CONSTRAINT {self._pkey_name(model)} {key})"
        if isinstance(pk, WeeklyPartitionKey):
            sql += f" PARTITION BY RANGE ({self.quote_name(pk.column)})"
        return sql, params

    def _follow_organization(self, field: Field[Any, Any]) -> None:
        """Raises the walls of a table that has just got its organization.

        The field knows the model in its new state; the model that migrations pass is the one before.
        """
        if isinstance(field, OrganizationKey):
            self._delete_primary_key(field.model)
            self.execute(self._create_primary_key_sql(field.model, field.model._meta.pk), None)
        if field.column == "organization_id":
            self._raise_walls(field.model)

    def _refuse_to_lose_organization(self, field: Field[Any, Any], successor: Field[Any, Any] | None) -> None:
        if isinstance(field, OrganizationKey) and not isinstance(successor, OrganizationKey):
            raise NotSupportedError(
                f"{field.model._meta.db_table} would be open to every tenant without its organization: "
                "move its rows into a new table instead."
            )

    @contextmanager
    def _all_rows_visible(self, *models: type[Model]) -> Iterator[None]:
        tables = {model._meta.db_table for model in models if organization_field(model)}
        with transaction.atomic(self.connection.alias):
            for table in sorted(tables):
                self.execute(f"ALTER TABLE {self.quote_name(table)} NO FORCE ROW LEVEL SECURITY", None)
            yield
            for table in sorted(tables):
                self.execute(f"ALTER TABLE {self.quote_name(table)} FORCE ROW LEVEL SECURITY", None)

    def _raise_walls(self, model: type[Model]) -> None:
        if organization_field(model):
            condition = walls.tenant_condition()
        elif column := control_column(model):
            condition = walls.control_condition(column)
        else:
            return
        for statement in walls.raise_wall(self.quote_name(model._meta.db_table), condition):
            self.execute(statement, None)

    def _pkey_name(self, model: type[Model]) -> str:
        return str(self.quote_name(f"{model._meta.db_table}_pkey"))

    def _iter_column_sql(
        self, column_db_type: str, params: Any, model: type[Model], field: Field[Any, Any], *args: Any
    ) -> Any:
        for part in super()._iter_column_sql(column_db_type, params, model, field, *args):
            if part == "PRIMARY KEY" and organization_field(model):
                continue
            yield part

    def _create_primary_key_sql(self, model: type[Model], field: Field[Any, Any]) -> Statement:
        statement = super()._create_primary_key_sql(model, field)
        if organization_field(model):
            statement.parts["name"] = self._pkey_name(model)
            statement.parts["columns"] = self._tenant_columns(model, field.column)
        return statement

    def _create_fk_sql(self, model: type[Model], field: ForeignKey[Any, Any], suffix: str) -> Statement:
        statement = super()._create_fk_sql(model, field, suffix)
        target = field.remote_field.model
        if not organization_field(model):
            return statement
        if not isinstance(field, OrganizationKey) and organization_field(target):
            statement.parts["column"] = self._tenant_columns(model, field.column)
            statement.parts["to_column"] = self._tenant_columns(target, field.target_field.column)
        return self._validated_over_all_rows(statement, model, target)

    def _validated_over_all_rows(self, add_key: Statement, model: type[Model], target: type[Model]) -> Statement:
        """PostgreSQL validates a new key as the table's owner: under FORCE it would see, and check, no row."""
        tables = [model._meta.db_table]
        if organization_field(target) and target is not model:
            tables.append(target._meta.db_table)
        lower = "; ".join(f"ALTER TABLE {self.quote_name(table)} NO FORCE ROW LEVEL SECURITY" for table in tables)
        lift = "; ".join(f"ALTER TABLE {self.quote_name(table)} FORCE ROW LEVEL SECURITY" for table in tables)
        add_key.template = f"{lower}; {add_key.template}; {lift}"
        return add_key

    def _create_index_sql(
        self, model: type[Model], *, fields: Any = None, name: Any = None, **kwargs: Any
    ) -> Statement:
        """Indexes that Django makes by itself lead with the organization; those of `Meta` have names and say so."""
        organization = organization_field(model)
        if organization and fields and name is None and organization not in fields:
            fields = [organization, *fields]
        return super()._create_index_sql(model, fields=fields, name=name, **kwargs)

    def _create_like_index_sql(self, model: type[Model], field: Field[Any, Any]) -> Statement | None:
        """None for tenant tables: under row-level security LIKE cannot use an index."""
        return None if organization_field(model) else super()._create_like_index_sql(model, field)

    def _constraint_names(self, model: type[Model], column_names: list[str] | None = None, **kwargs: Any) -> list[str]:
        """Django looks for keys and indexes by one column; those of tenant tables have the organization before it."""
        names: list[str] = super()._constraint_names(model, column_names, **kwargs)
        is_ours = kwargs.get("foreign_key") or kwargs.get("index")
        if column_names and is_ours and organization_field(model) and "organization_id" not in column_names:
            composite = ["organization_id", *column_names]
            names += super()._constraint_names(model, composite, **{"unique": False, **kwargs})
        return names

    def _tenant_columns(self, model: type[Model], column: str) -> Columns:
        return Columns(model._meta.db_table, ["organization_id", column], self.quote_name)
