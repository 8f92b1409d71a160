"""The web processes as the Procfile starts them: exactly the limit passes, and no answer fails while Redis is lost."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dataxpipe.postgres.embedded import ensure_server
from tests.bench.server import ROOT, running_server
from tests.redis_server import RedisServer, running_redis

pytestmark = pytest.mark.prove

LIMIT, REQUESTS = 100, 200  # of the plan Free


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: Any) -> Path:
    """An installation of its own, of four processes."""
    for name in [name for name in os.environ if name.startswith("DATAXPIPE_")]:
        monkeypatch.delenv(name)
    for name, value in {"DATAXPIPE_DATA_DIR": str(tmp_path), "DEBUG": "true", "WEB_CONCURRENCY": "4"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    ensure_server(tmp_path)
    manage("migrate", "--verbosity", "0")
    return tmp_path


@pytest.fixture
def redis(installation: Path, monkeypatch: Any) -> Any:
    directory = installation / "redis"
    directory.mkdir()
    with running_redis(directory) as server:
        monkeypatch.setenv("DATAXPIPE_REDIS_URL", server.url)
        yield server


def manage(*arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def key_of(slug: str, plan: str) -> str:
    manage("create_organization", slug, "--name", slug, "--plan", plan, "--owner", f"{slug}@example.com")
    return manage("issue_api_key", slug, "--name", "ci")


def get(port: int, key: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/api/v1/organizations/me", headers={"X-API-KEY": key})
    status = connection.getresponse().status
    connection.close()
    return status


def at_once(port: int, key: str) -> Counter[int]:
    barrier = threading.Barrier(REQUESTS)

    def ask(_: int) -> int:
        barrier.wait()
        return get(port, key)

    with ThreadPoolExecutor(REQUESTS) as pool:
        return Counter(pool.map(ask, range(REQUESTS)))


def wait_for_room_in_the_minute(seconds: int) -> None:
    left = 60 - time.time() % 60
    if left < seconds:
        time.sleep(left + 0.1)


def test_of_two_hundred_at_once_exactly_the_limit_passes_with_postgresql(installation: Path) -> None:
    key = key_of("initech", "free")
    with running_server() as port:
        wait_for_room_in_the_minute(25)
        assert at_once(port, key) == {200: LIMIT, 429: REQUESTS - LIMIT}


def test_of_two_hundred_at_once_exactly_the_limit_passes_with_redis(redis: RedisServer) -> None:
    key = key_of("initech", "free")
    with running_server() as port:
        wait_for_room_in_the_minute(25)
        assert at_once(port, key) == {200: LIMIT, 429: REQUESTS - LIMIT}


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_redis_lost_under_load_fails_no_request_and_limits_go_on(redis: RedisServer, fault: str) -> None:
    free, business = key_of("initech", "free"), key_of("umbrella", "business")
    answered: Counter[int] = Counter()
    is_over, lock = threading.Event(), threading.Lock()

    def load(port: int) -> None:
        while not is_over.is_set():
            status = get(port, business)
            with lock:
                answered[status] += 1

    with running_server() as port:
        wait_for_room_in_the_minute(40)
        threads = [threading.Thread(target=load, args=[port]) for _ in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(2)
        redis.kill() if fault == "killed" else redis.freeze()
        time.sleep(1)
        while_lost = Counter(get(port, free) for _ in range(LIMIT + 20))
        redis.start() if fault == "killed" else redis.thaw()
        time.sleep(6)
        is_over.set()
        for thread in threads:
            thread.join()
        forgotten = get(port, free)  # what was counted in PostgreSQL is not in Redis
    assert set(answered) <= {200, 429}
    assert while_lost == {200: LIMIT, 429: 20}
    assert forgotten == 200
