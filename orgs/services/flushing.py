"""Writing what a process counts in memory: every few seconds by a thread of its own, and once more when it ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import Error, connection

from orgs.services.key_uses import flush_uses
from orgs.services.refusals import flush_refusals
from orgs.services.usage.counts import flush_counts

# Each with how many rounds pass from one time to the next: a caller's uses are written at most every half minute.
FLUSHES: tuple[tuple[Callable[[], None], int], ...] = ((flush_counts, 1), (flush_refusals, 1), (flush_uses, 6))
logger = logging.getLogger(__name__)


def flush_all() -> None:
    for flush, _ in FLUSHES:
        _flush(flush)


def start_flushing(*, every_seconds: float = 5) -> Callable[[], None]:
    """In a process that serves requests, so that an idle one writes too. Answers a function that ends it."""
    stop = threading.Event()
    thread = threading.Thread(target=_flush_until, args=[stop, every_seconds], name="flushing", daemon=True)
    thread.start()

    def end() -> None:
        stop.set()
        thread.join()

    return end


def _flush_until(stop: threading.Event, every_seconds: float) -> None:
    rounds = 0
    while not stop.wait(every_seconds):
        rounds += 1
        for flush, every in FLUSHES:
            if rounds % every == 0:
                _flush(flush)
        connection.close()  # the pool lends it to others meanwhile


def _flush(flush: Callable[[], None]) -> None:
    try:
        flush()
    except Error:
        logger.exception("%s failed", flush.__name__)
