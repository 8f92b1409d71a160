"""The web processes as the Procfile starts them: what they counted is exact after a normal stop, and after `kill -9`
all but the last seconds are there."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dataxpipe.postgres.embedded import ensure_server
from tests.bench.server import ROOT, running_server

THREADS, REQUESTS = 8, 50
EVENT = {
    "eventTime": "2026-01-01T00:00:00Z",
    "eventType": "COMPLETE",
    "run": {"runId": "019c12f3-6a60-7d5e-9a51-2d1d3f9b7c11"},
    "job": {"namespace": "default", "name": "orders"},
    "producer": "https://example.com",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: Any) -> Path:
    """An installation of its own, with an organization."""
    for name, value in {"DATAXPIPE_DATA_DIR": str(tmp_path), "DEBUG": "true", "WEB_CONCURRENCY": "4"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    ensure_server(tmp_path)  # held up from here, so that it does not end with each command
    manage("migrate", "--verbosity", "0")
    manage("create_organization", "acme", "--name", "Acme", "--plan", "business", "--owner", "alice@example.com")
    return tmp_path


def manage(*arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def send(port: int, keys: list[str]) -> Counter[str]:
    """What was answered below 500, by key: half of it organizations, half of it events."""
    answered: Counter[str] = Counter()
    lock = threading.Lock()

    def work(key: str) -> None:
        for number in range(REQUESTS):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            headers = {"X-API-KEY": key, "Content-Type": "application/json"}
            if number % 2:
                connection.request("GET", "/api/v1/organizations/me", headers=headers)
            else:
                connection.request("POST", "/api/v1/lineage", json.dumps(EVENT), headers)
            status = connection.getresponse().status
            assert status in (200, 201), status
            connection.close()
            with lock:
                answered[key] += 1

    threads = [threading.Thread(target=work, args=[key]) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answered


def counted(data_dir: Path) -> tuple[list[int], int]:
    """Requests by key, and events."""
    with psycopg.connect(**ensure_server(data_dir).admin_parameters("dataxpipe")) as connection:
        rows = connection.execute(
            "SELECT sum(api_requests)::int, sum(events_ingested)::int FROM orgs_usagecount GROUP BY api_key_id"
        ).fetchall()
    return [requests for requests, _ in rows], sum(events for _, events in rows)


@pytest.mark.prove
def test_four_processes_count_exactly(environment: Path) -> None:
    keys = [manage("issue_api_key", "acme", "--name", f"key {number}") for number in range(THREADS)]
    with running_server() as port:
        answered = send(port, keys)
    assert set(answered.values()) == {REQUESTS}
    assert counted(environment) == ([REQUESTS] * THREADS, THREADS * REQUESTS // 2)


@pytest.mark.prove
def test_a_kill_loses_the_last_seconds_at_most(environment: Path) -> None:
    keys = [manage("issue_api_key", "acme", "--name", f"key {number}") for number in range(THREADS)]
    with running_server() as port:
        send(port, keys)
        time.sleep(7)  # idle processes write too
        for pid in processes_of(port):
            os.kill(pid, signal.SIGKILL)
    assert counted(environment) == ([REQUESTS] * THREADS, THREADS * REQUESTS // 2)


def processes_of(port: int) -> list[int]:
    """The gunicorn that was started with this port, its master first."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            is_ours = f"PORT={port}\0".encode() in path.read_bytes() + b"\0"
        except OSError:
            continue
        if is_ours:
            found.append(int(path.parent.name))
    return sorted(found)
