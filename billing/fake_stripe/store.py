"""Where the pretend Stripe keeps what it knows: one SQLite file, whose objects are Stripe's JSON.

Fields that begin with `_` are kept and never told.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import string
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Object = dict[str, Any]

TABLES = """
CREATE TABLE IF NOT EXISTS objects (sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, kind TEXT, body TEXT);
CREATE INDEX IF NOT EXISTS objects_kind ON objects (kind, sequence);
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, request TEXT, status INTEGER, body TEXT, created INTEGER);
CREATE TABLE IF NOT EXISTS deliveries (
    event TEXT PRIMARY KEY, attempts INTEGER DEFAULT 0, next_attempt REAL, delivered REAL, last_answer TEXT DEFAULT ''
);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT);
"""
LETTERS = string.ascii_letters + string.digits


def new_id(prefix: str, length: int = 14) -> str:
    return f"{prefix}_{''.join(secrets.choice(LETTERS) for _ in range(length))}"


def public(value: Any) -> Any:
    """The same without private fields."""
    if isinstance(value, dict):
        return {name: public(nested) for name, nested in value.items() if not name.startswith("_")}
    if isinstance(value, list):
        return [public(nested) for nested in value]
    return value


class Store:
    def __init__(self, path: Path | None = None) -> None:
        """`None` keeps everything in memory, for tests."""
        self.lock = threading.RLock()
        self.connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self.connection.executescript(TABLES)
        self.depth = 0

    def close(self) -> None:
        with self.lock:
            self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One request at a time; what raises has changed nothing."""
        with self.lock:
            self.depth += 1
            try:
                if self.depth == 1:
                    self.connection.execute("BEGIN IMMEDIATE")
                yield
            except BaseException:
                if self.depth == 1:
                    self.connection.execute("ROLLBACK")
                raise
            else:
                if self.depth == 1:
                    self.connection.execute("COMMIT")
            finally:
                self.depth -= 1

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.lock:
            return self.connection.execute(statement, values).fetchall()

    def insert(self, found: Object) -> Object:
        self.rows(
            "INSERT INTO objects (id, kind, body) VALUES (?, ?, ?)", found["id"], found["object"], json.dumps(found)
        )
        return found

    def save(self, found: Object) -> Object:
        self.rows("UPDATE objects SET body = ? WHERE id = ?", json.dumps(found), found["id"])
        return found

    def find(self, identifier: str, kind: str | None = None) -> Object | None:
        for found_kind, body in self.rows("SELECT kind, body FROM objects WHERE id = ?", identifier):
            found: Object = json.loads(body)
            return found if kind in {None, found_kind} else None
        return None

    def every(self, kind: str) -> list[Object]:
        """All of a kind, newest first, without the deleted ones."""
        bodies = self.rows("SELECT body FROM objects WHERE kind = ? ORDER BY sequence DESC", kind)
        found = [json.loads(body) for (body,) in bodies]
        return [each for each in found if not each.get("deleted")]

    def fact(self, name: str, default: Any = None) -> Any:
        for (value,) in self.rows("SELECT value FROM facts WHERE name = ?", name):
            return json.loads(value)
        return default

    def remember(self, name: str, value: Any) -> None:
        self.rows("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", name, json.dumps(value))

    def clear(self) -> None:
        """Everything but the facts: keys stay valid."""
        with self.transaction():
            for table in ("objects", "answers", "deliveries"):
                self.rows(f"DELETE FROM {table}")  # noqa: S608  (names from this line)
