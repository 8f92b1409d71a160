"""One run of the bench: prepare, start, measure one work after the other, stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from django.core.management import call_command
from django.test import Client as Browser
from django.utils import timezone

from dataxpipe.postgres.embedded import ensure_server
from dataxpipe.postgres.fields import uuid7
from orgs.models import Membership, Organization, User
from tests.bench import database, inside, neighbour, works
from tests.bench.load import Client, Sample, load
from tests.bench.report import Row
from tests.bench.seed import Size, Tenant, reopen
from tests.bench.server import running_server
from tests.bench.works import Work


@dataclass(slots=True)
class Bench:
    """`seconds` is the time for each work."""

    data_dir: Path
    size: Size
    seconds: float
    say: Callable[[str], None]
    postgresql: str = ""

    def measure(self) -> list[Row]:
        alone = self._alone()
        database.prepare(self.data_dir, self.size, say=self.say)
        self.postgresql = database.version(self.data_dir)
        call_command("collectstatic", verbosity=0, interactive=False)
        tenant = reopen("bench", self.size.pipelines, self.size.layers)
        wide = reopen("wide", self.size.wide_pipelines, 28) if self.size.wide_pipelines else None
        rows = [*self._inside(tenant, alone)]
        with running_server() as port:
            return [
                *Measuring(port, tenant, wide, self.seconds, self.say, (rows[0].sample, rows[1].sample)).rows(),
                *rows,
            ]

    def _alone(self) -> Sample:
        """The list of an organization that has the database to itself."""
        size = replace(self.size, organizations=1, wide_pipelines=0)
        database.prepare(self.data_dir, size, say=self.say)
        return inside.lists(reopen("bench", size.pipelines, size.layers), seconds=self.seconds)

    def _inside(self, tenant: Tenant, alone: Sample) -> Iterator[Row]:
        floor = inside.floor(tenant, 100, seconds=self.seconds)
        yield Row("floor: rows of 100 events, bare SQL", 1, floor)
        yield Row("floor: rows of one event, bare SQL", 1, inside.floor(tenant, 1, seconds=self.seconds))
        admin = ensure_server(self.data_dir).admin_parameters(database.DATABASE)
        for pair in inside.tenancy_against_none(tenant, admin, seconds=self.seconds):
            verdict = "met" if pair.ratio <= 1.1 else "missed"
            yield Row(pair.name, 1, pair.tenancy, f"{pair.ratio:.2f} times none (≤ 1.10)", verdict=verdict)
        among = inside.lists(tenant, seconds=self.seconds)
        ratio = among.quantile(0.5) / alone.quantile(0.5)
        name = f"list of 50, among {self.size.organizations} organizations against alone"
        yield Row(name, 1, among, f"{ratio:.2f} times alone (≤ 1.20)", verdict="met" if ratio <= 1.2 else "missed")


@dataclass(slots=True)
class Measuring:
    """Everything that goes over HTTP."""

    port: int
    tenant: Tenant
    wide: Tenant | None
    seconds: float
    say: Callable[[str], None]
    floors: tuple[Sample, Sample]  # of a batch, of one event
    batches: Sequence[int] = (100, 500)
    warm_up: int = 3
    turns: int = 3

    def rows(self) -> Iterator[Row]:
        base = self._sample(works.baseline())
        yield Row(works.baseline().name, 1, base)
        client = Client(self.port, self._headers(works.baseline()))
        far = 1_000 if self.seconds > 1 else 100
        reading = [*works.reading(self.tenant, client, far=far), *(works.reading_wide(self.wide) if self.wide else ())]
        client.close()
        for work in reading:
            sample = self._sample(work)
            against = f"{sample.quantile(0.5) / base.quantile(0.5):.1f} times healthz"
            yield Row(work.name, work.clients, sample, against, work.goal)
        for work in works.writing(self.tenant, self.batches):
            sample = self._sample(work)
            floor = self.floors[sample.events <= len(sample.seconds)]
            yield Row(work.name, work.clients, sample, f"{sample.rate / floor.rate:.2f} times floor", work.goal)
        yield from self._neighbours()

    def _neighbours(self) -> Iterator[Row]:
        """The same list with a neighbour on the smallest plan quiet and flooding."""
        work, key = works.list_of_50(), neighbour.make_flooder()
        for flood in neighbour.floods(key):
            self.say(flood.name)
            seen = neighbour.measure(
                self.port, self._headers(work), work.make, flood, seconds=self.seconds / 2, turns=self.turns
            )
            verdict = "met" if seen.ratio <= 2 else "missed"
            yield Row(flood.name, 1, seen.together, f"p99 {seen.ratio:.2f} times quiet (≤ 2.00)", verdict=verdict)

    def _sample(self, work: Work) -> Sample:
        self.say(work.name)
        sample = load(
            self.port,
            self._headers(work),
            work.make,
            clients=work.clients,
            seconds=self.seconds,
            warm_up=self.warm_up,
        )
        if sample.refused:
            self.say(f"  refused: {sample.refusal[:500].decode(errors='replace')}")
        return sample

    def _headers(self, work: Work) -> dict[str, str]:
        if work.in_browser:
            browser = Browser()
            browser.force_login(_reader())
            return {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())}
        tenant = self.wide if work.of_wide and self.wide else self.tenant
        return {"X-API-KEY": tenant.key}


def _reader() -> User:
    """A person for each page, because a person opens no more than 300 pages a minute."""
    person = User.objects.create_user(f"{uuid7()}@example.com", email_confirmed_at=timezone.now())
    organization = Organization.objects.get(slug="bench")
    return Membership.objects.create(organization=organization, user=person, role="viewer").user
