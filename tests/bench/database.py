"""The bench's own PostgreSQL: embedded, durable, and at every run in the same state.

What was seeded is kept as a template database, so that rows which an earlier run wrote weigh on none.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from django.core.management import call_command
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from psycopg import sql

from dataxpipe.postgres.development import OWNER, ensure_embedded
from dataxpipe.postgres.embedded import ensure_server
from tests.bench import seed as seeding
from tests.bench import shape
from tests.bench.seed import Size

DATABASE = "dataxpipe"


def prepare(data_dir: Path, size: Size, *, say: Callable[[str], None]) -> None:
    """A database of `size`, fresh from its template; the template is made when there is none."""
    template = f"seeded_{_digest(size)}"
    with _admin(data_dir) as admin:
        if not _exists(admin, template):
            _drop(admin, DATABASE)
            say(f"Seeding {size.pipelines:,} pipelines, {size.runs:,} runs, {size.organizations:,} organizations")
            _seed(data_dir, size)
            _rename(admin, DATABASE, template)
        _drop(admin, DATABASE)
        names = {
            "database": sql.Identifier(DATABASE),
            "template": sql.Identifier(template),
            "owner": sql.Identifier(OWNER),
        }
        admin.execute(sql.SQL("CREATE DATABASE {database} TEMPLATE {template} OWNER {owner}").format(**names))
        admin.execute("CHECKPOINT")
    _forget()
    ensure_embedded(data_dir)  # grants are the database's own, no template carries them


def version(data_dir: Path) -> str:
    with _admin(data_dir) as admin:
        return str(admin.info.server_version // 10_000)


def _seed(data_dir: Path, size: Size) -> None:
    _forget()
    ensure_embedded(data_dir)
    call_command("migrate", verbosity=0, interactive=False)
    with psycopg.connect(**ensure_server(data_dir).admin_parameters(DATABASE), autocommit=True) as admin:
        seeding.seed(size, analyze=lambda: _maintain(admin, "ANALYZE"))
        _close()
        _maintain(admin, "VACUUM (ANALYZE)")


def _maintain(admin: psycopg.Connection[Any], statement: LiteralString) -> None:
    admin.execute(statement)


def _digest(size: Size) -> str:
    """Of everything that makes the seeded state: its size, how it is made, and the schema."""
    migrations = sorted(MigrationLoader(None).disk_migrations)
    sources = [Path(module.__file__ or "").read_bytes() for module in (seeding, shape)]
    return hashlib.sha256(repr((astuple(size), migrations, sources)).encode()).hexdigest()[:16]


@contextlib.contextmanager
def _admin(data_dir: Path) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(**ensure_server(data_dir).admin_parameters(), autocommit=True) as admin:
        yield admin


def _exists(admin: psycopg.Connection[Any], database: str) -> bool:
    return admin.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone() is not None


def _drop(admin: psycopg.Connection[Any], database: str) -> None:
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))


def _rename(admin: psycopg.Connection[Any], database: str, name: str) -> None:
    admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(database), sql.Identifier(name)))


def _close() -> None:
    connections.close_all()
    connection.close_pool()  # type: ignore[attr-defined]


def _forget() -> None:
    _close()
    ensure_embedded.cache_clear()
