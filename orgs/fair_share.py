"""A share of each process for every organization: who sends many requests at once queues behind itself.

A process has more threads than it can work with at once. An organization that is alone works in as many as the
processor is good for. While others are there it works in one, and its other requests wait for their turn, without a
connection to the database; what would fill the threads in which others arrive is refused for a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection

from dataxpipe.problems import ServiceUnavailable

# Measured on two cores: beside a neighbour that works in four threads or two a list of 4 ms takes 30, beside one 12.
WORKING_ALONE, WORKING_AMONG_OTHERS = 4, 1
# Of 16 threads (dataxpipe/gunicorn.py).
UNDER_WAY_AMONG_OTHERS = 12
# Less than the five seconds that OpenLineage clients wait for an answer.
PATIENCE_SECONDS = 4.0
# For so long after its last request an organization counts as being there.
THERE_SECONDS = 1.0


class TooManyAtOnce(ServiceUnavailable):
    slug = "too-many-at-once"
    title = "Too many requests at once"
    about = (
        "The organization has more requests under way than its share while others want to be served, too. Nothing was "
        "done; send it again after `Retry-After`, over fewer connections."
    )

    def __init__(self) -> None:
        detail = "Too many requests of the organization are under way. Send fewer at once."
        super().__init__(detail, headers={"Retry-After": "1"}, retry_after_seconds=1)


@dataclass(slots=True)
class _Share:
    """Of one organization with requests under way."""

    freed: threading.Condition
    working: int = 0
    waiting: int = 0


class FairShare:
    """Of one process, all threads together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shares: dict[int, _Share] = {}
        self._seen: dict[int, float] = {}

    @contextmanager
    def turn(self, organization_id: int) -> Iterator[None]:
        """Waits until the organization may work here, in the order of arrival. Raises `TooManyAtOnce`."""
        with self._lock:
            share = self._arrive(organization_id)
            has_to_wait = share.waiting > 0 or not self._may_work(organization_id, share)
            if has_to_wait:
                lend_connection()
                share.waiting += 1
            else:
                share.working += 1
        if has_to_wait:
            self._wait(organization_id, share)
        try:
            yield
        finally:
            with self._lock:
                share.working -= 1
                self._leave(organization_id, share)

    def _arrive(self, organization_id: int) -> _Share:
        self._seen[organization_id] = time.monotonic()
        share = self._shares.get(organization_id)
        if share is None:
            share = self._shares[organization_id] = _Share(threading.Condition(self._lock))
        elif share.working + share.waiting >= UNDER_WAY_AMONG_OTHERS and self._has_others(organization_id):
            raise TooManyAtOnce
        return share

    def _wait(self, organization_id: int, share: _Share) -> None:
        with self._lock:
            has_turn = share.freed.wait_for(lambda: self._may_work(organization_id, share), PATIENCE_SECONDS)
            share.waiting -= 1
            share.working += has_turn
            if not has_turn:
                self._leave(organization_id, share)
                raise TooManyAtOnce

    def _leave(self, organization_id: int, share: _Share) -> None:
        if share.waiting:
            share.freed.notify()
        elif not share.working:
            self._shares.pop(organization_id, None)

    def _may_work(self, organization_id: int, share: _Share) -> bool:
        return share.working < (WORKING_AMONG_OTHERS if self._has_others(organization_id) else WORKING_ALONE)

    def _has_others(self, organization_id: int) -> bool:
        long_ago = time.monotonic() - THERE_SECONDS
        for other in [other for other, seen in self._seen.items() if seen < long_ago and other not in self._shares]:
            del self._seen[other]
        return any(other != organization_id for other in self._seen)


def lend_connection() -> None:
    """Others may have it meanwhile; the next query takes one from the pool again."""
    if not connection.in_atomic_block:
        connection.close()


fair_share = FairShare()
