"""A PostgreSQL backend that keeps tenants apart: roles, pool, schema editor and test databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base

from dataxpipe.postgres import pool as pooling
from dataxpipe.postgres.creation import DatabaseCreation
from dataxpipe.postgres.gate import ROLE_THAT_BYPASSES
from dataxpipe.postgres.operations import DatabaseOperations
from dataxpipe.postgres.schema import DatabaseSchemaEditor


class DatabaseWrapper(base.DatabaseWrapper):
    SchemaEditorClass = DatabaseSchemaEditor
    creation_class = DatabaseCreation
    ops_class = DatabaseOperations

    is_owner = False
    _checked_roles: set[tuple[Any, ...]] = set()

    @property
    def pool(self) -> Any:
        options = self.settings_dict["OPTIONS"].get("pool")
        if isinstance(options, dict):
            options.setdefault("reset", pooling.discard_when_bound)
        return super().pool

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        if data_dir := self.settings_dict.get("EMBEDDED"):
            from dataxpipe.postgres.development import ensure_embedded

            address = ensure_embedded(data_dir)
            params |= {"host": str(address.host), "port": address.port}
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        try:
            self._refuse_role_that_bypasses(connection)
        except ImproperlyConfigured:
            self.connection = connection
            self._close()
            self.connection = None
            raise
        return connection

    def check_role(self) -> None:
        """Connects once, beside the pool, to refuse a role at the start and not at the first request.

        Raises `ImproperlyConfigured`, or `psycopg.OperationalError` when the server does not answer in three seconds.
        """
        with psycopg.connect(**{**self.get_connection_params(), "connect_timeout": 3}) as connection:
            self._refuse_role_that_bypasses(connection)

    def _refuse_role_that_bypasses(self, connection: Any) -> None:
        """Row-level security binds only roles that have no way around it; looked at once per role and database."""
        settings = self.settings_dict
        identity = (settings["HOST"], settings["PORT"], settings["NAME"], settings["USER"])
        if self.is_owner or settings["NAME"] is None or identity in self._checked_roles:
            return
        with connection.transaction():
            (strong,) = connection.execute(ROLE_THAT_BYPASSES).fetchone()
        if strong:
            raise ImproperlyConfigured(
                f"The database role {strong} can bypass row-level security (by SUPERUSER, BYPASSRLS, CREATEROLE, "
                "REPLICATION, or as owner of the tables). Run `manage.py setup_database --admin-url …` "
                "and point DATAXPIPE_DB at the application role."
            )
        self._checked_roles.add(identity)

    @contextmanager
    def as_owner(self) -> Iterator[None]:
        """Work as the role that owns the tables: migrations, test databases, flushing. Never inside a transaction."""
        if self.is_owner:
            yield
            return
        self.validate_no_atomic_block()
        self.close()
        application = self.settings_dict
        options = {key: value for key, value in application["OPTIONS"].items() if key != "pool"}
        owner = {**application, **application.get("OWNER", {}), "OPTIONS": options}
        self.settings_dict, self.is_owner = owner, True
        try:
            yield
        finally:
            self.close()
            self.is_owner, self.settings_dict = False, application
            application["NAME"] = owner["NAME"]
