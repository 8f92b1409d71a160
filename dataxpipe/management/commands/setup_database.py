import secrets
from argparse import ArgumentParser
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from psycopg.conninfo import conninfo_to_dict

from dataxpipe.postgres import roles


class Command(BaseCommand):
    help = (
        "Make the owner role, the application role, the database and their grants on a PostgreSQL. "
        "Names and passwords are those of DATAXPIPE_DB and DATAXPIPE_DB_OWNER where these are set; otherwise "
        "new roles get passwords, which are printed once. Safe to repeat."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--admin-url",
            required=True,
            help="postgres://… of a superuser, or of a role with CREATEROLE and CREATEDB",
        )
        parser.add_argument("--app-role", help="default: the user of DATAXPIPE_DB, else dataxpipe_app")
        parser.add_argument("--owner-role", help="default: the user of DATAXPIPE_DB_OWNER, else dataxpipe_owner")
        parser.add_argument("--database", help="default: the database of DATAXPIPE_DB, else dataxpipe")

    def handle(self, **options: Any) -> None:
        configured = connection.settings_dict
        app = options["app_role"] or configured["USER"] or "dataxpipe_app"
        configured_owner = configured.get("OWNER", {})
        owner = options["owner_role"] or configured_owner.get("USER") or "dataxpipe_owner"
        database = options["database"] or configured["NAME"]
        schema = roles.schema_of(configured["OPTIONS"].get("options"))
        passwords = {
            app: configured["PASSWORD"] if app == configured["USER"] else "",
            owner: configured_owner.get("PASSWORD", "") if owner == configured_owner.get("USER") else "",
        }
        try:
            admin = conninfo_to_dict(options["admin_url"])
            new = [name for name in (app, owner) if not passwords[name] and not roles.role_exists(admin, name)]
            passwords |= {name: secrets.token_urlsafe(24) for name in new}
            roles.ensure_roles(
                admin,
                database=database,
                owner=owner,
                app=app,
                owner_password=passwords[owner] or None,
                app_password=passwords[app] or None,
                schema=schema,
            )
            unreadable = roles.tables_without_grants({**admin, "dbname": database}, app=app, schema=schema)
        except (roles.RoleSetupError, psycopg.Error) as error:
            raise CommandError(" ".join(str(error).split())) from error
        for variable, role in (("DATAXPIPE_DB", app), ("DATAXPIPE_DB_OWNER", owner)):
            if role in new:
                url = _url({**admin, "user": role, "password": passwords[role], "dbname": database}, schema)
                self.stdout.write(f"{variable}={url}")
        self.stderr.write(
            f"{app} may read and write rows of {database} (schema {schema}), {owner} owns it. Next: manage.py migrate."
        )
        if unreadable:
            self.stderr.write(
                f"{app} has no rights on {len(unreadable)} tables that are older than its grants: "
                f"GRANT them what the former role has ({', '.join(unreadable[:3])}, …)."
            )


def _url(params: dict[str, Any], schema: str) -> str:
    """The URL that DATAXPIPE_DB takes."""
    host, port = params.get("host", ""), params.get("port", "5432")
    place = "" if host.startswith("/") else f"{host}:{port}"
    query = {"host": host, "port": port} if host.startswith("/") else {}
    query |= {name: params[name] for name in ("sslmode", "sslrootcert") if name in params}
    query |= {"options": f"-c search_path={schema}"} if schema != "public" else {}
    login = f"{quote(params['user'], safe='')}:{quote(params['password'], safe='')}"
    ending = f"?{urlencode(query, quote_via=quote)}" if query else ""
    return f"postgres://{login}@{place}/{quote(params['dbname'], safe='')}{ending}"
