"""What all charts share: how a state looks, how a mark gets its tooltip, how time is stepped."""

from __future__ import annotations

from functools import lru_cache
from html import escape

HEALTH = ("failing", "late", "at_risk", "running", "healthy", "never_run", "unknown")
STATUS_SHAPES = {
    "success": "healthy",
    "pass": "healthy",
    "failed": "failing",
    "fail": "failing",
    "error": "failing",
    "warn": "warn",
    "running": "running",
    "queued": "never_run",
    "skipped": "never_run",
    "aborted": "unknown",
    "lost": "unknown",
}


def word(state: str) -> str:
    """`at_risk` as people read it: `At risk`."""
    return state.replace("_", " ").capitalize()


@lru_cache(maxsize=64)
def css_state(status: str) -> str:
    return "s-" + escape({"error": "fail"}.get(status, status).replace("_", "-"))


def linked(url: str, title: str, marks: str, hit: str = "") -> str:
    """Marks under one tooltip. Links stay out of the tab order: a table leads to the same places."""
    inner = f"<title>{escape(title)}</title>{hit}{marks}"
    return f'<a href="{escape(url)}" tabindex="-1">{inner}</a>' if url else f"<g>{inner}</g>"


MINUTE, HOUR = 60, 3600
STEPS = (
    *(1, 2, 5, 10, 20, 30),
    *(n * MINUTE for n in (1, 2, 3, 4, 5, 10, 15, 20, 30)),
    *(n * HOUR for n in (1, 2, 3, 4, 6, 12, 24)),
)


def axis_step(longest: float, parts: int) -> float:
    """The smallest round step of time of which `parts` reach `longest` seconds."""
    return next((step for step in STEPS if step * parts >= longest), longest / parts)
