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
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection
from django.utils import timezone

from dataxpipe import keyring
from dataxpipe.postgres.fields import first_uuid7
from orgs import audit_trail, due
from orgs.audit import person_digest, subject_digest
from orgs.models import AuditAnchor, AuditEvent, AuditSeal
from orgs.services.audit_entries import BATCH, MISSING, Entry, anchor_defect, sealed_entries
from orgs.tenancy import current_organization

# No transaction lives this long (statements end after minutes), so no older event can still appear unsealed.
LONGEST_TRANSACTION = datetime.timedelta(days=1)
ANCHORED_EVERY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ChainReport:
    """`head` is the last sequence, 0 without one; up to `anchored` it is signed.

    `bad_sequence` is the first entry that does not fit, and `reason` why.
    """

    head: int = 0
    anchored: int = 0
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
    if sealed:
        due.mark(due.ANCHOR_AUDIT, after=ANCHORED_EVERY)
    return sealed


def verify_chain() -> ChainReport:
    """Walks the bound organization's chain from its first seal, and its anchors beside it."""
    report = ChainReport(unsealed=AuditEvent.objects.filter(seal=None).count())
    anchors = {anchor.sequence: anchor for anchor in AuditAnchor.objects.all()}
    previous = link = audit_trail.NOTHING_BEFORE
    for expected, entry in enumerate(sealed_entries(), start=1):
        if entry.seal.sequence != expected:
            return replace(report, bad_sequence=expected, reason=MISSING)
        if reason := _defect(entry, previous):
            return replace(report, bad_sequence=expected, reason=reason)
        previous, link = bytes(entry.seal.mac), audit_trail.link(link, entry.as_dict())
        if expected in anchors:
            if reason := anchor_defect(anchors[expected], link):
                return replace(report, bad_sequence=report.anchored + 1, reason=reason)
            report = replace(report, anchored=expected)
        erased = report.erased_people + (entry.person is None)
        report = replace(report, head=expected, head_mac=previous.hex(), erased_people=erased)
    if anchors and max(anchors) > report.head:
        return replace(report, bad_sequence=report.head + 1, reason=MISSING)
    return report


def _append(head: AuditSeal | None, events: list[AuditEvent]) -> AuditSeal:
    """Seals these events behind the head; returns the new head."""
    sequence, previous = (head.sequence, bytes(head.mac)) if head else (0, audit_trail.NOTHING_BEFORE)
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


def _defect(entry: Entry, previous: bytes) -> str:
    seal, person, subject = entry.seal, entry.person, entry.subject
    try:
        expected = _mac(seal.event, seal.sequence, previous, seal.key_id)
    except keyring.UnknownMasterKey:
        return f"the master key {seal.key_id} is not listed any more"
    if not hmac.compare_digest(expected, bytes(seal.mac)):
        return "the entry or its place was changed"
    if person is not None and not hmac.compare_digest(person_digest(person), bytes(seal.event.person_digest)):
        return "the actor's label, address or agent was changed"
    if subject is not None and subject_digest(subject) != bytes(seal.event.subject_digest or b""):
        return "whom the entry is about was changed"
    return ""


def _mac(event: AuditEvent, sequence: int, previous: bytes, key_id: str) -> bytes:
    organization_id = event.organization_id
    key = keyring.derived_key(key_id, f"audit chain of organization {organization_id}")
    content: list[Any] = [
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
    if event.subject_digest is not None:
        content.append(bytes(event.subject_digest).hex())
    return hmac.new(key, json.dumps(content, sort_keys=True).encode(), hashlib.sha256).digest()
