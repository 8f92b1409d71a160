"""Charts and forecasts: what is drawn for which numbers."""

import datetime
import re

import pytest

from orgs.charts import HEIGHT, WIDTH, Column, Level, column_chart, level_chart, round_up
from orgs.quantities import size
from orgs.services.usage.forecast import day_reached

START = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)


def day(number):
    return START + datetime.timedelta(days=number)


def columns(*values):
    return column_chart([Column(day(i), v) for i, v in enumerate(values)], title="Runs", interval="day", words=str)


def level(*values, **options):
    levels = [Level(day(i), v) for i, v in enumerate(values)]
    return level_chart(levels, title="Pipelines", interval="day", words=str, **options)


@pytest.mark.parametrize(("value", "top"), [(1, 1), (7, 8), (11, 15), (25, 30), (99, 100), (101, 150), (2_000, 2_000)])
def test_axes_end_at_round_numbers(value, top):
    assert round_up(value) == top


def test_a_column_is_as_high_as_its_value():
    heights = [float(height) for height in re.findall(r'class="part"[^>]* height="([\d.]+)"', columns(50, 100, 0))]
    assert heights == [HEIGHT / 2, HEIGHT]


def test_every_column_says_its_day_and_value():
    assert "<title>2 Mar: 100</title>" in columns(50, 100)


def test_without_any_use_there_are_no_columns():
    assert 'class="part"' not in columns(0, 0)


def test_a_limit_far_above_is_not_drawn():
    chart = [Column(day(0), 10)]
    assert 'class="limit"' not in column_chart(chart, title="", interval="day", words=str, limit=100)
    assert 'class="limit"' in column_chart(chart, title="", interval="day", words=str, limit=50)


def test_the_line_begins_where_something_is_known():
    line = re.search(r'class="level" d="M([\d.]+) ([\d.]+)', level(None, 5, 10))
    assert float(line[1]) == WIDTH / 2
    assert float(line[2]) == HEIGHT / 2


def test_nothing_measured_draws_no_line():
    assert "level" not in level(None, None)


def test_a_single_level_is_a_line_too():
    assert 'class="level"' in level(5)


def test_the_forecast_meets_the_limit_or_ends_with_the_chart():
    assert re.search(r'class="ahead" d="[^"]*L[\d.]+ 0.0"', level(5, 8, None, None, limit=10, reached=1))
    end = re.search(r'class="ahead" d="[^"]*L([\d.]+) ([\d.]+)"', level(5, 8, None, limit=10, reached=30))
    assert float(end[1]) == WIDTH
    assert float(end[2]) > 0


def test_a_forecast_follows_the_growth():
    levels = [(datetime.date(2026, 3, number), number) for number in range(1, 11)]
    assert day_reached(levels, 15) == datetime.date(2026, 3, 16)


@pytest.mark.parametrize(
    ("values", "limit"),
    [
        ([1, 2, 3, 4, 5], None),
        ([1, 2, 3, 4, 5], 5),
        ([1, 2, 3, 4, 5], 5_000),
        ([5, 5, 5, 5, 5], 6),
        ([5, 4, 3, 2, 1], 6),
        ([1, 2, 3], 4),
        ([3], 4),
        ([], 4),
    ],
    ids=["without limit", "reached", "years away", "level", "falling", "three days", "one day", "nothing"],
)
def test_no_forecast_where_there_is_nothing_to_foretell(values, limit):
    assert day_reached([(day(i).date(), value) for i, value in enumerate(values)], limit) is None


@pytest.mark.parametrize(
    ("byte_count", "words"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1 kB"), (1_240_000, "1.2 MB"), (99_960_000, "100 MB"),
     (999_600_000, "1 GB"), (16_400_000_000, "16.4 GB"), (2_000_000_000_000_000, "2000 TB")],
)  # fmt: skip
def test_bytes_in_words(byte_count, words):
    assert size(byte_count) == words
