"""The works that are measured over HTTP, each as requests to send and the goal for it."""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from tests.bench import bodies
from tests.bench.load import Client, Request, Sample
from tests.bench.seed import DATASET_NAMESPACE, Tenant

Make = Callable[[int], Request]
API = "/api/v1"
SALT = uuid.uuid4().int


@dataclass(frozen=True, slots=True)
class Goal:
    """Milliseconds at most for 95 of 100, or events a second at least."""

    p95: float | None = None
    rate: float | None = None

    def __str__(self) -> str:
        parts = [f"≥ {self.rate:,.0f}/s"] if self.rate else []
        return ", ".join(parts + ([f"p95 < {self.p95:.0f} ms"] if self.p95 else []))

    def is_met(self, sample: Sample) -> bool:
        is_quick = self.p95 is None or sample.quantile(0.95) < self.p95
        return is_quick and (self.rate is None or sample.rate >= self.rate)


@dataclass(frozen=True, slots=True)
class Work:
    """`in_browser` sends the session's cookie and not the key, `of_wide` asks the organization of 10,000 pipelines."""

    name: str
    make: Make
    goal: Goal | None = None
    clients: int = 1
    in_browser: bool = False
    of_wide: bool = False


LIST, GRAPH, PAGE = Goal(p95=15), Goal(p95=12), Goal(p95=60)
ONE, KNOWN, NEW = Goal(rate=500, p95=30), Goal(rate=4_000), Goal(rate=3_000)


def baseline() -> Work:
    return Work("GET /healthz, no database", _get("/healthz"))


def list_of_50() -> Work:
    return Work("pipelines, 50 a page", _get(f"{API}/pipelines/"), LIST)


def reading(tenant: Tenant, client: Client, *, far: int) -> Iterator[Work]:
    """Lists, pages and graphs; `far` is the number of the far page of runs."""
    names = [pipeline.name for pipeline in tenant.shape.pipelines]
    pipelines, runs = f"{API}/pipelines/?limit=10", f"{API}/runs/?limit=10"
    last = max(1, min(100, len(names) // 10))
    yield list_of_50()
    yield Work("pipelines, page 1 of 10", _get(pipelines), LIST)
    yield Work(f"pipelines, page {last} of 10", _get(nth_page(client, pipelines, last)), LIST)
    yield Work("pipelines by tag and owner", _get(f"{API}/pipelines/?tag=pii&owner=orders-data@example.com"), LIST)
    yield Work("pipelines by search", _get(f"{API}/pipelines/?q=finance"), LIST)
    yield Work("one pipeline", _each(f"{API}/pipelines/{name}" for name in names), LIST)
    yield Work("runs of one pipeline", _each(f"{API}/pipelines/{name}/runs/" for name in names), LIST)
    yield Work("latest runs, page 1 of 10", _get(runs), LIST)
    yield Work(f"latest runs, page {far:,} of 10", _get(nth_page(client, runs, far)), LIST)
    yield Work("failed runs", _get(f"{API}/runs/?status=failed"), LIST)
    yield Work("pipelines page, HTML", _get("/o/bench/pipelines/"), PAGE, in_browser=True)
    runs_pages = (f"/o/bench/pipelines/{id_}/runs/" for id_ in tenant.pipeline_ids)
    yield Work("runs of a pipeline, HTML", _each(runs_pages), PAGE, in_browser=True)
    yield Work("lineage page, HTML", _pages_of_lineage(tenant), PAGE, in_browser=True)
    for depth in (5, 10):
        yield Work(f"lineage graph, depth {depth}", graphs(tenant, depth), GRAPH)


def reading_wide(tenant: Tenant) -> Iterator[Work]:
    count = f"{len(tenant.shape.pipelines):,} pipelines"
    for depth, goal in ((10, 12), (20, 20)):
        yield Work(f"lineage graph, depth {depth}, {count}", graphs(tenant, depth), Goal(p95=goal), of_wide=True)


def writing(tenant: Tenant, sizes: Sequence[int] = (100, 500)) -> Iterator[Work]:
    """`sizes` are those of the batches."""
    names = [pipeline.name for pipeline in tenant.shape.pipelines]
    yield Work("register a pipeline, new", lambda n: _post("/pipelines/", bodies.spec(f"registered-{n}")), clients=2)
    yield Work("register a pipeline, unchanged", lambda n: _post("/pipelines/", bodies.spec("registered-0")), clients=2)
    yield Work("post a run", lambda n: _post("/runs/", bodies.run(names[n % len(names)])), ONE, clients=8)
    yield Work("post an event", lambda n: _post("/lineage", _dumped(_events(tenant, n, 1)[0])), ONE, clients=8)
    for size in sizes:
        yield Work(f"batch of {size} events, known", _batches(tenant, size), KNOWN, clients=2)
    for size in sizes:
        yield Work(f"batch of {size} events, all new", _batches(tenant, size, prefix=f"new_{size}"), NEW, clients=2)


def graphs(tenant: Tenant, depth: int) -> Make:
    """Both ways from datasets in the middle of the layers."""
    return _each(f"{API}/lineage/graph?dataset={start}&depth={depth}" for start in _middle(tenant))


def nth_page(client: Client, path: str, number: int) -> str:
    """The address of a page, found by following `next` from the first."""
    for _ in range(number - 1):
        following = orjson.loads(client.send(Request("GET", path)).body).get("next")
        if following is None:
            break
        path = "/" + following.split("/", 3)[3]
    return path


def _middle(tenant: Tenant) -> list[str]:
    layers = max(pipeline.layer for pipeline in tenant.shape.pipelines)
    written = [p.writes[0] for p in tenant.shape.pipelines if p.layer in (layers // 2, layers // 2 + 1)]
    chosen = random.Random(3).sample(written, min(25, len(written)))
    return [str(tenant.dataset_ids[number]) for number in chosen]


def _pages_of_lineage(tenant: Tenant) -> Make:
    return _each(f"/o/bench/lineage/?dataset={start}" for start in _middle(tenant))


def _get(path: str) -> Make:
    request = Request("GET", path)
    return lambda number: request


def _each(paths: Iterator[str]) -> Make:
    requests = [Request("GET", path) for path in itertools.islice(paths, 1_000)]
    return lambda number: requests[number % len(requests)]


def _post(path: str, body: bytes, events: int = 1) -> Request:
    return Request("POST", API + path, body, events)


def _dumped(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)


def _batches(tenant: Tenant, size: int, *, prefix: str = "") -> Make:
    return lambda number: _post("/lineage/batch", _dumped(_events(tenant, number * size, size, prefix)), size)


def _events(tenant: Tenant, first: int, count: int, prefix: str = "") -> list[object]:
    """Starts and ends of runs, in turn; each run of another pipeline. With a prefix, pipeline and datasets are new."""
    shape, events = tenant.shape, []
    for number in range(first, first + count):
        pipeline = shape.pipelines[number // 2 % len(shape.pipelines)]
        job, ends = pipeline.name, (pipeline.reads[0], pipeline.writes[0])
        reads, writes = (shape.dataset_names[end] for end in ends)
        if prefix:
            job, reads, writes = (
                f"{prefix}_{number // 2}",
                f"shop.raw.{prefix}_{number}",
                f"shop.clean.{prefix}_{number}",
            )
        run_id, kind = str(uuid.UUID(int=SALT ^ number // 2 << 32 ^ len(prefix))), ("START", "COMPLETE")[number % 2]
        events.append(bodies.event(job, reads, writes, DATASET_NAMESPACE, run_id=run_id, kind=kind))
    return events
