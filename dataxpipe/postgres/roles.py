"""The two database roles and what each may do; pure psycopg, PostgreSQL 15 to 18.

The owner role migrates: it owns the database and every table. The application role serves: it reads and
writes rows, owns nothing, and row-level security binds it. Roles belong to the whole cluster, so several
deployments on one cluster either share them or choose other names.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

ConnectionParams: TypeAlias = Mapping[str, Any]
Connection: TypeAlias = psycopg.Connection[Any]

SETUP_LOCK = 0x6474_7870  # "dtxp"; an advisory lock key
# Another one, because the database of the grants may be the one the admin is connected to.
GRANTS_LOCK = SETUP_LOCK + 1
OLDEST_VERSION = 150_000
ATTEMPTS = 5


class RoleSetupError(RuntimeError):
    """The roles could not be set up as row-level security needs them; the message is one line to act on."""


def ensure_roles(
    admin_connection_params: ConnectionParams,
    *,
    database: str,
    owner: str,
    app: str,
    owner_password: str | None = None,
    app_password: str | None = None,
    may_create_databases: bool = False,
    schema: str = "public",
) -> None:
    """Make both roles, the database and the grants, or bring what exists into that state.

    The admin is a superuser, or has CREATEROLE and, when the database does not exist yet, CREATEDB. Safe to
    repeat and to run several times at once. With a schema other than `public` the database may belong to
    somebody else, and only the schema becomes the owner role's. Raises `RoleSetupError`.
    """
    if owner == app:
        raise RoleSetupError(
            "The owner role and the application role must differ: the owner passes row-level security."
        )

    def ensure() -> None:
        with _admin(admin_connection_params) as admin:
            _refuse_own_name(admin, {owner, app})
            _ensure_role(admin, owner, owner_password, inherits=True, creates_databases=may_create_databases)
            _ensure_role(admin, app, app_password, inherits=False, creates_databases=False)
            _refuse_strong_memberships(admin, app, owner)
            _become_member(admin, owner)
            _ensure_database(admin, database, owner, takes_over=schema == "public")
            names = {
                "database": sql.Identifier(database),
                "app": sql.Identifier(app),
                "owner": sql.Identifier(owner),
            }
            admin.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {app}, {owner}").format(**names))
            target = {**admin_connection_params, "dbname": database}
            if schema == "public":
                _adopt_public(target)
            else:
                _ensure_schema(target, schema, owner)
            grant_defaults(target, owner=owner, app=app, schema=schema)

    _with_retries(ensure)


def grant_defaults(connection_params: ConnectionParams, *, owner: str, app: str, schema: str = "public") -> None:
    """Give the application role rows, not structure, in everything the owner will make in `schema`.

    For one database; connects as the owner or as somebody who may become the owner. A schema that is missing
    is made. Tables that exist already keep their grants, because migrations narrow some of them.
    """
    names = {"owner": sql.Identifier(owner), "app": sql.Identifier(app), "schema": sql.Identifier(schema)}
    default = "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} "
    within = default + "IN SCHEMA {schema} "
    with psycopg.connect(**connection_params) as connection:
        connection.execute(sql.SQL("SELECT pg_advisory_xact_lock({})").format(GRANTS_LOCK))
        connection.execute(sql.SQL("SET LOCAL ROLE {owner}").format(**names))
        if connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [schema]).fetchone() is None:
            connection.execute(sql.SQL("CREATE SCHEMA {schema}").format(**names))
        for statement in (
            "REVOKE ALL ON SCHEMA {schema} FROM PUBLIC",
            "REVOKE ALL ON SCHEMA {schema} FROM {app}",
            "GRANT USAGE ON SCHEMA {schema} TO {app}",
            within + "REVOKE ALL ON TABLES FROM {app}",
            within + "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}",
            within + "GRANT USAGE, SELECT ON SEQUENCES TO {app}",
            within + "GRANT EXECUTE ON FUNCTIONS TO {app}",
            # Only the default of a whole database can take a right away from PUBLIC.
            default + "REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        ):
            connection.execute(sql.SQL(statement).format(**names))
        row = connection.execute(
            "SELECT has_schema_privilege(%s, %s, 'USAGE'), has_schema_privilege(%s, %s, 'CREATE')",
            [app, schema] * 2,
        ).fetchone()
        if row != (True, False):
            raise RoleSetupError(f"{app} must use the schema {schema} and not create in it: check the schema's grants.")


def schema_of(options: str | None) -> str:
    """The schema that libpq's `options` put first: `acme` for `-c search_path=acme`, else `public`."""
    match = re.search(r'search_path\s*=\s*"?([^",\s]+)', options or "")
    return match[1] if match else "public"


def role_exists(connection_params: ConnectionParams, role: str) -> bool:
    with psycopg.connect(**connection_params) as connection:
        return connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is not None


def tables_without_grants(connection_params: ConnectionParams, *, app: str, schema: str = "public") -> list[str]:
    """Existing tables that the application role cannot read, sorted: some, after its name changed."""
    query = """
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND c.relkind IN ('r', 'p')
          AND NOT has_table_privilege(%(app)s, c.oid, 'SELECT')
        ORDER BY c.relname
    """
    with psycopg.connect(**connection_params) as connection:
        return [name for (name,) in connection.execute(query, {"app": app, "schema": schema})]


