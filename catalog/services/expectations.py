"""When a pipeline should start next, and from when on it is late."""

from __future__ import annotations

import datetime

from catalog.models import Pipeline
from catalog.spec.schedule import next_start

# Schedulers start a little after the minute they were told.
GRACE = datetime.timedelta(minutes=5)


def expect_next(pipeline: Pipeline, *, after: datetime.datetime) -> None:
    """Sets, without saving, `next_expected_at` and `late_after` from the schedule; both None without one."""
    start = next_start(pipeline.schedule, pipeline.timezone, after)
    pipeline.next_expected_at = start
    pipeline.late_after = start + GRACE if start else None
