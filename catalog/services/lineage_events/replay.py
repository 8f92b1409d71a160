"""Applying events from the inbox: those that had to wait, and windows of time once more."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import DatabaseError, transaction

from catalog.models import EventInbox
from catalog.openlineage.envelope import read_event
from catalog.openlineage.events import map_namespaces
from catalog.services.lineage_events.admission import remember_discovered
from catalog.services.lineage_events.application import apply_events
from catalog.services.lineage_events.inbox import document_of
from catalog.services.lineage_events.intake import Received
from catalog.services.lineage_events.reception import BUSY
from catalog.services.repetition import repeated, sqlstate
from dataxpipe.postgres.fields import first_uuid7
from dataxpipe.problems import Problem
from orgs import due
from orgs.actors import Actor
from orgs.models import ApiKey, Organization
from orgs.tenancy import JOB, tenant_scope

CHUNK = 500


@dataclass(slots=True)
class Replayed:
    applied: int = 0
    failed: int = 0


def apply_pending() -> None:
    """The worker's handler, in the organization's scope: up to 500 events that waited, in the order they came."""
    rows = list(EventInbox.objects.filter(state=EventInbox.State.PENDING).order_by("id")[:CHUNK])
    if not rows:
        return
    _apply(rows, Actor.system("worker"))
    if len(rows) == CHUNK:
        due.mark(due.APPLY_EVENTS)


def replay_events(*, organization: Organization, since: datetime.datetime, until: datetime.datetime) -> Replayed:
    """Applies the events received in a window again, outside any scope, 500 a transaction. What was applied stays
    as it is; what failed may succeed now."""
    total = Replayed()
    after = first_uuid7(since)
    while True:
        with tenant_scope(organization):
            window = EventInbox.objects.filter(id__gte=first_uuid7(since), id__lt=first_uuid7(until), id__gt=after)
            ids = list(window.order_by("id").values_list("id", flat=True)[:CHUNK])
        if not ids:
            return total

        def work(ids: Sequence[object] = ids) -> Replayed:
            with tenant_scope(organization, timeouts=JOB):
                return _apply(list(EventInbox.objects.filter(id__in=ids).order_by("id")), Actor.system("replay"))

        done = repeated(work)
        total.applied += done.applied
        total.failed += done.failed
        after = ids[-1]


def _apply(rows: Sequence[EventInbox], actor: Actor) -> Replayed:
    """All at once; where the database refuses that, one by one, so that a bad event holds up no other.

    Raises what would not be refused a minute later: no event has failed because others stood in its way.
    """
    try:
        with transaction.atomic():
            return _apply_together(rows, actor)
    except DatabaseError as error:
        if sqlstate(error) in BUSY:
            raise
    total = Replayed()
    for row in rows:
        try:
            with transaction.atomic():
                done = _apply_together([row], actor)
        except DatabaseError as error:
            if sqlstate(error) in BUSY:
                raise
            _fail({row: f"The database refused it: {type(error).__name__}."})
            done = Replayed(failed=1)
        total.applied += done.applied
        total.failed += done.failed
    return total


def _apply_together(rows: Sequence[EventInbox], actor: Actor) -> Replayed:
    failures: dict[EventInbox, str] = {}
    received = list(_read(rows, failures))
    applied = apply_events(received, actor=actor)
    for refusal in applied.refused:
        failures[rows[refusal.index]] = refusal.problem.detail
    if applied.discovered:
        remember_discovered(applied.discovered)
    done = [rows[one.index] for one in received if rows[one.index] not in failures]
    for row in done:
        row.state, row.reason = EventInbox.State.APPLIED, ""
    for index, run_id in applied.runs.items():
        rows[index].run = run_id
    EventInbox.objects.bulk_update(done, ["state", "reason", "run"])
    _fail(failures)
    return Replayed(len(done), len(failures))


def _read(rows: Sequence[EventInbox], failures: dict[EventInbox, str]) -> Iterator[Received]:
    """The events as they were taken, their namespaces renamed as the key says that sent them."""
    keys = ApiKey.objects.filter(pk__in={row.api_key for row in rows if row.api_key})
    renamed = dict(keys.values_list("pk", "namespace_map"))
    for index, row in enumerate(rows):
        document = document_of(row.body)
        try:
            event = read_event(document, now=row.received_at)
        except Problem as problem:
            failures[row] = problem.detail
            continue
        yield Received(index, document, map_namespaces(event, renamed.get(row.api_key, {}) if row.api_key else {}))


def _fail(failures: dict[EventInbox, str]) -> None:
    for row, reason in failures.items():
        row.state, row.reason = EventInbox.State.FAILED, reason[:2_000]
    EventInbox.objects.bulk_update(list(failures), ["state", "reason"])