@contextmanager
def _admin(params: ConnectionParams) -> Iterator[Connection]:
    """An autocommit connection (CREATE DATABASE needs it) that is alone in setting up roles."""
    with psycopg.connect(**params, autocommit=True, row_factory=dict_row) as connection:
        if connection.info.server_version < OLDEST_VERSION:
            raise RoleSetupError(
                f"PostgreSQL 15 or newer is needed, this is {connection.info.server_version // 10_000}."
            )
        connection.execute(sql.SQL("SELECT pg_advisory_lock({})").format(SETUP_LOCK))
        yield connection


def _with_retries(work: Callable[[], None]) -> None:
    """Advisory locks reach one database only: admins connected to different ones can still meet at a role."""
    collisions = (
        psycopg.errors.DuplicateObject,
        psycopg.errors.UniqueViolation,
        psycopg.errors.DuplicateDatabase,
    )
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except psycopg.Error as error:
            met_another = isinstance(error, collisions) or "concurrently updated" in str(error)
            if not met_another or attempt == ATTEMPTS:
                raise RoleSetupError(f"The roles could not be set up: {_one_line(error)}") from error
        time.sleep(0.05 * attempt)
    return None


def _one_line(error: psycopg.Error) -> str:
    return error.diag.message_primary or " ".join(str(error).split())


def _refuse_own_name(admin: Connection, names: set[str]) -> None:
    if admin.info.user in names:
        raise RoleSetupError(f"{admin.info.user} sets up the roles and cannot be one of them: use another admin URL.")


def _ensure_role(
    admin: Connection, name: str, password: str | None, *, inherits: bool, creates_databases: bool
) -> None:
    wanted = {
        "LOGIN": True,
        "SUPERUSER": False,
        "BYPASSRLS": False,
        "CREATEROLE": False,
        "REPLICATION": False,
        "INHERIT": inherits,
        "CREATEDB": creates_databases,
    }
    role = sql.Identifier(name)
    current = _attributes(admin, name)
    if current is None:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        current = dict.fromkeys(wanted, False) | {"LOGIN": True, "INHERIT": True}
    # Only what differs is altered: naming SUPERUSER at all, even to deny it, takes a superuser.
    options = [option if on else f"NO{option}" for option, on in wanted.items() if current[option] != on]
    if options:
        admin.execute(sql.SQL("ALTER ROLE {} {}").format(role, sql.SQL(" ").join(map(sql.SQL, options))))
    if password:
        # Hashed here, so that no log of statements sees it.
        secret = admin.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
        admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(secret)))


def _attributes(admin: Connection, role: str) -> dict[str, bool] | None:
    query = """
        SELECT rolcanlogin AS "LOGIN", rolsuper AS "SUPERUSER", rolbypassrls AS "BYPASSRLS",
               rolcreaterole AS "CREATEROLE", rolreplication AS "REPLICATION", rolinherit AS "INHERIT",
               rolcreatedb AS "CREATEDB"
        FROM pg_roles WHERE rolname = %s
    """
    return admin.execute(query, [role]).fetchone()


def _refuse_strong_memberships(admin: Connection, app: str, owner: str) -> None:
    """A member can become the role it is a member of, and leave row-level security behind."""
    query = """
        SELECT rolname FROM pg_roles
        WHERE rolname <> %(app)s AND (rolname = %(owner)s OR rolsuper OR rolbypassrls)
          AND pg_has_role(%(app)s, oid, 'MEMBER')
    """
    strong = admin.execute(query, {"app": app, "owner": owner}).fetchone()
    if strong:
        raise RoleSetupError(f"{app} is a member of {strong['rolname']}: REVOKE that, or choose another role.")


def _become_member(admin: Connection, owner: str) -> None:
    """Who gives a database to the owner role must be able to become it; superusers are."""
    privilege = "SET" if admin.info.server_version >= 160_000 else "MEMBER"
    row = admin.execute("SELECT pg_has_role(%s, %s) AS is_able", [owner, privilege]).fetchone()
    if not (row and row["is_able"]):
        admin.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(owner)))


def _ensure_database(admin: Connection, database: str, owner: str, *, takes_over: bool) -> None:
    names = {"database": sql.Identifier(database), "owner": sql.Identifier(owner)}
    query = "SELECT pg_get_userbyid(datdba) AS owner FROM pg_database WHERE datname = %s"
    row = admin.execute(query, [database]).fetchone()
    if row is None:
        create = "CREATE DATABASE {database} OWNER {owner} ENCODING 'UTF8' TEMPLATE template0"
        admin.execute(sql.SQL(create).format(**names))
    elif takes_over and row["owner"] != owner:
        admin.execute(sql.SQL("ALTER DATABASE {database} OWNER TO {owner}").format(**names))


def _adopt_public(target: ConnectionParams) -> None:
    """Databases that were upgraded from PostgreSQL 14 or older keep a schema `public` of the superuser."""
    query = "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'public'"
    with psycopg.connect(**target) as connection:
        if connection.execute(query).fetchone() == ("postgres",):
            connection.execute("ALTER SCHEMA public OWNER TO pg_database_owner")


def _ensure_schema(target: ConnectionParams, schema: str, owner: str) -> None:
    """The owner of a schema may be in a database of somebody else."""
    names = {"schema": sql.Identifier(schema), "owner": sql.Identifier(owner)}
    with psycopg.connect(**target) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner}").format(**names))
        connection.execute(sql.SQL("ALTER SCHEMA {schema} OWNER TO {owner}").format(**names))
