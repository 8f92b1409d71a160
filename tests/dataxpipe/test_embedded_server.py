"""The embedded PostgreSQL: starts for whoever asks, survives crashes, stops with the last who needs it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dataxpipe.postgres.embedded import ServerAddress, ensure_server, server_address

ROOT = Path(__file__).parents[2]

# Holds a lease until its standard input closes, like a web or worker process.
HOLDER = """
import sys
from pathlib import Path
from dataxpipe.postgres.embedded import ensure_server
address = ensure_server(Path(sys.argv[1]), durable=False)
print(address.host, flush=True)
sys.stdin.read()
"""


class Holder:
    def __init__(self, data_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", HOLDER, str(data_dir)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_until_up(self) -> str:
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


@pytest.fixture
def hold() -> Iterator:
    holders: list[Holder] = []

    def start(data_dir: Path) -> Holder:
        holders.append(Holder(data_dir))
        return holders[-1]

    yield start
    for holder in holders:
        if holder.process.poll() is None:
            holder.end()


def query(address: ServerAddress, statement: str):
    with psycopg.connect(**address.admin_parameters()) as connection:
        return connection.execute(statement).fetchone()[0]


def is_up(data_dir: Path) -> bool:
    try:
        return query(server_address(data_dir), "SELECT 1") == 1
    except psycopg.OperationalError:
        return False


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


def test_a_first_call_makes_a_cluster_that_answers(tmp_path, hold):
    hold(tmp_path).wait_until_up()
    address = ensure_server(tmp_path)
    assert address == server_address(tmp_path)
    assert query(address, "SHOW server_version_num").startswith("18")
    assert query(address, "SHOW max_connections") == "100"
    assert query(address, "SHOW listen_addresses") == ""
    assert query(address, "SELECT lower('ÄÖÜ')") == "äöü"
    assert (tmp_path / "postgres" / "server.log").exists()


def test_a_second_call_finds_the_same_server(tmp_path, hold):
    hold(tmp_path).wait_until_up()
    pid = postmaster(tmp_path)
    hold(tmp_path).wait_until_up()
    assert postmaster(tmp_path) == pid


def test_the_server_stays_while_anyone_holds_a_lease_and_stops_after(tmp_path, hold):
    first, second = hold(tmp_path), hold(tmp_path)
    first.wait_until_up()
    second.wait_until_up()
    first.end()
    assert is_up(tmp_path)
    second.end()
    assert not is_up(tmp_path)


def test_a_killed_holder_does_not_keep_the_server_for_ever(tmp_path, hold):
    killed, last = hold(tmp_path), hold(tmp_path)
    killed.wait_until_up()
    last.wait_until_up()
    killed.kill()
    last.end()
    assert not is_up(tmp_path)


def test_data_outlive_a_stop(tmp_path, hold):
    holder = hold(tmp_path)
    holder.wait_until_up()
    with psycopg.connect(**server_address(tmp_path).admin_parameters()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    holder.end()
    hold(tmp_path).wait_until_up()
    assert query(server_address(tmp_path), "SELECT answer FROM kept") == 42


def test_concurrent_first_calls_make_one_cluster(tmp_path, hold):
    holders = [hold(tmp_path) for _ in range(4)]
    hosts = {holder.wait_until_up() for holder in holders}
    assert hosts == {server_address(tmp_path).host}
    assert is_up(tmp_path)


def test_it_comes_back_after_kill_9(tmp_path, hold):
    hold(tmp_path).wait_until_up()
    for _ in range(3):
        os.kill(postmaster(tmp_path), signal.SIGKILL)
        hold(tmp_path).wait_until_up()
        assert is_up(tmp_path)


def test_a_pid_file_that_names_another_program_is_stale(tmp_path, hold):
    first = hold(tmp_path)
    first.wait_until_up()
    pid_file = tmp_path / "postgres" / "data" / "postmaster.pid"
    left_over = pid_file.read_text()
    first.end()
    _, rest = left_over.split("\n", 1)
    pid_file.write_text(f"{os.getppid()}\n{rest}")
    pid_file.chmod(0o644)
    hold(tmp_path).wait_until_up()
    assert is_up(tmp_path)


def test_a_killed_initdb_leaves_nothing_half_made(tmp_path, hold):
    half = tmp_path / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    hold(tmp_path).wait_until_up()
    assert is_up(tmp_path)


def test_two_data_directories_are_two_servers(tmp_path, hold):
    one, two = tmp_path / "one", tmp_path / "two"
    hold(one).wait_until_up()
    hold(two).wait_until_up()
    assert postmaster(one) != postmaster(two)
    os.kill(postmaster(one), signal.SIGKILL)
    assert is_up(two)


def test_a_long_path_with_spaces_gets_a_short_private_socket_directory(tmp_path, hold):
    data_dir = tmp_path / "a long way" / ("x" * 90)
    socket_dir = Path(hold(data_dir).wait_until_up())
    assert len(str(socket_dir)) < 60
    assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
    assert is_up(data_dir)


def test_only_its_own_user_reaches_the_socket(tmp_path, hold):
    hold(tmp_path).wait_until_up()
    assert stat.S_IMODE((tmp_path / "postgres").stat().st_mode) == 0o700


def test_the_log_never_shows_a_statement(tmp_path, hold):
    hold(tmp_path).wait_until_up()
    with pytest.raises(psycopg.errors.UndefinedColumn):
        query(server_address(tmp_path), "SELECT a_tenants_secret FROM pg_class WHERE relname = 'sesame'")
    deadline = time.monotonic() + 5
    log = tmp_path / "postgres" / "server.log"
    while "a_tenants_secret" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "sesame" not in log.read_text()
