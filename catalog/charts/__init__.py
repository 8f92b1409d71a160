"""Small charts as SVG, drawn on the server.

Marks carry classes and presentation attributes only, so they live under `style-src 'self'` and follow the
theme. Time runs left to right, the newest mark is rightmost, and colour never stands alone: a failure has a
foot below the line, a backfill is hollow, a skipped check is a dash.
"""

from catalog.charts.checks import ResultMark, heat_strip
from catalog.charts.gantt import GanttBar, GanttRow, gantt
from catalog.charts.health import health_strip
from catalog.charts.hours import hour_chart
from catalog.charts.marks import STATUS_SHAPES, word
from catalog.charts.runs import RunMark, duration_chart, run_bars

__all__ = [
    "STATUS_SHAPES",
    "GanttBar",
    "GanttRow",
    "ResultMark",
    "RunMark",
    "duration_chart",
    "gantt",
    "health_strip",
    "heat_strip",
    "hour_chart",
    "run_bars",
    "word",
]
