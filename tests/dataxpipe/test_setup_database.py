"""`setup_database`: two roles of which neither passes row-level security, on a server of one's own."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
import pytest
from django.conf import settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from dataxpipe.postgres.embedded import ensure_server
from dataxpipe.postgres.roles import RoleSetupError, ensure_roles, grant_defaults, schema_of

ROOT = Path(__file__).parents[2]


@dataclass
class Server:
    """A cluster with a superuser, and names of its own for each test because roles belong to the whole
    cluster."""

    admin: dict[str, Any]
    prefix: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}")

    @property
    def names(self) -> dict[str, str]:
        return {"database": f"{self.prefix}_db", "owner": f"{self.prefix}_owner", "app": f"{self.prefix}_app"}

    @property
    def place(self) -> str:
        """Where it listens, as the query of a URL."""
        return urlencode({"host": self.admin["host"], "port": self.admin["port"]}, quote_via=quote)

    def as_role(self, role: str) -> dict[str, Any]:
        return {**self.admin, "user": self.names[role], "dbname": self.names["database"]}

    def execute(self, params: dict[str, Any], *statements: str) -> list[Any]:
        with psycopg.connect(**params, autocommit=True) as connection:
            cursor = None
            for statement in statements:
                names = {role: sql.Identifier(name) for role, name in self.names.items()}
                cursor = connection.execute(sql.SQL(statement).format(**names))
            return cursor.fetchall() if cursor and cursor.description else []

    def attributes(self, role: str) -> dict[str, Any]:
        rights = "canlogin", "super", "bypassrls", "inherit", "createdb", "createrole", "password"
        columns = [f"rol{right}" for right in rights]
        query = f"SELECT {', '.join(columns)} FROM pg_authid WHERE rolname = '{self.names[role]}'"
        [row] = self.execute(self.admin, query)
        return dict(zip(columns, row, strict=True))


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(ensure_server(settings.DATA_DIR, durable=False).admin_parameters())
    yield server
    with psycopg.connect(**server.admin, autocommit=True) as connection:
        query = "SELECT datname FROM pg_database WHERE datname LIKE %s"
        for (database,) in connection.execute(query, [f"{server.prefix}%"]).fetchall():
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))
        query = "SELECT rolname FROM pg_roles WHERE rolname LIKE %s ORDER BY rolname LIKE '%%admin'"
        for (role,) in connection.execute(query, [f"{server.prefix}%"]).fetchall():
            connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.fixture
def prepared(server: Server) -> Server:
    ensure_roles(server.admin, **server.names)
    server.execute(
        server.as_role("owner"),
        "CREATE TABLE things (id bigserial PRIMARY KEY, name text)",
        "CREATE FUNCTION answer() RETURNS int LANGUAGE sql AS 'SELECT 42'",
    )
    return server


def test_the_application_reads_and_writes_rows_of_what_the_owner_makes(prepared):
    app = prepared.as_role("app")
    prepared.execute(app, "INSERT INTO things (name) VALUES ('a')", "UPDATE things SET name = 'b'")
    assert prepared.execute(app, "SELECT name, answer() FROM things") == [("b", 42)]
    prepared.execute(app, "DELETE FROM things", "CREATE TEMPORARY TABLE import (LIKE things)")


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE things",
        "DROP TABLE things",
        "ALTER TABLE things DISABLE ROW LEVEL SECURITY",
        "CREATE TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE TRIGGER spy BEFORE INSERT ON things EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE POLICY open ON things USING (true)",
        "SET ROLE {owner}",
        "ALTER ROLE {app} BYPASSRLS",
        "CREATE DATABASE mine",
    ],
)
def test_the_application_changes_no_structure_and_no_role(prepared, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        prepared.execute(prepared.as_role("app"), statement)


def test_neither_role_passes_row_level_security(prepared):
    for role, inherits in (("owner", True), ("app", False)):
        attributes = prepared.attributes(role)
        assert attributes["rolcanlogin"]
        assert attributes["rolinherit"] is inherits
        assert not any(attributes[f"rol{right}"] for right in ("super", "bypassrls", "createrole", "createdb"))


def test_everyone_else_is_kept_out_of_the_schema(prepared):
    prepared.execute(prepared.admin, f"CREATE ROLE {prepared.prefix}_other LOGIN")
    other = {**prepared.as_role("app"), "user": f"{prepared.prefix}_other"}
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        prepared.execute(other, "SELECT * FROM public.things")


def test_it_can_be_repeated(prepared):
    before = prepared.attributes("app"), prepared.attributes("owner")
    ensure_roles(prepared.admin, **prepared.names)
    assert (prepared.attributes("app"), prepared.attributes("owner")) == before
    assert prepared.execute(prepared.as_role("app"), "SELECT answer()") == [(42,)]


def test_a_repetition_keeps_what_migrations_took_away(prepared):
    prepared.execute(prepared.as_role("owner"), "REVOKE UPDATE, DELETE ON things FROM {app}")
    ensure_roles(prepared.admin, **prepared.names)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        prepared.execute(prepared.as_role("app"), "DELETE FROM things")


def test_existing_roles_lose_what_they_must_not_have(server):
    server.execute(
        server.admin,
        "CREATE ROLE {app} SUPERUSER BYPASSRLS CREATEROLE CREATEDB NOLOGIN",
        "CREATE ROLE {owner} BYPASSRLS NOINHERIT",
        "CREATE DATABASE {database} OWNER {app}",
    )
    ensure_roles(server.admin, **server.names)
    test_neither_role_passes_row_level_security(server)
    query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    assert server.execute(server.as_role("app"), query) == [(server.names["owner"],)]


def test_several_runs_at_once_agree(server):
    def run(maintenance: str) -> None:
        ensure_roles({**server.admin, "dbname": maintenance}, **server.names)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(run, ["postgres", "template1"] * 3))
    assert server.execute(server.as_role("app"), "SELECT 1") == [(1,)]


def test_an_admin_without_superuser_is_enough(server):
    server.execute(server.admin, f"CREATE ROLE {server.prefix}_admin LOGIN CREATEROLE CREATEDB")
    admin = {**server.admin, "user": f"{server.prefix}_admin"}
    for _ in range(2):
        ensure_roles(admin, **server.names, owner_password="one", app_password="two")
    server.execute(server.as_role("owner"), "CREATE TABLE things ()")
    assert server.execute(server.as_role("app"), "SELECT * FROM things") == []


def test_passwords_are_stored_hashed_and_can_be_changed(server):
    ensure_roles(server.admin, **server.names, app_password="first")
    first = server.attributes("app")["rolpassword"]
    assert first.startswith("SCRAM-SHA-256$")
    ensure_roles(server.admin, **server.names)
    assert server.attributes("app")["rolpassword"] == first
    ensure_roles(server.admin, **server.names, app_password="second")
    assert server.attributes("app")["rolpassword"] != first


def test_a_schema_of_its_own_leaves_the_database_to_its_owner(server):
    server.execute(server.admin, "CREATE DATABASE {database}")
    ensure_roles(server.admin, **server.names, schema="acme")
    query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    assert server.execute(server.as_role("app"), query) == [("postgres",)]
    server.execute(server.as_role("owner"), "CREATE TABLE acme.things (id int)")
    assert server.execute(server.as_role("app"), "SELECT * FROM acme.things") == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        server.execute(server.as_role("app"), "CREATE TABLE acme.mine ()")


def test_a_test_database_gets_the_same_defaults_from_its_owner(server):
    ensure_roles(server.admin, **server.names, may_create_databases=True)
    server.execute(server.as_role("owner"), f"CREATE DATABASE {server.prefix}_test")
    test_owner, test_app = ({**server.as_role(role), "dbname": f"{server.prefix}_test"} for role in ("owner", "app"))
    for schema in ("public", "acme"):
        grant_defaults(test_owner, owner=server.names["owner"], app=server.names["app"], schema=schema)
        server.execute(test_owner, f"CREATE TABLE {schema}.things (id int)")
        assert server.execute(test_app, f"SELECT * FROM {schema}.things") == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            server.execute(test_app, f"CREATE TABLE {schema}.mine ()")


def test_an_application_role_that_can_become_a_stronger_one_is_refused(prepared):
    prepared.execute(prepared.admin, "GRANT {owner} TO {app}")
    with pytest.raises(RoleSetupError, match="is a member of"):
        ensure_roles(prepared.admin, **prepared.names)


def test_one_role_for_both_is_refused(server):
    with pytest.raises(RoleSetupError, match="must differ"):
        ensure_roles(server.admin, **{**server.names, "owner": server.names["app"]})


def test_the_admin_is_not_turned_into_one_of_the_roles(server):
    with pytest.raises(RoleSetupError, match="another admin URL"):
        ensure_roles(server.admin, **{**server.names, "owner": server.admin["user"]})


@pytest.mark.parametrize(
    ("options", "schema"),
    [
        (None, "public"),
        ("-c statement_timeout=5s", "public"),
        ("-c search_path=acme", "acme"),
        ("-c statement_timeout=5s -c search_path=acme,public", "acme"),
        ('-csearch_path="Acme"', "Acme"),
    ],
)
def test_the_schema_is_read_from_the_url_options(options, schema):
    assert schema_of(options) == schema


@pytest.fixture
def setup_database(server: Server) -> Callable[..., subprocess.CompletedProcess[str]]:
    admin_url = f"postgres://postgres@/postgres?{server.place}"

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", "setup_database", "--admin-url", admin_url, *arguments],
            cwd=ROOT,
            env={**os.environ, "DATAXPIPE_DATA_DIR": str(settings.DATA_DIR), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_command_prints_the_urls_of_new_roles_once(server, setup_database):
    names = server.names
    arguments = ["--app-role", names["app"], "--owner-role", names["owner"], "--database", names["database"]]
    first = setup_database(*arguments)
    assert first.returncode == 0, first.stderr
    printed = dict(line.split("=", 1) for line in first.stdout.splitlines())
    assert set(printed) == {"DATAXPIPE_DB", "DATAXPIPE_DB_OWNER"}
    for variable, role in (("DATAXPIPE_DB", "app"), ("DATAXPIPE_DB_OWNER", "owner")):
        login = conninfo_to_dict(printed[variable])
        assert (login["user"], login["dbname"]) == (names[role], names["database"])
        assert len(login["password"]) >= 32
        assert server.execute(login, "SELECT current_user::text") == [(names[role],)]
    second = setup_database(*arguments)
    assert (second.returncode, second.stdout) == (0, "")


def test_the_command_takes_names_and_passwords_from_the_environment(server, setup_database):
    place = f"/{server.names['database']}?{server.place}&options=-c%20search_path%3Dacme"
    done = setup_database(
        DATAXPIPE_DB=f"postgres://{server.names['app']}:secret-of-app@{place}",
        DATAXPIPE_DB_OWNER=f"postgres://{server.names['owner']}:secret-of-owner@{place}",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "secret" not in done.stderr
    assert "schema acme" in done.stderr
    assert all(server.attributes(role)["rolpassword"] for role in ("app", "owner"))


def test_the_command_says_which_tables_a_new_application_role_cannot_read(prepared, setup_database):
    names = prepared.names
    arguments = ["--owner-role", names["owner"], "--database", names["database"]]
    done = setup_database(*arguments, "--app-role", f"{prepared.prefix}_new")
    assert done.returncode == 0
    assert "no rights on 1 tables" in done.stderr


def test_a_server_out_of_reach_is_one_clear_line():
    done = subprocess.run(
        [
            sys.executable,
            "manage.py",
            "setup_database",
            "--admin-url",
            "postgres://postgres@127.0.0.1:1/postgres",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("CommandError: ")
    assert len(done.stderr.splitlines()) == 1
