"""Counting what is done, by organization, API key and hour.

Each process counts in memory and writes every few seconds, all organizations in one statement: hundreds of requests
a second would queue for one row. `kill -9` loses these seconds, a normal stop nothing. Written outside scopes.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from functools import partial
from typing import Literal
from uuid import UUID

from django.db import Error, connection, transaction
from django.utils import timezone

from orgs.due import MEASURE_USAGE
from orgs.models import ApiKey, Organization
from orgs.models.usage import NO_KEY, UsagePeriod
from orgs.tenancy import current_organization

Metric = Literal["api_requests", "runs_recorded", "events_ingested", "check_results"]
COUNTED = ("api_requests", "runs_recorded", "events_ingested", "check_results")
COLUMNS = (*COUNTED, "report_requests")

_Key = tuple[int, datetime.datetime, UUID]

_counts: dict[_Key, list[int]] = {}
_lock = threading.Lock()
_flushing = threading.Lock()
_api_key: ContextVar[UUID] = ContextVar("dataxpipe_api_key", default=NO_KEY)
logger = logging.getLogger(__name__)

# Sorted, so that two processes never wait for each other's rows in a circle; an organization that is gone is left out.
# Whoever uses something is measured within the hour.
WRITE = f"""
    WITH written AS (
        INSERT INTO orgs_usagecount AS u (organization_id, starts_at, api_key_id, {", ".join(COLUMNS)}, period)
        SELECT new.*, '{UsagePeriod.HOUR.value}'
        FROM unnest(%s::bigint[], %s::timestamptz[], %s::uuid[]{", %s::bigint[]" * len(COLUMNS)})
            AS new (organization_id, starts_at, api_key_id, {", ".join(COLUMNS)})
        WHERE EXISTS (SELECT FROM orgs_organization o WHERE o.id = new.organization_id)
        ORDER BY 1, 2, 3
        ON CONFLICT (organization_id, starts_at, period, api_key_id)
        DO UPDATE SET {", ".join(f"{name} = u.{name} + excluded.{name}" for name in COLUMNS)}
        RETURNING organization_id
    )
    INSERT INTO orgs_due (organization_id, kind, due_at)
    SELECT DISTINCT organization_id, %s, clock_timestamp() + interval '1 hour' FROM written ORDER BY 1
    ON CONFLICT DO NOTHING
"""  # noqa: S608  (names of ours)


def count(metric: Metric, amount: int) -> None:
    """Counts for the bound organization once the scope commits; what is rolled back was not used."""
    if amount:
        add = partial(_add, current_organization().pk, _api_key.get(), metric, amount)
        transaction.on_commit(add)


def count_request(organization: Organization, api_key: ApiKey | None, *, is_report: bool) -> None:
    """Counts a request that was answered; a report draws on the budget of events."""
    for metric in ("api_requests", "report_requests") if is_report else ("api_requests",):
        _add(organization.pk, _counted_as(api_key), metric, 1)


@contextlib.contextmanager
def counted_for(api_key: ApiKey | None) -> Iterator[None]:
    """Whatever is counted inside was done with this key."""
    token = _api_key.set(_counted_as(api_key))
    try:
        yield
    finally:
        _api_key.reset(token)


def _counted_as(api_key: ApiKey | None) -> UUID:
    """A key that lives for one CI run counts as the publisher it was exchanged by: there are thousands of them."""
    if api_key is None:
        return NO_KEY
    counted: UUID = api_key.publisher_id or api_key.pk
    return counted


def flush_counts() -> None:
    """Writes what was counted. What the database does not take is kept for the next time; nothing is raised."""
    with _flushing:
        with _lock:
            counts = dict(_counts)
            _counts.clear()
        if not counts:
            return
        try:
            _write(counts)
        except Error:
            logger.exception("usage was not written and is tried again")
            for key, amounts in counts.items():
                for metric, amount in zip(COLUMNS, amounts, strict=True):
                    _add(key[0], key[2], metric, amount, starts_at=key[1])


def _add(
    organization_id: int, api_key_id: UUID, metric: str, amount: int, *, starts_at: datetime.datetime | None = None
) -> None:
    starts_at = starts_at or timezone.now().replace(minute=0, second=0, microsecond=0)
    with _lock:
        amounts = _counts.setdefault((organization_id, starts_at, api_key_id), [0] * len(COLUMNS))
        amounts[COLUMNS.index(metric)] += amount


def _write(counts: dict[_Key, list[int]]) -> None:
    keys = sorted(counts)
    columns = [*zip(*keys, strict=True), *zip(*(counts[key] for key in keys), strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(WRITE, [*map(list, columns), MEASURE_USAGE])
