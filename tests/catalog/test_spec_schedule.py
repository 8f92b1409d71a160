"""Schedules in words, and when the next run starts, also when clocks change."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.spec.schedule import ScheduleError, describe, next_start, normalized


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("0 6 * * *", "Every day at 06:00"),
        ("30 5 * * 1-5", "Weekdays at 05:30"),
        ("30 5 * * mon-fri", "Weekdays at 05:30"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("10 * * * *", "Every hour at :10"),
        ("0 4 * * 1", "Mondays at 04:00"),
        ("0 * * * *", "Every hour"),
        ("* * * * *", "Every minute"),
        ("0 */2 * * *", "Every 2 hours"),
        ("10 */6 * * *", "Every 6 hours at :10"),
        ("0 6,18 * * *", "Every day at 06:00 and 18:00"),
        ("0 0 * * 6,0", "Weekends at 00:00"),
        ("0 0 * * 7", "Sundays at 00:00"),
        ("0 12 * * 1,3,5", "Mondays, Wednesdays and Fridays at 12:00"),
        ("@hourly", "Every hour"),
        ("@daily", "Every day at 00:00"),
        ("@weekly", "Sundays at 00:00"),
        ("@monthly", "On the 1st of every month at 00:00"),
        ("@annually", "Every year on 1 January at 00:00"),
        ("0 2 22 * *", "On the 22nd of every month at 02:00"),
        ("0 2 13 * *", "On the 13th of every month at 02:00"),
        ("0 2 L * *", "On the last day of every month at 02:00"),
        ("*/30 * * * 1-5", "Every 30 minutes on weekdays"),
        ("0 * * * 1", "Every hour on Mondays"),
        ("5,35 * * * *", "Every hour at :05 and :35"),
        (None, "Not scheduled"),
        ("*/15 9-17 * * 1-5", "*/15 9-17 * * 1-5"),
        ("*/7 * * * *", "*/7 * * * *"),
        ("0 0 13 * 5", "0 0 13 * 5"),
        ("0 0 * * 5#3", "0 0 * * 5#3"),
        ("0 * 1 * *", "0 * 1 * *"),
        ("0 0 1 */3 *", "0 0 1 */3 *"),
    ],
)
def test_schedules_are_told_in_words(schedule, words):
    assert describe(schedule) == words


def starts(schedule, timezone, after, count):
    moment, found = datetime.fromisoformat(after), []
    for _ in range(count):
        moment = next_start(schedule, timezone, moment)
        found.append(moment.strftime("%m-%dT%H:%M"))
    return found


def test_the_next_start_is_later_and_in_utc():
    after = datetime(2026, 5, 1, 6, 0, tzinfo=UTC)
    assert next_start("0 6 * * *", "UTC", after) == datetime(2026, 5, 2, 6, 0, tzinfo=UTC)
    assert next_start("0 6 * * *", "Europe/Vienna", after) == datetime(2026, 5, 2, 4, 0, tzinfo=UTC)
    assert next_start("@daily", "America/New_York", after) == datetime(2026, 5, 2, 4, 0, tzinfo=UTC)


def test_without_a_schedule_nothing_starts():
    assert next_start(None, "UTC", datetime(2026, 5, 1, tzinfo=UTC)) is None


def test_a_time_that_summer_time_skips_starts_right_after():
    assert starts("30 2 * * *", "Europe/Vienna", "2026-03-28T12:00:00+00:00", 2) == [
        "03-29T01:00",
        "03-30T00:30",
    ]


def test_a_time_that_occurs_twice_starts_once():
    assert starts("30 2 * * *", "Europe/Vienna", "2026-10-24T12:00:00+00:00", 2) == [
        "10-25T00:30",
        "10-26T01:30",
    ]
    assert starts("30 2 * * *", "Europe/Vienna", "2026-10-25T01:10:00+00:00", 1) == ["10-26T01:30"]


def test_short_intervals_follow_real_time():
    found = starts("*/30 * * * *", "Europe/Vienna", "2026-10-25T00:00:00+00:00", 4)
    assert found == ["10-25T00:30", "10-25T01:00", "10-25T01:30", "10-25T02:00"]


@pytest.mark.parametrize("schedule", ["@once", "timedelta(days=1)", "@continuous", ""])
def test_words_of_other_schedulers_are_shown_as_they_are(schedule):
    assert describe(schedule) == schedule
    assert next_start(schedule, "UTC", datetime(2026, 5, 1, tzinfo=UTC)) is None


def test_rare_days_are_found():
    assert next_start("0 0 29 2 *", "UTC", datetime(2026, 3, 1, tzinfo=UTC)) == datetime(2028, 2, 29, tzinfo=UTC)


def test_the_end_of_time_is_no_error():
    assert next_start("0 0 1 1 *", "Europe/Vienna", datetime(9999, 12, 31, 12, tzinfo=UTC)) is None


def test_schedules_are_normalized():
    assert normalized(" 0  6 * * MON ") == "0 6 * * MON"
    assert normalized("@Daily") == "@daily"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "@reboot",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "0 0 30 2 *",
        "1-" + "9" * 5000 + " * * * *",
    ],
)
def test_what_is_no_schedule_is_refused(text):
    with pytest.raises(ScheduleError):
        normalized(text)


fields = st.text(alphabet="0123456789*/,-#L", min_size=1, max_size=6)


@given(st.lists(fields, min_size=5, max_size=5), st.datetimes(timezones=st.just(UTC)))
def test_any_cron_is_refused_or_leads_forward(parts, after):
    try:
        schedule = normalized(" ".join(parts))
    except ScheduleError:
        return
    describe(schedule)
    start = next_start(schedule, "Europe/Vienna", after)
    assert start is None or start > after
