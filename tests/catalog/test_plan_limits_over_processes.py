"""The plan's limit over four web processes, as the Procfile starts them: by every way in, alone and all at once."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dataxpipe.postgres.embedded import ensure_server
from tests.bench.server import ROOT, running_server
from tests.factories.openlineage import run_event
from tests.factories.specs import small_spec

LIMIT, AT_ONCE = 3, 24
PIPELINES = "/api/v1/pipelines/"
Request = tuple[str, str, Any]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """An installation of its own."""
    data_dir: Path = tmp_path_factory.mktemp("installation")
    with pytest.MonkeyPatch.context() as patch:
        settings = {"DATAXPIPE_DATA_DIR": str(data_dir), "DEBUG": "true", "WEB_CONCURRENCY": "4"}
        for name, value in {**settings, "DATAXPIPE_RATE_LIMIT_ENABLED": "false"}.items():
            patch.setenv(name, value)
        patch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
        ensure_server(data_dir)  # held up from here, so that it does not end with each command
        manage("migrate", "--verbosity", "0")
        with running_server() as port:
            yield port


def manage(*arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


class Organization:
    """One on Free with a key, asked over HTTP."""

    def __init__(self, port: int, slug: str) -> None:
        manage("create_organization", slug, "--plan", "free")
        self.port, self.key = port, manage("issue_api_key", slug, "--name", "ci")

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The answer, asked again while the server is busy."""
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            headers = {"X-API-KEY": self.key, "Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
            if answer.status != 503:
                return answer.status, json.loads(text or b"null")

    def send_at_once(self, requests: list[Request]) -> list[tuple[int, Any]]:
        barrier, answers = threading.Barrier(len(requests)), {}

        def work(number: int) -> None:
            barrier.wait()
            answers[number] = self.send(*requests[number])

        threads = [threading.Thread(target=work, args=[number]) for number in range(len(requests))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [answers[number] for number in range(len(requests))]

    def names(self, path: str = PIPELINES) -> set[str]:
        _, page = self.send("GET", f"{path}?limit=500")
        return {row["name"] for row in page["results"]}

    def archive(self, names: str) -> None:
        for name in names:
            assert self.send("POST", PIPELINES, small_spec(name))[0] == 201
            assert self.send("PATCH", f"{PIPELINES}{name}", {"archived": True})[0] == 200

    def discover(self, count: int) -> list[str]:
        """Ids of pipelines that found no room; the room is there again afterwards."""
        for name in "xyz":
            self.send("POST", PIPELINES, small_spec(name))
        events = [run_event(job=f"found_{number}") for number in range(count)]
        assert self.send("POST", "/api/v1/lineage/batch", events)[1]["summary"]["failed"] == count
        for name in "xyz":
            self.send("PATCH", f"{PIPELINES}{name}", {"archived": True})
        return [row["id"] for row in self.send("GET", f"{PIPELINES}discovered?limit=500")[1]["results"]]


def statuses(answers: list[tuple[int, Any]]) -> Counter[int]:
    for status, problem in answers:
        if status == 403:
            assert problem["type"] == "/problems/plan-limit-reached"
            assert (problem["limit"], problem["plan"]) == (LIMIT, "free")
            assert problem["upgrade_url"].endswith("/settings/billing/")
            assert 0 <= problem["used"] <= LIMIT
    return Counter(status for status, _ in answers)


def registering(organization: Organization) -> list[Request]:
    return [("POST", PIPELINES, small_spec(f"registered_{number}")) for number in range(AT_ONCE)]


def sending_events(organization: Organization) -> list[Request]:
    return [("POST", "/api/v1/lineage", run_event(job=f"observed_{number}")) for number in range(AT_ONCE)]


def unarchiving(organization: Organization) -> list[Request]:
    names = "abcdef"
    organization.archive(names)
    return [("PATCH", f"{PIPELINES}{name}", {"archived": False}) for name in names * (AT_ONCE // len(names))]


def admitting(organization: Organization) -> list[Request]:
    return [("POST", f"{PIPELINES}discovered/{id_}/admit", None) for id_ in organization.discover(AT_ONCE)]


def batches(organization: Organization) -> list[Request]:
    pairs = [[small_spec(f"batch_{number}_{half}") for half in "ab"] for number in range(AT_ONCE)]
    return [("POST", f"{PIPELINES}batch", pair) for pair in pairs]


def batches_of_events(organization: Organization) -> list[Request]:
    events = [[run_event(job=f"observed_{number}_{part}") for part in range(4)] for number in range(AT_ONCE)]
    return [("POST", "/api/v1/lineage/batch", batch) for batch in events]


@pytest.mark.prove
@pytest.mark.parametrize("way", [registering, sending_events, admitting], ids=lambda way: way.__name__)
def test_of_many_at_once_exactly_as_many_come_in_as_there_is_room(port: int, way: Callable[..., Any]) -> None:
    organization = Organization(port, way.__name__.replace("_", "-"))
    answers = organization.send_at_once(way(organization))
    assert statuses(answers) == {201: LIMIT, 403: AT_ONCE - LIMIT}
    assert len(organization.names()) == LIMIT


@pytest.mark.prove
def test_of_batches_one_comes_in_whole_and_the_others_not_at_all(port: int) -> None:
    organization = Organization(port, "batches")
    assert statuses(organization.send_at_once(batches(organization))) == {201: 1, 403: AT_ONCE - 1}
    assert len({name.rpartition("_")[0] for name in organization.names()}) == 1
    assert len(organization.names()) == 2


@pytest.mark.prove
def test_of_batches_of_events_the_pipelines_come_in_that_find_room(port: int) -> None:
    organization = Organization(port, "batches-of-events")
    answers = organization.send_at_once(batches_of_events(organization))
    assert {status for status, _ in answers} == {200}
    assert sum(answer["summary"]["successful"] for _, answer in answers) == LIMIT
    assert len(organization.names()) == LIMIT
    assert len(organization.names(f"{PIPELINES}discovered")) == 4 * AT_ONCE - LIMIT


@pytest.mark.prove
def test_unarchived_at_once_as_many_come_back_as_there_is_room_each_for_all_who_asked(port: int) -> None:
    organization = Organization(port, "unarchiving")
    requests = unarchiving(organization)
    answers = organization.send_at_once(requests)
    assert set(statuses(answers)) == {200, 403}
    back = {
        path.rpartition("/")[2] for (_, path, _), (status, _) in zip(requests, answers, strict=True) if status == 200
    }
    assert len(back) == LIMIT
    assert organization.names() == back


@pytest.mark.prove
def test_all_ways_at_once_share_the_room(port: int) -> None:
    organization = Organization(port, "all-ways")
    ways = [admitting, unarchiving, registering, sending_events]
    requests = [request for way in ways for request in way(organization)[:6]]
    answers = organization.send_at_once(requests)
    assert set(statuses(answers)) <= {200, 201, 403}
    assert len(organization.names()) == LIMIT
