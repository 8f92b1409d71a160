"""Who was refused, and how often: one row per actor, address, problem and hour.

A process counts in memory and writes every few seconds, so that somebody who is refused a thousand times a second
costs nothing more. Written outside any scope: what was refused has been rolled back.
"""

from __future__ import annotations

import datetime
import threading
from dataclasses import astuple, dataclass

from django.db import connection
from django.utils import timezone

from dataxpipe.problems import Problem
from orgs.actors import Actor
from orgs.models import Refusal

REMEMBERED = 10_000
KEPT_FOR = datetime.timedelta(days=90)
# What says something about the caller; a missing page or a broken body does not.
REMEMBERED_STATUSES = frozenset({401, 403, 429})

# Sorted, so that two processes never wait for each other's rows in a circle; an organization that is gone is left out.
WRITE = """
    INSERT INTO orgs_refusal AS r (organization_id, hour, actor_kind, actor_id, ip_address, problem,
        actor_label, last_path, last_refused_at, refusal_count)
    SELECT new.* FROM unnest(%s::bigint[], %s::timestamptz[], %s::varchar[], %s::varchar[], %s::inet[], %s::varchar[],
        %s::varchar[], %s::varchar[], %s::timestamptz[], %s::bigint[])
        AS new (organization_id, hour, actor_kind, actor_id, ip_address, problem,
            actor_label, last_path, last_refused_at, refusal_count)
    WHERE EXISTS (SELECT FROM orgs_organization o WHERE o.id = new.organization_id)
    ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (organization_id, hour, actor_kind, actor_id, ip_address, problem) DO UPDATE SET
        refusal_count = r.refusal_count + excluded.refusal_count,
        last_path = excluded.last_path,
        last_refused_at = greatest(r.last_refused_at, excluded.last_refused_at)
"""


@dataclass(frozen=True, slots=True)
class _Refused:
    organization_id: int
    hour: datetime.datetime
    actor_kind: str
    actor_id: str
    ip_address: str | None
    problem: str


@dataclass(slots=True)
class _Count:
    actor_label: str
    last_path: str
    last_refused_at: datetime.datetime
    refusals: int = 0


_counts: dict[_Refused, _Count] = {}
_lock = threading.Lock()


def count_refusal(*, organization_id: int, actor: Actor, problem: type[Problem] | Problem, path: str) -> None:
    """Outside any scope. A path is told without its query, and never longer than 200 characters."""
    now = timezone.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    key = _Refused(organization_id, hour, actor.kind, actor.id, actor.ip_address, problem.slug)
    with _lock:
        if key in _counts or len(_counts) < REMEMBERED:
            count = _counts.setdefault(key, _Count(actor.label[:254], "", now))
            count.refusals, count.last_refused_at, count.last_path = count.refusals + 1, now, path[:200]


def flush_refusals() -> None:
    """Writes what was counted; what the database does not take now is lost."""
    with _lock:
        counts = dict(_counts)
        _counts.clear()
    _write(counts)


def forget_refusals(*, before: datetime.datetime) -> int:
    forgotten, _ = Refusal.objects.filter(hour__lt=before).delete()
    return forgotten


def _write(counts: dict[_Refused, _Count]) -> None:
    rows = [(*astuple(key), *astuple(count)) for key, count in counts.items()]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(WRITE, [list(column) for column in zip(*rows, strict=True)])
