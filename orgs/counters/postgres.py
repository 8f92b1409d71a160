"""Counters in an UNLOGGED table: each question is one statement that commits by itself and waits for no disk.

The window is that of the database's clock. Whoever waited for the row while the window changed counts in the new one.
"""

from __future__ import annotations

from typing import Any

from django.db import connection

from orgs.counters.stores import Level, WindowCount

_COUNT = """
    INSERT INTO orgs_ratecounter AS kept (key, amount, at, is_granted)
    VALUES (%(key)s, greatest(%(amount)s, 0), to_timestamp(
        (floor(extract(epoch FROM statement_timestamp()) / %(seconds)s) + 1) * %(seconds)s), true)
    ON CONFLICT (key) DO UPDATE
    SET amount = CASE WHEN kept.at >= EXCLUDED.at THEN greatest(kept.amount + %(amount)s, 0) ELSE EXCLUDED.amount END,
        at = greatest(kept.at, EXCLUDED.at)
    RETURNING amount, ceil(extract(epoch FROM at - statement_timestamp()))::int
"""

# What is in the bucket now: what was left, and what has flowed in since.
_LEVEL = (
    "least(%(capacity)s, {row}amount + %(capacity)s::float8 / %(seconds)s"
    " * greatest(extract(epoch FROM statement_timestamp() - {row}at)::float8, 0))"
)
_HAS_ENOUGH = f"{_LEVEL.format(row='kept.')} >= least(%(cost)s, %(capacity)s)"
_TAKE = f"""
    INSERT INTO orgs_ratecounter AS kept (key, amount, at, is_granted)
    VALUES (%(key)s, %(capacity)s - %(cost)s, statement_timestamp(), true)
    ON CONFLICT (key) DO UPDATE
    SET amount = CASE WHEN {_HAS_ENOUGH} THEN {_LEVEL.format(row="kept.")} - %(cost)s ELSE kept.amount END,
        at = CASE WHEN {_HAS_ENOUGH} THEN greatest(kept.at, statement_timestamp()) ELSE kept.at END,
        is_granted = {_HAS_ENOUGH}
    RETURNING {_LEVEL.format(row="")}, is_granted
"""  # noqa: S608  (our own text)


class PostgresStore:
    def count(self, key: str, *, seconds: int, amount: int) -> WindowCount:
        count, seconds_left = _row(_COUNT, {"key": key, "seconds": seconds, "amount": amount})
        return WindowCount.of(count, seconds_left)

    def take(self, key: str, cost: int, *, capacity: int, seconds: int) -> Level:
        amount, is_granted = _row(_TAKE, {"key": key, "cost": cost, "capacity": capacity, "seconds": seconds})
        return Level(amount, is_granted)


def _row(statement: str, parameters: dict[str, Any]) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()
