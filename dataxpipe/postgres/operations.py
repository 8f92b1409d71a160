from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.backends.postgresql import operations

JOB_QUEUE = ("procrastinate_jobs", "procrastinate_periodic_defers")


class DatabaseOperations(operations.DatabaseOperations):
    def sql_flush(self, style: Any, tables: Sequence[str], **kwargs: Any) -> list[str]:
        existing = set(self.connection.introspection.table_names())
        queue = [table for table in JOB_QUEUE if table in existing]
        return super().sql_flush(style, [*tables, *queue], **kwargs) if tables else []

    def execute_sql_flush(self, sql_list: Iterable[str]) -> None:
        """The application's role may not TRUNCATE, so the owner does."""
        with self.connection.as_owner():
            super().execute_sql_flush(sql_list)
