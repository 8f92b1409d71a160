"""Who uses a key: one row per caller, so that a rotation can name whoever still sends the old one.

A caller that is seen for the first time is written at once; after that each process counts in memory and writes
at most every half minute, because hundreds of requests a second would queue for one row. Outside any scope.
"""

from __future__ import annotations

import datetime
import threading
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils import timezone

from orgs.models import ApiKey, ApiKeyUse

CALLERS_PER_KEY = 1_000
WRITTEN_EVERY = datetime.timedelta(seconds=30)
REMEMBERED_CALLERS = 10_000
KEPT_FOR = datetime.timedelta(days=90)

UPDATE = """
    UPDATE orgs_apikeyuse SET use_count = use_count + %(count)s, last_used_at = greatest(last_used_at, %(last)s)
    WHERE api_key_id = %(api_key)s AND namespace = %(namespace)s AND root_name = %(root_name)s
        AND producer = %(producer)s AND ip_address IS NOT DISTINCT FROM %(ip_address)s::inet
"""
INSERT = """
    INSERT INTO orgs_apikeyuse (organization_id, api_key_id, namespace, root_name, producer, ip_address,
        first_used_at, last_used_at, use_count)
    SELECT %(organization)s, %(api_key)s, %(namespace)s, %(root_name)s, %(producer)s, %(ip_address)s::inet,
        %(last)s, %(last)s, %(count)s
    WHERE (SELECT count(*) FROM orgs_apikeyuse WHERE api_key_id = %(api_key)s) < %(at_most)s
    ON CONFLICT (api_key_id, namespace, root_name, producer, ip_address)
    DO UPDATE SET use_count = orgs_apikeyuse.use_count + excluded.use_count, last_used_at = excluded.last_used_at
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """The job's namespace and root pipeline as far as known, what the client calls itself, and its address."""

    namespace: str = ""
    root_name: str = ""
    producer: str = ""
    ip_address: str | None = None


@dataclass(slots=True)
class _Count:
    written_at: datetime.datetime
    last_used_at: datetime.datetime
    unwritten: int = 0


_Key = tuple[object, object, Caller]

_counts: dict[_Key, _Count] = {}
_lock = threading.Lock()


def record_use(*, api_key: ApiKey, caller: Caller) -> None:
    key: _Key = (api_key.organization_id, api_key.pk, caller)
    now = timezone.now()
    with _lock:
        count = _counts.get(key)
        if count is not None and now - count.written_at < WRITTEN_EVERY:
            count.unwritten, count.last_used_at = count.unwritten + 1, now
            return
        due = count.unwritten + 1 if count else 1
        is_full = len(_counts) >= REMEMBERED_CALLERS
        _counts[key] = _Count(written_at=now, last_used_at=now)
    _write(key, due, now)
    if is_full:
        flush_uses()


def forget_uses(*, before: datetime.datetime) -> int:
    """Callers not heard of since then, of every organization; returns how many."""
    forgotten, _ = ApiKeyUse.objects.filter(last_used_at__lt=before).delete()
    return forgotten


def flush_uses() -> None:
    """Writes what was counted and forgets it; the web server calls it when a process ends."""
    with _lock:
        counts = dict(_counts)
        _counts.clear()
    for key, count in counts.items():
        if count.unwritten:
            _write(key, count.unwritten, count.last_used_at)


def _write(key: _Key, count: int, last_used_at: datetime.datetime) -> None:
    organization_id, api_key_id, caller = key
    values: dict[str, Any] = {
        "organization": organization_id,
        "api_key": api_key_id,
        "namespace": _cut(caller.namespace, 1_000),
        "root_name": _cut(caller.root_name, 1_000),
        "producer": _cut(caller.producer, 200),
        "ip_address": caller.ip_address,
        "count": count,
        "last": last_used_at,
        "at_most": CALLERS_PER_KEY,
    }
    with connection.cursor() as cursor:
        cursor.execute(UPDATE, values)
        if cursor.rowcount == 0:
            cursor.execute(INSERT, values)


def _cut(text: str, byte_count: int) -> str:
    """All of them stand in one index, a row of which holds 2,704 bytes."""
    return text.encode()[:byte_count].decode(errors="ignore")
