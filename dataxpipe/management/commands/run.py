"""`make run`: the one command that starts everything on a developer's machine."""

import hashlib
import json
import os
import re
import secrets
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from honcho.environ import parse_procfile
from honcho.manager import Manager
from honcho.printer import Message, Printer

from dataxpipe.postgres.development import without_privileges
from dataxpipe.postgres.embedded import EmbeddedServerError
from dataxpipe.postgres.roles import RoleSetupError

DEMO_ORGANIZATION = "acme-corp"
WEB_START_SECONDS = 60
STRIPE_PORT_DISTANCE = 10_000  # the pretend Stripe of PORT=8000 is at 18000, and leaves 8001 to a second checkout
STOPPED_BY_SIGNAL = {130, 143}  # honcho's return codes after SIGINT and SIGTERM


class Command(BaseCommand):
    help = "Start everything in development: PostgreSQL, roles, migrations, demo data once, web and worker."
    requires_system_checks = ()

    def handle(self, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("run is for development, with DEBUG=true; docs/operations.md tells about production.")
        # Without this a TERM during set-up would skip atexit, and with it the stop of the embedded server.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        port = _free_port()
        stripe = _stripe_environment(port)
        try:
            self._prepare_database()
            demo = self._demo()
        except (EmbeddedServerError, RoleSetupError, psycopg.OperationalError, OperationalError) as error:
            raise CommandError(" ".join(str(error).split())) from error
        except KeyboardInterrupt:
            sys.exit(130)
        # The processes are forked: they must not inherit connections, nor threads of the pool.
        connections.close_all()
        connection.close_pool()  # type: ignore[attr-defined]
        self._run_processes(port, stripe, welcome=_welcome(settings.BASE_URL, demo, stripe))

    def _prepare_database(self) -> None:
        _derive_roles()
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if not plan:
            return
        if "OWNER" not in connection.settings_dict:
            raise CommandError(f"{len(plan)} migrations wait for the owner's role: set DATAXPIPE_DB_OWNER.")
        self.stdout.write(f"Migrating the database ({len(plan)} migrations)")
        call_command("migrate", verbosity=0, interactive=False)

    def _demo(self) -> dict[str, str]:
        """E-mail, password and key of the demo organization; the same at every start."""
        if not apps.get_model("orgs", "Organization").objects.filter(slug=DEMO_ORGANIZATION).exists():
            self.stdout.write("Making demo data")
            call_command("seed_demo", verbosity=0)
        remembered: Path = settings.DATA_DIR / "demo.json"
        demo: dict[str, str] = json.loads(remembered.read_text()) if remembered.exists() else {}
        # Another database than last time does not know the key.
        if not demo or not _is_usable(demo["key"]):
            demo = _make_credentials()
            remembered.parent.mkdir(parents=True, exist_ok=True)
            fresh = remembered.with_suffix(".new")
            fresh.touch(mode=0o600)
            fresh.write_text(json.dumps(demo))
            fresh.replace(remembered)
        return demo

    def _run_processes(self, port: int, stripe: dict[str, str], *, welcome: str) -> None:
        printer = WelcomingPrinter(port, welcome)
        manager = Manager(printer)
        environment = os.environ | {
            "PORT": str(port),
            "DATAXPIPE_DATA_DIR": str(settings.DATA_DIR),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
        }
        if stripe:
            command = f"python manage.py fake_stripe --port {_port_of(stripe)}"
            manager.add_process("stripe", command, env=environment, cwd=str(settings.BASE_DIR))
        procfile = (settings.BASE_DIR / "Procfile").read_text()
        for name, command in parse_procfile(procfile).processes.items():
            manager.add_process(name, command, env=environment | stripe, cwd=str(settings.BASE_DIR))
        manager.loop()
        if manager.returncode not in STOPPED_BY_SIGNAL:
            raise CommandError(f"{printer.first_ended} ended by itself; its last lines above say why.")


class WelcomingPrinter(Printer):  # type: ignore[misc]
    """honcho's printer, which prints the welcome when the web answers and remembers who ended first.

    honcho prints nothing before it has forked all processes, so a thread may begin with the first line.
    """

    def __init__(self, port: int, welcome: str) -> None:
        super().__init__(sys.stdout)
        self.first_ended = "A process"
        self.welcome = welcome
        self.waiting = threading.Thread(target=self._welcome_when_up, args=(port,), daemon=True)

    def write(self, message: Message) -> None:
        if self.waiting.ident is None:
            self.waiting.start()
        if message.name == "system" and (ended := re.match(r"(\S+) stopped", message.data)):
            self.first_ended = ended[1] if self.first_ended == "A process" else self.first_ended
        super().write(message)

    def _welcome_when_up(self, port: int) -> None:
        deadline = time.monotonic() + WEB_START_SECONDS
        while time.monotonic() < deadline:
            if _answers(port):
                print(self.welcome, file=self.output, flush=True)
                return
            time.sleep(0.1)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def _free_port() -> int:
    text = os.environ.get("PORT") or "8000"
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise CommandError(f"PORT={text} is not a port number.")
    if not _is_free(int(text)):
        raise CommandError(f"Port {text} is taken: choose another one, for example PORT=8001 make run.")
    return int(text)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _stripe_environment(port: int) -> dict[str, str]:
    """What leads web and worker to a pretend Stripe; nothing when they are to speak to Stripe, or cannot be reached."""
    if settings.STRIPE_SECRET_KEY or urlsplit(settings.BASE_URL).hostname not in {"localhost", "127.0.0.1", "::1"}:
        return {}
    preferred = port + STRIPE_PORT_DISTANCE
    chosen = preferred if preferred < 65536 and _is_free(preferred) else 0
    if not chosen:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            chosen = probe.getsockname()[1]
    printed = StringIO()
    call_command("fake_stripe", "--print-environment", "--port", str(chosen), stdout=printed)
    return dict(line.split("=", 1) for line in printed.getvalue().splitlines())


def _port_of(stripe: dict[str, str]) -> int | None:
    return urlsplit(stripe["STRIPE_API_BASE"]).port


def _derive_roles() -> None:
    """A privileged DATAXPIPE_DB serves as administrator; this process and its children become what it may make."""
    derived = without_privileges(connection.settings_dict)
    if derived["USER"] == connection.settings_dict["USER"]:
        return
    connection.settings_dict.update(derived)
    owner = derived["OWNER"]
    url = os.environ["DATAXPIPE_DB"]
    os.environ["DATAXPIPE_DB"] = _with_login(url, derived["USER"], derived["PASSWORD"])
    os.environ["DATAXPIPE_DB_OWNER"] = _with_login(url, owner["USER"], owner["PASSWORD"])


def _with_login(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{place}").geturl()


def _is_usable(key: str) -> bool:
    digest = hashlib.sha256(key.encode()).digest()
    is_usable: bool = apps.get_model("orgs", "ApiKey").objects.usable().filter(digest=digest).exists()
    return is_usable


def _make_credentials() -> dict[str, str]:
    """A password for the demo organization's owner and a key for its pipelines."""
    membership = apps.get_model("orgs", "Membership").objects.filter(organization__slug=DEMO_ORGANIZATION, role="owner")
    owner = membership.select_related("user").earliest("id").user
    password = secrets.token_urlsafe(9)
    owner.set_password(password)
    owner.save(update_fields=["password"])
    printed = StringIO()
    call_command("issue_api_key", DEMO_ORGANIZATION, "--name", "make run", stdout=printed)
    return {"email": owner.email, "password": password, "key": printed.getvalue().strip()}


def _welcome(base_url: str, demo: dict[str, str], stripe: dict[str, str]) -> str:
    pretend = (
        f"\n  Stripe      http://localhost:{_port_of(stripe)}/ is a pretend one and charges nothing" if stripe else ""
    )
    return f"""
  DataXPipe   {base_url}/o/{DEMO_ORGANIZATION}/
  log in      {demo["email"]}  {demo["password"]}
  API key     {demo["key"]}{pretend}

  curl -H 'X-API-KEY: {demo["key"]}' {base_url}/api/v1/pipelines/

  Ctrl-C stops everything.
"""
