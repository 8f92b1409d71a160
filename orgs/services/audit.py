"""The chain over an organization's memory: sealing it, and finding the first entry that is not what it was.

Each seal is an HMAC over the event, its place and the seal before, under a key derived for the organization:
an edited, deleted, swapped or copied entry no longer fits.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.db import connection
from django.utils import timezone

from dataxpipe import keyring
from dataxpipe.postgres.fields import first_uuid7
from orgs.audit import person_digest
from orgs.models import AuditEvent, AuditPerson, AuditSeal
from orgs.tenancy import current_organization

BATCH = 1_000
# No transaction lives this long (statements end after minutes), so no older event can still appear unsealed.
LONGEST_TRANSACTION = datetime.timedelta(days=1)
NOTHING_BEFORE = b"\0" * 32


@dataclass(frozen=True, slots=True)
class ChainReport:
    """`head` is the last sequence, 0 without one. `bad_sequence` is the first entry that does not fit, and why."""

    head: int = 0
    head_mac: str = ""
    unsealed: int = 0
    erased_people: int = 0
    bad_sequence: int | None = None
    reason: str = ""

    @property
    def is_intact(self) -> bool:
        return self.bad_sequence is None


def seal_pending() -> int:
    """Seals the bound organization's unsealed events in the order of their ids; returns how many."""
    _lock_chain()
    head = AuditSeal.objects.order_by("-sequence").first()
    since = first_uuid7(head.sealed_at - LONGEST_TRANSACTION) if head else uuid.UUID(int=0)
    sealed = 0
    while events := list(AuditEvent.objects.filter(seal=None, id__gt=since).order_by("id")[:BATCH]):
        head, since = _append(head, events), events[-1].pk
        sealed += len(events)
    return sealed


def verify_chain() -> ChainReport:
    """Walks the bound organization's chain from its first seal."""
    report = ChainReport(unsealed=AuditEvent.objects.filter(seal=None).count())
    previous = NOTHING_BEFORE
    for expected, (seal, person) in enumerate(_sealed_entries(), start=1):
        if seal.sequence != expected:
            return replace(report, bad_sequence=expected, reason="the entry is missing")
        if reason := _defect(seal, person, previous):
            return replace(report, bad_sequence=expected, reason=reason)
        previous = bytes(seal.mac)
        erased = report.erased_people + (person is None)
        report = replace(report, head=expected, head_mac=previous.hex(), erased_people=erased)
    return report


def _append(head: AuditSeal | None, events: list[AuditEvent]) -> AuditSeal:
    """Seals these events behind the head; returns the new head."""
    sequence, previous = (head.sequence, bytes(head.mac)) if head else (0, NOTHING_BEFORE)
    key_id, now, seals = keyring.active_key_id(), timezone.now(), []
    for event in events:
        sequence += 1
        previous = _mac(event, sequence, previous, key_id)
        seals.append(AuditSeal(sequence=sequence, event=event, mac=previous, key_id=key_id, sealed_at=now))
    AuditSeal.objects.bulk_create(seals)
    return seals[-1]


def _lock_chain() -> None:
    """Two workers must not both append; seals cannot be locked, because nobody may update them."""
    with connection.cursor() as cursor:
        name = f"dataxpipe audit {current_organization().pk}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def _sealed_entries() -> Iterator[tuple[AuditSeal, AuditPerson | None]]:
    after = 0
    while seals := list(
        AuditSeal.objects.filter(sequence__gt=after).select_related("event").order_by("sequence")[:BATCH]
    ):
        people = {
            person.event_id: person
            for person in AuditPerson.objects.filter(event_id__in=[seal.event_id for seal in seals])
        }
        for seal in seals:
            yield seal, people.get(seal.event_id)
        after = seals[-1].sequence


def _defect(seal: AuditSeal, person: AuditPerson | None, previous: bytes) -> str:
    try:
        expected = _mac(seal.event, seal.sequence, previous, seal.key_id)
    except keyring.UnknownMasterKey:
        return f"the master key {seal.key_id} is not listed any more"
    if not hmac.compare_digest(expected, bytes(seal.mac)):
        return "the entry or its place was changed"
    if person is not None and not hmac.compare_digest(person_digest(person), bytes(seal.event.person_digest)):
        return "the actor's label, address or agent was changed"
    return ""


def _mac(event: AuditEvent, sequence: int, previous: bytes, key_id: str) -> bytes:
    organization_id = event.organization_id
    key = keyring.derived_key(key_id, f"audit chain of organization {organization_id}")
    content = [
        organization_id,
        sequence,
        previous.hex(),
        str(event.pk),
        event.created_at.astimezone(datetime.UTC).isoformat(),
        event.action,
        event.actor_kind,
        event.actor_id,
        event.target_kind,
        event.target_id,
        event.target_label,
        event.before,
        event.after,
        event.request_id,
        bytes(event.person_digest).hex(),
    ]
    return hmac.new(key, json.dumps(content, sort_keys=True).encode(), hashlib.sha256).digest()
