"""The bench itself, at a tiny size: it seeds, measures every work over HTTP, and tells what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bench import inside, report
from tests.bench.bench import Measuring
from tests.bench.load import Sample
from tests.bench.report import Row
from tests.bench.seed import Size, reopen, seed
from tests.bench.shape import make_shape
from tests.bench.works import Goal

TINY = Size(pipelines=30, runs=60, layers=3, organizations=2)


@pytest.mark.django_db(transaction=True)
def test_every_work_is_answered_and_counted(live_server: Any) -> None:
    seed(TINY, analyze=lambda: None)
    tenant = reopen("bench", TINY.pipelines, TINY.layers)
    floor = inside.floor(tenant, 4, seconds=0.01)
    port = live_server.thread.port
    measuring = Measuring(port, tenant, None, 0.01, lambda line: None, (floor, floor), batches=(4,), warm_up=1, turns=1)
    rows = list(measuring.rows())
    assert [row.name for row in rows if row.sample.refused] == []
    assert [row.name for row in rows if not row.sample.seconds] == []


def test_the_same_size_gives_the_same_shape() -> None:
    shape = make_shape(200, layers=5)
    assert shape == make_shape(200, layers=5)
    assert {pipeline.layer for pipeline in shape.pipelines} == {1, 2, 3, 4, 5}
    assert all(pipeline.reads and pipeline.writes for pipeline in shape.pipelines)


def test_the_table_says_which_goals_are_met_missed_or_failed() -> None:
    quick = Sample(seconds=[0.001] * 20, events=20, elapsed=0.02)
    refused = Sample(seconds=[0.001], refused={404: 1})
    rows = [
        Row("met", 1, quick, goal=Goal(p95=5)),
        Row("missed", 2, quick, goal=Goal(rate=5_000)),
        Row("failed", 1, refused),
    ]
    lines = report.table(rows).splitlines()[2:]
    assert lines[0] == "| met | 1 | 1.0 | 1.0 | 1,000 |  | p95 < 5 ms | met |"
    assert lines[1].endswith("| ≥ 5,000/s | missed |")
    assert "answers: 1 of 404" in lines[2]


def test_the_table_replaces_the_one_before(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.FIRST}\nold\n{report.LAST}\nafter\n")
    report.write("new", page)
    assert page.read_text() == f"before\n{report.FIRST}\nnew\n{report.LAST}\nafter\n"


def test_a_page_without_a_place_for_the_table_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing here")
    with pytest.raises(ValueError, match="no place for the table"):
        report.write("new", page)
