"""Marking work for the worker from inside a scope.

The row is written as the scope's last statement: the first writer of an organization holds it only while
it commits, and everyone else finds it there.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import partial

from django.db import connection
from django.utils import timezone

from orgs.models import Due
from orgs.tenancy import before_scope_exit, current_organization

SEAL_AUDIT = "seal_audit"
ANCHOR_AUDIT = "anchor_audit"
APPLY_EVENTS = "apply_events"
FORGET_IDEMPOTENCY = "forget_idempotency"
KEY_WARNINGS = "key_warnings"
MEASURE_USAGE = "measure_usage"

BRING_FORWARD = """
    INSERT INTO orgs_due (organization_id, kind, due_at) VALUES (%s, %s, %s)
    ON CONFLICT ON CONSTRAINT due_once_per_kind
    DO UPDATE SET due_at = excluded.due_at WHERE orgs_due.due_at > excluded.due_at
"""


Handler = Callable[[], object]

_handlers: dict[str, Handler] = {}


def register_handler(kind: str, handler: Handler) -> None:
    """The worker calls `handler` in the scope of an organization that marked `kind`; apps register in `ready()`."""
    _handlers[kind] = handler


def handler_of(kind: str) -> Handler | None:
    return _handlers.get(kind)


def mark(kind: str, *, after: datetime.timedelta = datetime.timedelta()) -> None:
    """The worker does `kind` for the bound organization once `after` has passed; marks of one kind are one."""
    before_scope_exit(f"due:{kind}", partial(_insert, kind, after))


def mark_at(kind: str, moment: datetime.datetime) -> None:
    """The worker does `kind` at this moment at the latest: an earlier mark stays, a later one moves forward."""
    before_scope_exit(f"due:{kind}:{moment.isoformat()}", partial(_bring_forward, kind, moment))


def _bring_forward(kind: str, moment: datetime.datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(BRING_FORWARD, [current_organization().pk, kind, moment])


def _insert(kind: str, after: datetime.timedelta) -> None:
    due = Due(organization=current_organization(), kind=kind, due_at=timezone.now() + after)
    Due.objects.bulk_create([due], ignore_conflicts=True)
