"""The measurements as a Markdown table, and its place in `docs/performance.md`."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import Sample
from tests.bench.works import Goal

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
FIRST, LAST = "<!-- bench: written by `make bench BENCH_ARGS=--write` -->", "<!-- /bench -->"
HEAD = ("Work", "clients", "p50 ms", "p95 ms", "per second", "against", "goal", "")


@dataclass(frozen=True, slots=True)
class Row:
    """`against` is a ratio with its name, such as `4.1 times healthz`."""

    name: str
    clients: int
    sample: Sample
    against: str = ""
    goal: Goal | None = None
    verdict: str | None = None

    def cells(self) -> tuple[str, ...]:
        if self.sample.refused:
            refused = ", ".join(f"{count} of {status}" for status, count in sorted(self.sample.refused.items()))
            return (self.name, str(self.clients), "", "", "", f"answers: {refused}", str(self.goal or ""), "failed")
        sample = self.sample
        times = f"{sample.quantile(0.5):.1f}", f"{sample.quantile(0.95):.1f}", f"{sample.rate:,.0f}"
        return (self.name, str(self.clients), *times, self.against, str(self.goal or ""), self._verdict())

    def _verdict(self) -> str:
        if self.verdict is not None:
            return self.verdict
        return "" if self.goal is None else "met" if self.goal.is_met(self.sample) else "missed"


def table(rows: list[Row]) -> str:
    lines = [HEAD, ("---", "---:", "---:", "---:", "---:", "---", "---", "---"), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine(postgresql: str, load: float) -> str:
    """What it was measured with; nothing that names the machine. `load` is how many processes wanted to run before."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    described = (
        f"{os.cpu_count()} cores of {platform.machine()}, {memory:.0f} GB of memory, PostgreSQL {postgresql} embedded"
        f" and durable, Python {platform.python_version()}, load generator, web and PostgreSQL on one machine."
    )
    if load < 1:
        return described
    return f"{described} Other programs kept {load:.0f} processes running: look at the ratios, the times are too long."


def write(text: str, page: Path = PAGE) -> None:
    """Puts the text between the markers of the page."""
    content = page.read_text()
    replaced, count = re.subn(
        f"{re.escape(FIRST)}.*?{re.escape(LAST)}", lambda _: f"{FIRST}\n{text}\n{LAST}", content, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"{page.name} has no place for the table: put {FIRST} and {LAST} there.")
    page.write_text(replaced)
