"""Statements that are planned once a connection, for requests that send the same few hundreds of times a second.

Only where rows are found by their keys: PostgreSQL may keep one plan for all values, and a list of a small organization
wants another plan than that of a large one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections

PREPARED_AFTER = 2


@contextmanager
def prepared_statements(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Whatever is sent inside more than twice over one connection of the pool is prepared there."""
    connection = connections[using]
    connection.ensure_connection()
    raw = connection.connection
    raw.prepare_threshold = PREPARED_AFTER
    try:
        yield
    finally:
        raw.prepare_threshold = None
