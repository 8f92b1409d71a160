"""Many rows in one statement, where Django's `bulk_update` would write one CASE per field and row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, models, router


def update_rows(rows: Iterable[models.Model], fields: Sequence[str]) -> None:
    """Writes the named fields of instances of one tenant model: one UPDATE … FROM unnest(…), sorted by key."""
    instances = sorted(rows, key=lambda row: row.pk)
    if not instances:
        return
    model = type(instances[0])
    connection = connections[router.db_for_write(model)]
    quote = connection.ops.quote_name
    columns: list[Any] = [model._meta.get_field(name) for name in ("organization", "id", *fields)]
    names = [quote(field.column) for field in columns]
    arrays = ", ".join(f"%s::{field.db_type(connection)}[]" for field in columns)
    assigned = ", ".join(f"{name} = new.{name}" for name in names[2:])
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {quote(model._meta.db_table)} AS old SET {assigned}"  # noqa: S608  (names of our own columns)
            f" FROM unnest({arrays}) AS new ({', '.join(names)})"
            f" WHERE old.{names[0]} = new.{names[0]} AND old.{names[1]} = new.{names[1]}",
            [[_stored(field, row, connection) for row in instances] for field in columns],
        )


def _stored(field: Any, row: models.Model, connection: Any) -> Any:
    return field.get_db_prep_save(getattr(row, field.attname), connection)
