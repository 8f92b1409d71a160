"""Who was refused, and how often: one row per actor, address, problem and hour.

A process counts in memory and writes a row at most every half minute, so that somebody who is refused a thousand
times a second costs nothing more. Written outside any scope: what was refused has been rolled back.
"""

from __future__ import annotations

import datetime
import threading
from dataclasses import dataclass

from django.db import connection
from django.utils import timezone

from dataxpipe.problems import Problem
from orgs.actors import Actor
from orgs.models import Refusal

WRITTEN_EVERY = datetime.timedelta(seconds=30)
REMEMBERED = 10_000
KEPT_FOR = datetime.timedelta(days=90)
# What says something about the caller; a missing page or a broken body does not.
REMEMBERED_STATUSES = frozenset({401, 403, 429})

UPSERT = """
    INSERT INTO orgs_refusal (organization_id, hour, actor_kind, actor_id, actor_label, ip_address, problem,
        refusal_count, last_path, last_refused_at)
    VALUES (%s, date_trunc('hour', %s::timestamptz, 'UTC'), %s, %s, %s, %s::inet, %s, %s, %s, %s)
    ON CONFLICT (organization_id, hour, actor_kind, actor_id, ip_address, problem) DO UPDATE SET
        refusal_count = orgs_refusal.refusal_count + excluded.refusal_count,
        last_path = excluded.last_path,
        last_refused_at = greatest(orgs_refusal.last_refused_at, excluded.last_refused_at)
"""


@dataclass(frozen=True, slots=True)
class _Refused:
    organization_id: int
    hour: datetime.datetime
    actor_kind: str
    actor_id: str
    actor_label: str
    ip_address: str | None
    problem: str


@dataclass(slots=True)
class _Count:
    written_at: datetime.datetime
    last_refused_at: datetime.datetime
    last_path: str
    unwritten: int = 0


_counts: dict[_Refused, _Count] = {}
_lock = threading.Lock()


def count_refusal(*, organization_id: int, actor: Actor, problem: type[Problem] | Problem, path: str) -> None:
    """Outside any scope. A path is told without its query, and never longer than 200 characters."""
    now = timezone.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    key = _Refused(organization_id, hour, actor.kind, actor.id, actor.label, actor.ip_address, problem.slug)
    with _lock:
        count = _counts.get(key)
        if count is not None and now - count.written_at < WRITTEN_EVERY:
            count.unwritten, count.last_refused_at, count.last_path = count.unwritten + 1, now, path
            return
        due = _Count(now, now, path, (count.unwritten if count else 0) + 1)
        is_full = len(_counts) >= REMEMBERED
        _counts[key] = _Count(written_at=now, last_refused_at=now, last_path=path)
    _write({key: due})
    if is_full:
        flush_refusals()


def flush_refusals() -> None:
    """Writes what was counted and forgets it; the web server calls it when a process ends."""
    with _lock:
        counts = {key: count for key, count in _counts.items() if count.unwritten}
        _counts.clear()
    _write(counts)


def forget_refusals(*, before: datetime.datetime) -> int:
    forgotten, _ = Refusal.objects.filter(hour__lt=before).delete()
    return forgotten


def _write(counts: dict[_Refused, _Count]) -> None:
    rows = [
        [
            key.organization_id,
            key.hour,
            key.actor_kind,
            key.actor_id,
            key.actor_label[:254],
            key.ip_address,
            key.problem,
            count.unwritten,
            count.last_path[:200],
            count.last_refused_at,
        ]
        for key, count in counts.items()
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(UPSERT, rows)
