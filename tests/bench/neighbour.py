"""What an organization feels of a neighbour that floods: its p99, turn by turn with the neighbour quiet and flooding.

`python -m tests.bench.neighbour PORT RATE` floods from a process of its own, with the key and the request from standard
input; it ends with its parent.
"""

from __future__ import annotations

import base64
import json
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import orjson

from tests.bench import bodies
from tests.bench.load import Client, Request, Sample, load
from tests.bench.server import ROOT

TIMES_ITS_RATE = 50
CONNECTIONS = 8
RUN = str(uuid.UUID(int=1))


@dataclass(frozen=True, slots=True)
class Flood:
    """What the neighbour sends, and how many a second."""

    name: str
    key: str
    request: Request
    rate: float


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    quiet: list[Sample]
    flooded: list[Sample]

    @property
    def together(self) -> Sample:
        """All turns of the flood as one."""
        merged = Sample()
        for sample in self.flooded:
            merged.seconds += sample.seconds
            merged.events += sample.events
            merged.elapsed += sample.elapsed
            merged.refused |= sample.refused
        return merged

    @property
    def ratio(self) -> float:
        """Of the p99, in the middle of all turns: somebody else's program may spoil one."""
        pairs = zip(self.quiet, self.flooded, strict=True)
        return statistics.median(flooded.quantile(0.99) / quiet.quantile(0.99) for quiet, flooded in pairs)


def make_flooder() -> str:
    """The key of a new organization on the smallest plan."""
    from orgs.models import Organization
    from tests.bench.seed import issue_key

    organization, _ = Organization.objects.get_or_create(slug="flooding", defaults={"plan_name": "free"})
    return issue_key(organization)


def floods(key: str) -> Iterator[Flood]:
    """Of requests and of events, `TIMES_ITS_RATE` as many as its plan allows."""
    from orgs.plans import PLANS

    plan, event = PLANS["free"], bodies.event("flooded", "shop.raw", "shop.clean", "flood", run_id=RUN, kind="START")
    rates = {name: TIMES_ITS_RATE * limit / 60 for name, limit in
             (("requests", plan.requests_per_minute), ("events", plan.events_per_minute))}  # fmt: skip
    listing = Request("GET", "/api/v1/pipelines/")
    reporting = Request("POST", "/api/v1/lineage", orjson.dumps(event, option=orjson.OPT_UTC_Z))
    for name, request in (("requests", listing), ("events", reporting)):
        yield Flood(
            f"pipelines, 50 a page, beside {rates[name]:.0f} {name}/s over the limit", key, request, rates[name]
        )


def measure(
    port: int, headers: dict[str, str], make: Callable[[int], Request], flood: Flood, *, seconds: float, turns: int
) -> Neighbourhood:
    quiet, flooded = [], []
    for _ in range(turns):
        quiet.append(load(port, headers, make, clients=1, seconds=seconds))
        with flooding(port, flood):
            flooded.append(load(port, headers, make, clients=1, seconds=seconds))
    return Neighbourhood(quiet, flooded)


@contextmanager
def flooding(port: int, flood: Flood) -> Any:
    command = [sys.executable, "-m", "tests.bench.neighbour", str(port), str(flood.rate)]
    request = {**_as_json(flood.request), "key": flood.key}
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    process.stdout.readline()  # the first answer
    try:
        yield
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def _as_json(request: Request) -> dict[str, str]:
    body = base64.b64encode(request.body).decode()
    return {"method": request.method, "path": request.path, "body": body}


def _flood(port: int, rate: float) -> None:
    """Sends at the rate whatever becomes of it; a connection that falls behind catches up."""
    given = json.loads(sys.stdin.readline())
    request = Request(given["method"], given["path"], base64.b64decode(given["body"]))
    started, stopped, first = time.monotonic(), threading.Event(), threading.Event()

    def work(number: int) -> None:
        client, due = Client(port, {"X-API-KEY": given["key"]}), started + number / rate
        while not stopped.wait(max(0.0, due - time.monotonic())):
            with suppress(OSError):
                client.send(request)
            first.set()
            due += CONNECTIONS / rate
        client.close()

    threads = [threading.Thread(target=work, args=[number]) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    first.wait(30)
    sys.stdout.write("flooding\n")
    sys.stdout.flush()
    sys.stdin.read()
    stopped.set()


if __name__ == "__main__":
    _flood(int(sys.argv[1]), float(sys.argv[2]))
