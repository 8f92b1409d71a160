"""Doing a whole transaction again where others got in its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import DatabaseError

# SQLSTATE: a deadlock, a serialization failure, a row that somebody else made, or deleted, at the same moment
REPEATED = frozenset({"40P01", "40001", "23505", "23503"})
ATTEMPTS = 3
T = TypeVar("T")


def repeated(work: Callable[[], T]) -> T:
    """Does `work`, which opens a scope of its own, again where others got in its way."""
    for _ in range(1, ATTEMPTS):
        try:
            return work()
        except DatabaseError as error:
            if sqlstate(error) not in REPEATED:
                raise
    return work()


def sqlstate(error: DatabaseError) -> str:
    return getattr(error.__cause__, "sqlstate", None) or ""
