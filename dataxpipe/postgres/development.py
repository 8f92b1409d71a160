"""Databases that set themselves up: the embedded server, and a privileged URL while DEBUG is on."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path
from typing import Any

import psycopg

from dataxpipe.postgres.embedded import ServerAddress, ensure_server
from dataxpipe.postgres.roles import ensure_roles, schema_of

OWNER, APPLICATION = "dataxpipe_owner", "dataxpipe_app"
# Options that Django reads; the server knows nothing of them.
OF_DJANGO = {"pool", "server_side_binding"}


@functools.cache
def ensure_embedded(data_dir: Path) -> ServerAddress:
    """Starts the embedded server if it does not run, and makes the roles and the database once."""
    is_durable = os.environ.get("DATAXPIPE_EMBEDDED_DURABLE", "true") != "false"
    address = ensure_server(data_dir, durable=is_durable)
    ensure_roles(
        address.admin_parameters(),
        database="dataxpipe",
        owner=OWNER,
        app=APPLICATION,
        may_create_databases=True,
    )
    return address


def without_privileges(database: dict[str, Any]) -> dict[str, Any]:
    """Settings with two derived roles in place of a privileged one; unchanged if the role is an ordinary one.

    For development only: both passwords are derived from the administrator's.
    """
    if "EMBEDDED" in database:
        return database
    admin = {
        "host": database["HOST"],
        "port": database["PORT"],
        "user": database["USER"],
        "password": database["PASSWORD"],
        "dbname": database["NAME"],
        **{name: value for name, value in database["OPTIONS"].items() if name not in OF_DJANGO},
    }
    admin = {name: value for name, value in admin.items() if value}
    with psycopg.connect(**admin) as connection:
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    if row is None or not row[0]:
        return database
    owner_password, app_password = (_derived(database, role) for role in (OWNER, APPLICATION))
    ensure_roles(
        admin,
        database=database["NAME"],
        owner=OWNER,
        app=APPLICATION,
        owner_password=owner_password,
        app_password=app_password,
        may_create_databases=True,
        schema=schema_of(database["OPTIONS"].get("options")),
    )
    return {
        **database,
        "USER": APPLICATION,
        "PASSWORD": app_password,
        "OWNER": {"USER": OWNER, "PASSWORD": owner_password},
    }


def _derived(database: dict[str, Any], role: str) -> str:
    return hashlib.sha256(f"{database['PASSWORD']}:{role}".encode()).hexdigest()[:32]
