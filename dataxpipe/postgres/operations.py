from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.backends.postgresql import operations

JOB_QUEUE = "procrastinate_"  # its tables are not Django's, and are emptied together or not at all


class DatabaseOperations(operations.DatabaseOperations):
    def sql_flush(self, style: Any, tables: Sequence[str], **kwargs: Any) -> list[str]:
        if not tables:
            return []
        existing = self.connection.introspection.table_names()
        queue = {table for table in existing if table.startswith(JOB_QUEUE)}
        return super().sql_flush(style, sorted({*tables, *queue}), **kwargs)

    def execute_sql_flush(self, sql_list: Iterable[str]) -> None:
        """The application's role may not TRUNCATE, so the owner does."""
        with self.connection.as_owner():
            super().execute_sql_flush(sql_list)
