"""What was answered as committed is there after the server is killed, again and again, under writers."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

import psycopg
import pytest

from dataxpipe.postgres.embedded import ServerAddress, ensure_server

KILLS, WRITERS = 10, 4


class Writer(threading.Thread):
    """Inserts rows one by one and remembers those whose commit was answered."""

    def __init__(self, address: ServerAddress, name: str, stop: threading.Event) -> None:
        super().__init__(name=name)
        self.address, self.stop, self.committed = address, stop, []

    def run(self) -> None:
        number = 0
        while not self.stop.is_set():
            try:
                with psycopg.connect(**self.address.admin_parameters(), autocommit=True) as connection:
                    while not self.stop.is_set():
                        number += 1
                        connection.execute("INSERT INTO written VALUES (%s, %s)", [self.name, number])
                        self.committed.append(number)
            except psycopg.OperationalError:
                time.sleep(0.02)


@pytest.mark.prove
def test_no_answered_commit_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    address = ensure_server(tmp_path)
    with psycopg.connect(**address.admin_parameters()) as connection:
        connection.execute("CREATE TABLE written (writer text, number int, PRIMARY KEY (writer, number))")
    stop = threading.Event()
    writers = [Writer(address, f"writer {number}", stop) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    for _ in range(KILLS):
        time.sleep(random.uniform(0.2, 0.6))
        pid = int((tmp_path / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        assert ensure_server(tmp_path) == address
    stop.set()
    for writer in writers:
        writer.join()
    with psycopg.connect(**address.admin_parameters()) as connection:
        for writer in writers:
            query = "SELECT number FROM written WHERE writer = %s"
            stored = {number for (number,) in connection.execute(query, [writer.name])}
            assert len(writer.committed) > KILLS
            assert set(writer.committed) - stored == set()
