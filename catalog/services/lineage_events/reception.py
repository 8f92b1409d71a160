"""Taking events in: applied in the same transaction that stores them, or stored alone and applied by the worker."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import DatabaseError, DataError, IntegrityError
from django.utils import timezone

from catalog.models import EventInbox
from catalog.openlineage.names import JobKey
from catalog.services.lineage_events import inbox
from catalog.services.lineage_events.admission import remember_discovered
from catalog.services.lineage_events.application import Applied, apply_events
from catalog.services.lineage_events.intake import Policy, Received, Refusal, read_events, read_one
from catalog.services.lineage_events.leaks import note_leaks
from catalog.services.repetition import REPEATED, repeated, sqlstate
from dataxpipe.problems import ValidationFailed
from dataxpipe.rendering import problem_of_database
from orgs import due
from orgs.actors import Actor
from orgs.models import Organization
from orgs.models.organization import OrganizationStatus
from orgs.tenancy import tenant_scope

# SQLSTATE: a deadlock, a serialization failure; a lock or a statement that takes too long
BUSY = frozenset({"40P01", "40001", "55P03", "57014"})
# the worker has more time than a client
POSTPONED = BUSY | REPEATED


@dataclass(slots=True)
class Receipt:
    """`received` are the events that were taken, with the pipelines they went to by index; others are `refused`."""

    received: list[Received] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    pipelines: dict[int, JobKey] = field(default_factory=dict)


def receive_event(*, document: Any, organization: Organization, actor: Actor) -> Receipt:
    """Stores and applies one event, outside any scope. Raises what `read_one` raises, `PlanLimitReached` and
    `PipelineNotAdmitted`; then nothing was written, but the pipeline is remembered as discovered."""
    received = read_one(0, document, Policy.of(organization, actor.api_key))
    applied = _take([received], organization, actor, all_or_nothing=True)
    for refusal in applied.refused:
        raise refusal.problem
    return Receipt([received], pipelines=applied.pipelines)


def receive_events(*, documents: Sequence[Any], organization: Organization, actor: Actor) -> Receipt:
    """Stores and applies what can be, outside any scope, in one transaction; answers what was refused and why."""
    received, refused = read_events(documents, Policy.of(organization, actor.api_key))
    try:
        applied = _take(received, organization, actor) if received else Applied()
    except (DataError, IntegrityError):
        applied = _take_each(received, organization, actor)
    gone = {refusal.index for refusal in applied.refused}
    return Receipt(
        [one for one in received if one.index not in gone],
        sorted([*refused, *applied.refused], key=lambda refusal: refusal.index),
        applied.pipelines,
    )


class _Undone(Exception):
    """Leaves the scope without its writes."""


def _take(
    received: Sequence[Received], organization: Organization, actor: Actor, *, all_or_nothing: bool = False
) -> Applied:
    now = timezone.now()
    if organization.status == OrganizationStatus.MOVING:
        _postpone(received, organization, actor, now)
        return Applied()
    try:
        applied = repeated(lambda: _apply(received, organization, actor, now, all_or_nothing=all_or_nothing))
    except DatabaseError as error:
        if sqlstate(error) not in POSTPONED:
            raise
        _postpone(received, organization, actor, now)
        return Applied()
    if applied.discovered:
        _remember(applied.discovered, organization)
    return applied


def _take_each(received: Sequence[Received], organization: Organization, actor: Actor) -> Applied:
    """One by one, because one of them holds what the database will not: it holds up no other."""
    total = Applied()
    for one in received:
        try:
            applied = _take([one], organization, actor)
        except (DataError, IntegrityError) as error:
            problem = problem_of_database(error)
            total.refused.append(Refusal(one.index, problem or ValidationFailed()))
            continue
        total.refused += applied.refused
        total.pipelines |= applied.pipelines
    return total


def _apply(
    received: Sequence[Received],
    organization: Organization,
    actor: Actor,
    now: datetime.datetime,
    *,
    all_or_nothing: bool,
) -> Applied:
    applied = Applied()
    try:
        with tenant_scope(organization):
            applied = apply_events(received, actor=actor)
            if all_or_nothing and applied.refused:
                raise _Undone
            refused = {refusal.index for refusal in applied.refused}
            taken = [one for one in received if one.index not in refused]
            inbox.store(taken, state=EventInbox.State.APPLIED, api_key_id=_key_id(actor), now=now, runs=applied.runs)
            note_leaks(taken, actor=actor)
    except _Undone:
        pass
    return applied


def _postpone(received: Sequence[Received], organization: Organization, actor: Actor, now: datetime.datetime) -> None:
    with tenant_scope(organization):
        inbox.store(received, state=EventInbox.State.PENDING, api_key_id=_key_id(actor), now=now)
        note_leaks(received, actor=actor)
        due.mark(due.APPLY_EVENTS)


def _remember(discovered: Mapping[JobKey, Sequence[datetime.datetime]], organization: Organization) -> None:
    def remember() -> None:
        with tenant_scope(organization):
            remember_discovered(discovered)

    repeated(remember)


def _key_id(actor: Actor) -> UUID | None:
    return actor.api_key.pk if actor.api_key else None
