"""Test databases: made and migrated by the owner, used by the application's role."""

from __future__ import annotations

import time
from typing import Any

from django.db.backends.postgresql import creation

from dataxpipe.postgres import roles


class DatabaseCreation(creation.DatabaseCreation):
    def create_test_db(self, *args: Any, **kwargs: Any) -> str:
        # A pool opened before would go on handing out connections to the real database.
        self.connection.close()
        self.connection.close_pool()
        name: str = super().create_test_db(*args, **kwargs)
        return name

    def _create_test_db(self, verbosity: int, autoclobber: bool, keepdb: bool = False) -> str:
        with self.connection.as_owner():
            name: str = super()._create_test_db(verbosity, autoclobber, keepdb)
        self._grant_defaults(name)
        return name

    def _clone_test_db(self, suffix: str, verbosity: int, keepdb: bool = False) -> None:
        with self.connection.as_owner():
            super()._clone_test_db(suffix, verbosity, keepdb)

    def _destroy_test_db(self, test_database_name: str, verbosity: int) -> None:
        self._close_pool()
        with self.connection.as_owner():
            super()._destroy_test_db(test_database_name, verbosity)

    def _close_pool(self) -> None:
        """A connection on its way back into a pool that closes is dropped open, and keeps the database in use."""
        pool, deadline = self.connection.pool, time.monotonic() + 2
        while _has_connection_out(pool) and time.monotonic() < deadline:
            time.sleep(0.002)
        self.connection.close_pool()

    def _grant_defaults(self, name: str) -> None:
        settings = self.connection.settings_dict
        with self.connection.as_owner():
            params = self.connection.get_connection_params() | {"dbname": name}
            owner = self.connection.settings_dict["USER"]
        schema = roles.schema_of(settings["OPTIONS"].get("options"))
        roles.grant_defaults(params, owner=owner, app=settings["USER"], schema=schema)


def _has_connection_out(pool: Any) -> bool:
    stats: dict[str, int] = pool.get_stats() if pool else {}
    return stats.get("pool_available", 0) < stats.get("pool_size", 0)
