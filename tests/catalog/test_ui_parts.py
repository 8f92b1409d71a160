"""Health, states, tags and charts: what they draw, and that user text stays text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from django.template import Context, Template

from catalog.charts import (
    GanttBar,
    GanttRow,
    ResultMark,
    RunMark,
    duration_chart,
    gantt,
    health_strip,
    heat_strip,
    run_bars,
)
from catalog.templatetags import catalog_ui

START = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script>\"&"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def parsed(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<root>{html}</root>")  # noqa: S314  our own markup


def classes(html: str, tag: str = "rect") -> list[str]:
    return [element.get("class", "") for element in parsed(html).iter(tag)]


def test_health_is_a_shape_and_a_word() -> None:
    html = catalog_ui.health("at_risk")
    assert "#h-at-risk" in html
    assert html.endswith("At risk</span>")


def test_a_run_state_takes_the_shape_of_the_health_it_means() -> None:
    assert "h-failing" in catalog_ui.status("failed")
    assert "Lost" in catalog_ui.status("lost")


def test_run_bars_scale_to_the_longest_run() -> None:
    html = run_bars([RunMark("success", 100), RunMark("success", 50)], "orders", slots=2)
    heights = [rect.get("height") for rect in parsed(html).iter("rect")]
    assert heights == ["21", "10"]


def test_a_failed_run_has_a_foot_and_a_backfill_is_hollow() -> None:
    html = run_bars([RunMark("failed", 10), RunMark("success", 10, is_backfill=True)], "orders", slots=2)
    assert classes(html) == ["s-failed", "s-failed", "s-success bf"]


def test_missing_runs_are_dashes_before_the_first() -> None:
    html = run_bars([RunMark("success", 10)], "orders", slots=3)
    assert classes(html) == ["ghost", "ghost", "s-success"]
    assert "last 1 runs, 0 failed" in html


def test_a_pipeline_that_never_ran_says_so() -> None:
    assert 'aria-label="orders: no run yet"' in run_bars([], "orders")


def test_bars_with_addresses_are_links_outside_the_tab_order() -> None:
    html = run_bars([RunMark("success", 10, url="/runs/1")], "orders")
    assert '<a href="/runs/1" tabindex="-1">' in html
    assert 'role="group"' in html


def test_one_long_run_does_not_flatten_the_others() -> None:
    runs = [RunMark("success", 60) for _ in range(9)] + [RunMark("success", 36_000)]
    html = duration_chart(runs, median=60)
    heights = [float(rect.get("height", 0)) for rect in parsed(html).iter("rect")]
    assert heights[0] > 20
    assert heights[-2:] == [6, 110]


def test_the_median_and_its_band_lie_behind_the_bars() -> None:
    html = duration_chart([RunMark("success", 250, at(0)), RunMark("failed", 200, at(86400 * 3))], 249, (215, 290))
    assert classes(html) == ["band", "s-success", "s-failed", "s-failed"]
    assert 'class="med"' in html
    assert "<span>20 Nov</span>" in html
    assert "median 4m 09s" in html


def test_a_chart_without_runs_is_still_a_chart() -> None:
    assert parsed(duration_chart([])).find(".//svg") is not None


def test_check_results_differ_in_height() -> None:
    results = [ResultMark(status) for status in ("pass", "warn", "fail", "error", "skipped")]
    html = heat_strip(results, slots=5)
    assert [rect.get("height") for rect in parsed(html).iter("rect")] == ["8", "14", "20", "20", "2"]
    assert 'aria-label="1 passed, 2 failed, 1 warned"' in html


def test_an_attempt_that_was_repeated_is_hollow_and_its_back_off_dotted() -> None:
    bars = [GanttBar(at(0), at(10), "failed", "earlier"), GanttBar(at(20), at(30), "success")]
    html = gantt([GanttRow("fetch", "success", bars, 30)], START, at(60))
    assert classes(html) == ["s-failed ha", "s-success"]
    assert 'class="wait"' in html


def test_the_time_axis_has_round_ticks() -> None:
    html = gantt([], START, at(252))
    assert re.findall(r">(\d\d:\d\d)<", html) == ["06:00", "06:01", "06:02", "06:03", "06:04"]


def test_a_skipped_step_says_so_instead_of_a_duration() -> None:
    html = gantt([GanttRow("publish", "skipped", [GanttBar(at(5), at(9), "skipped", "skipped")])], START, at(60))
    assert '<span class="gd num">skipped</span>' in html


def test_the_health_strip_is_proportional_and_links_to_its_filters() -> None:
    html = health_strip({"failing": 1, "healthy": 3, "late": 0})
    widths = [float(rect.get("width", 0)) for rect in parsed(html).iter("rect")]
    assert widths == pytest.approx([239, 717])
    assert 'href="?health=failing"' in html
    assert "late" not in html


def test_no_pipelines_no_strip() -> None:
    assert health_strip({}) == ""


def test_tags_that_do_not_fit_stand_behind_a_number() -> None:
    html = catalog_ui.tags(["pii", "tier-1", "sox", "gdpr"])
    assert html.count('<a class="tag"') == 3
    assert 'title="gdpr"' in html
    assert 'href="?tag=pii"' in html


def test_a_very_long_tag_is_still_shown() -> None:
    assert catalog_ui.tags(["x" * 60]).count('<a class="tag"') == 1


def test_all_tags_are_shown_on_request() -> None:
    assert catalog_ui.tags([f"tag-{n}" for n in range(9)], shown=0).count('<a class="tag"') == 9


def test_an_owner_says_where_it_came_from() -> None:
    html = catalog_ui.owner("commerce-data", "spec", 2)
    assert "from spec" in html
    assert "+2" in html
    assert "nobody" in catalog_ui.owner(None)


@pytest.mark.parametrize(
    "html",
    [
        catalog_ui.health("healthy", HOSTILE),
        catalog_ui.health(HOSTILE),
        catalog_ui.tags([HOSTILE, "b" * 30, HOSTILE]),
        catalog_ui.owner(HOSTILE, HOSTILE),
        run_bars([RunMark(HOSTILE, 1, url=HOSTILE)], HOSTILE),
        heat_strip([ResultMark(HOSTILE, HOSTILE, HOSTILE)]),
        gantt(
            [GanttRow(HOSTILE, HOSTILE, [GanttBar(START, at(5), HOSTILE)], tag=HOSTILE, url=HOSTILE)],
            START,
            at(9),
        ),
        health_strip({"failing": 1}, HOSTILE),
    ],
)
def test_user_text_stays_text(html: str) -> None:
    assert "<script" not in html
    assert parsed(html) is not None


def test_the_tags_work_in_a_template() -> None:
    source = "{% load catalog_ui %}{% health 'late' %}{% run_bars runs 'orders' %}{% heat_strip results %}"
    html = Template(source).render(Context({"runs": [RunMark("success", 5)], "results": [ResultMark("pass")]}))
    assert "h-late" in html
    assert html.count("<svg") == 3


@pytest.mark.parametrize("command", ["register_command", "connection_command"])
def test_commands_take_the_key_from_where_the_start_page_puts_it(command: str) -> None:
    assert "X-API-KEY: $DXP_KEY&quot;" in getattr(catalog_ui, command)()
