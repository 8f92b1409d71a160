"""Schedules: when the next run starts, and the same in words."""

from __future__ import annotations

import calendar
import zoneinfo
from datetime import UTC, datetime
from functools import lru_cache

from cronsim import CronSim, CronSimError

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
WEEKDAYS = ["Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays"]


class ScheduleError(ValueError):
    """The text is no schedule; the message is for people."""


def normalized(schedule: str) -> str:
    """Cron with single spaces, or an alias in lower case. Raises `ScheduleError`."""
    text = " ".join(schedule.split())
    if text.startswith("@"):
        if text.lower() not in ALIASES:
            raise ScheduleError(f"Aliases are {', '.join(ALIASES)}.")
        return text.lower()
    if len(text.split()) != 5:
        raise ScheduleError(f"Cron here has five fields (minute, hour, day, month, weekday), not {len(text.split())}.")
    _cron(text, datetime(2000, 1, 1, tzinfo=UTC))
    return text


def next_start(schedule: str | None, timezone: str, after: datetime) -> datetime | None:
    """The first start later than `after`, in UTC; None without a schedule, or when none follows in 50 years.
    None also for what is no cron: schedulers report their own words, such as Airflow's `@once`.

    As Debian's cron does: a time that summer time skips starts right after the gap, one that occurs twice
    starts once; with `*` hours the starts follow real time.
    """
    if schedule is None:
        return None
    spans = _spans(schedule, timezone)
    for begin, start in spans:
        if begin <= after < start:
            return start
    try:
        starts = _cron(_expanded(schedule), after.astimezone(zone(timezone)))
        # In the repeated hour cron's wall clock may lie before `after`.
        found = next(start for moment in starts if (start := moment.astimezone(UTC)) > after)
    except (ScheduleError, StopIteration, OverflowError):
        return None
    spans[:] = [(after, found), *spans[:1]]
    return found


@lru_cache(maxsize=4096)
def _spans(schedule: str, timezone: str) -> list[tuple[datetime, datetime]]:
    """Of the last two answers, from when on the next start is which: runs come in the order of time."""
    return []


def zone(timezone: str) -> zoneinfo.ZoneInfo:
    """Raises `zoneinfo.ZoneInfoNotFoundError`, also for what is no name of a zone."""
    if timezone not in zones():
        raise zoneinfo.ZoneInfoNotFoundError(timezone)
    return zoneinfo.ZoneInfo(timezone)


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    # `localtime` is this machine's zone, `Factory` the one of a machine nobody has set.
    return frozenset(zoneinfo.available_timezones() - {"localtime", "Factory"})


def _expanded(schedule: str) -> str:
    return ALIASES.get(schedule.strip().lower(), schedule)


def _cron(text: str, after: datetime) -> CronSim:
    try:
        return CronSim(text, after)
    except CronSimError as error:
        field = str(error).removeprefix("Bad ").replace("-", " ")
        raise ScheduleError(f"The {field} is not valid cron.") from None
    except (ValueError, RecursionError):
        raise ScheduleError("A number in it is not valid cron.") from None


@lru_cache(maxsize=4096)
def describe(schedule: str | None) -> str:
    """In words, such as "Every day at 06:00"; the cron text itself where words would be longer than it."""
    if schedule is None:
        return "Not scheduled"
    try:
        cron = _cron(_expanded(schedule), datetime(2000, 1, 1, tzinfo=UTC))
    except ScheduleError:
        return schedule
    times, days = _times(cron), _days(cron)
    if times is None or days is None:
        return schedule
    if times.startswith("at "):
        return f"{days or 'Every day'} {times}"
    if days.startswith(("On the", "Every")):
        return schedule
    return f"{times} on {days.replace('Week', 'week')}" if days else times


def _times(cron: CronSim) -> str | None:
    """`at 06:00`, or a sentence of its own such as `Every 15 minutes`."""
    minutes, hours = sorted(cron.minutes), sorted(cron.hours)
    if len(hours) == 24:
        return _within_the_hour(minutes)
    if len(minutes) > 1:
        return None
    every = _step(hours, 24)
    if every and every < 12:
        return f"Every {every} hours" + (f" at :{minutes[0]:02}" if minutes[0] else "")
    if len(hours) <= 4:
        return "at " + _listed([f"{hour:02}:{minutes[0]:02}" for hour in hours])
    return None


def _within_the_hour(minutes: list[int]) -> str | None:
    if len(minutes) == 60:
        return "Every minute"
    if minutes == [0]:
        return "Every hour"
    if every := _step(minutes, 60):
        return f"Every {every} minutes"
    if len(minutes) <= 4:
        return "Every hour at " + _listed([f":{minute:02}" for minute in minutes])
    return None


def _step(values: list[int], size: int) -> int | None:
    """The even step from zero that makes these values, if one does."""
    step = values[1] if len(values) > 1 else size
    return step if size % step == 0 and step < size and values == list(range(0, size, step)) else None


def _days(cron: CronSim) -> str | None:
    """The days in words, empty for every day, None where words fail."""
    weekdays = {(day - 1) % 7 for day in cron.weekdays if isinstance(day, int)}
    any_weekday = len(weekdays) == 7
    if any(not isinstance(day, int) for day in cron.weekdays):
        return None
    if len(cron.days) == 31 and len(cron.months) == 12:
        return "" if any_weekday else _weekdays(weekdays)
    if not any_weekday or len(cron.days) != 1:
        return None
    (day,) = cron.days
    return _day_of_month(day, sorted(cron.months))


def _weekdays(weekdays: set[int]) -> str:
    if weekdays == {0, 1, 2, 3, 4}:
        return "Weekdays"
    if weekdays == {5, 6}:
        return "Weekends"
    return _listed([WEEKDAYS[day] for day in sorted(weekdays)])


def _day_of_month(day: int, months: list[int]) -> str | None:
    if len(months) == 1 and day > 0:
        return f"Every year on {day} {calendar.month_name[months[0]]}"
    if len(months) != 12:
        return None
    names = {CronSim.LAST: "last day", CronSim.LAST_WEEKDAY: "last weekday"}
    return f"On the {names.get(day) or _ordinal(day)} of every month"


def _ordinal(day: int) -> str:
    suffix = "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{suffix}"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
