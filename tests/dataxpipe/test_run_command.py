"""`make run`: one command starts everything on a fresh machine, and one signal ends it."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dataxpipe.postgres.embedded import server_address

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.xdist_group("run")  # they share the first start


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command(data_dir: Path, **environment: str) -> dict[str, object]:
    """Arguments of a process as `make run` starts it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DATAXPIPE_", "DJANGO_"))}
    return {
        "args": [sys.executable, "manage.py", "run"],
        "cwd": ROOT,
        "env": {
            **inherited,
            "DEBUG": "true",
            "DATAXPIPE_DATA_DIR": str(data_dir),
            "DATAXPIPE_EMBEDDED_DURABLE": "false",
            **environment,
        },
        "text": True,
    }


class Run:
    """`manage.py run` in the background, with everything it has printed so far."""

    code = status = 0

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            **command(data_dir, PORT=str(self.port)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        self.lines.extend(iter(self.process.stdout.readline, ""))

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def wait_for(self, pattern: str) -> re.Match[str]:
        deadline = time.monotonic() + 60
        while not (found := re.search(pattern, self.output)):
            assert self.reader.is_alive(), self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)
        return found

    def get_pipelines(self) -> None:
        """What the printed curl line does."""
        _, _, header, url = shlex.split(self.wait_for("curl .*")[0])
        name, value = header.split(": ")
        with urllib.request.urlopen(urllib.request.Request(url, headers={name: value})) as response:  # noqa: S310
            self.status = response.status

    def end(self, signal_number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        code = self.process.wait(timeout=30)
        self.reader.join()
        self.process.stdout.close()
        return code


@contextlib.contextmanager
def running(data_dir: Path) -> Iterator[Run]:
    run = Run(data_dir)
    try:
        run.wait_for("Ctrl-C stops everything")
        yield run
    finally:
        run.end()


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_database_up(data_dir: Path) -> bool:
    try:
        psycopg.connect(**server_address(data_dir).admin_parameters()).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One start for the whole file, ended by Ctrl-C: it migrates and makes the demo data, which takes seconds."""
    with running(tmp_path_factory.mktemp("run")) as run:
        run.get_pipelines()
        run.wait_for("Launching a worker")
        run.code = run.end(signal.SIGINT)
    return run


def test_a_first_start_makes_everything_and_tells_how_to_begin(first):
    pretend = first.wait_for(r"Stripe +http://localhost:(\d+)/")[1]
    assert f"pretend Stripe, which charges nothing: http://localhost:{pretend}/" in first.output
    first.wait_for("Migrating the database")
    first.wait_for("Making demo data")
    first.wait_for(f"http://localhost:{first.port}/o/acme-corp/")
    first.wait_for(r"log in +\S+@\S+ +\S+")
    assert first.status == 200
    assert (first.data_dir / "demo.json").stat().st_mode & 0o777 == 0o600


def test_ctrl_c_ends_all_of_it(first):
    assert first.code == 0
    assert not is_listening(first.port)


def test_a_later_start_has_nothing_to_do_and_the_same_key(first):
    with running(first.data_dir) as later:
        assert later.wait_for("API key +(.*)")[1] == first.wait_for("API key +(.*)")[1]
        assert "Migrating" not in later.output
        assert "demo data" not in later.output
        later.get_pipelines()
        assert later.status == 200
        assert later.end(signal.SIGTERM) == 0
        assert not is_listening(later.port)
        assert not is_database_up(first.data_dir)


def test_a_process_that_dies_ends_everything_with_its_name(first):
    with running(first.data_dir) as run:
        worker = int(run.wait_for(r"worker started \(pid=(\d+)\)")[1])
        os.killpg(worker, signal.SIGKILL)
        assert run.process.wait(timeout=30) == 1
        run.reader.join()
        assert run.lines[-1].startswith("CommandError: worker ended by itself")
    assert not is_listening(run.port)
    assert not is_database_up(first.data_dir)


def refusal(data_dir: Path, **environment: str) -> str:
    done = subprocess.run(**command(data_dir, **environment), capture_output=True, check=False, timeout=60)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    return line


def test_a_port_that_is_taken_is_one_clear_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Port {port} is taken" in refusal(tmp_path, PORT=str(port))
    assert not (tmp_path / "postgres").exists()


def test_a_port_that_is_none_is_one_clear_line(tmp_path):
    assert refusal(tmp_path, PORT="http") == "CommandError: PORT=http is not a port number."


def test_a_database_out_of_reach_is_one_clear_line(tmp_path):
    line = refusal(tmp_path, PORT=str(free_port()), DATAXPIPE_DB="postgres://someone@127.0.0.1:1/catalog")
    assert line.startswith("CommandError: ")
    assert "127.0.0.1" in line


def test_it_does_not_serve_production(tmp_path):
    secrets = {"DATAXPIPE_SECRET_KEY": "x" * 50, "DATAXPIPE_ENCRYPTION_KEYS": "a:" + "A" * 43 + "="}
    assert "run is for development" in refusal(tmp_path, DEBUG="false", **secrets)
