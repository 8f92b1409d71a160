"""Marking work for the worker from inside a scope.

The row is written as the scope's last statement: the first writer of an organization holds it only while
it commits, and everyone else finds it there.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import partial

from django.utils import timezone

from orgs.models import Due
from orgs.tenancy import before_scope_exit, current_organization

SEAL_AUDIT = "seal_audit"
APPLY_EVENTS = "apply_events"
FORGET_IDEMPOTENCY = "forget_idempotency"


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


def _insert(kind: str, after: datetime.timedelta) -> None:
    due = Due(organization=current_organization(), kind=kind, due_at=timezone.now() + after)
    Due.objects.bulk_create([due], ignore_conflicts=True)
