"""The sealed entries of the bound organization as the chain, the anchors and the export read them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dataxpipe import keyring
from orgs import audit_trail
from orgs.models import AuditAnchor, AuditPerson, AuditSeal, AuditSubject

BATCH = 1_000
MISSING = "the entry is missing"


@dataclass(frozen=True, slots=True)
class Entry:
    """A seal with its event; the personal parts are None where they were erased, or never were."""

    seal: AuditSeal
    person: AuditPerson | None
    subject: AuditSubject | None

    def as_dict(self) -> dict[str, Any]:
        """What `audit_trail.link` is made of."""
        event = self.seal.event
        return {
            "sequence": self.seal.sequence,
            "id": str(event.pk),
            "created_at": rfc3339(event.created_at),
            "action": event.action,
            "actor": {"kind": event.actor_kind, "id": event.actor_id},
            "target": {"kind": event.target_kind, "id": event.target_id, "label": event.target_label},
            "before": event.before,
            "after": event.after,
            "request_id": event.request_id,
            "person_digest": bytes(event.person_digest).hex(),
            "subject_digest": bytes(event.subject_digest).hex() if event.subject_digest is not None else None,
        }

    def personal(self) -> dict[str, Any]:
        person, subject = self.person, self.subject
        return {
            "person": person
            and {
                "label": person.label,
                "ip_address": person.ip_address,
                "user_agent": person.user_agent,
                "salt": bytes(person.salt).hex(),
            },
            "subject": subject
            and {
                "person_id": subject.person_id,
                "label": subject.label,
                "details": subject.details,
                "salt": bytes(subject.salt).hex(),
            },
        }


def sealed_entries(*, after: int = 0) -> Iterator[Entry]:
    """In the order of the chain, behind the sequence `after`, a batch of statements at a time."""
    while batch := entries_behind(after):
        yield from batch
        after = batch[-1].seal.sequence


def entries_behind(after: int) -> list[Entry]:
    """The next `BATCH` entries."""
    seals = AuditSeal.objects.filter(sequence__gt=after).select_related("event").order_by("sequence")[:BATCH]
    events = [seal.event_id for seal in seals]
    people = {person.event_id: person for person in AuditPerson.objects.filter(event_id__in=events)}
    subjects = {subject.event_id: subject for subject in AuditSubject.objects.filter(event_id__in=events)}
    return [Entry(seal, people.get(seal.event_id), subjects.get(seal.event_id)) for seal in seals]


def anchor_as_dict(anchor: AuditAnchor) -> dict[str, Any]:
    return {
        "organization": str(anchor.organization_id),
        "sequence": anchor.sequence,
        "link": bytes(anchor.link).hex(),
        "anchored_at": rfc3339(anchor.anchored_at),
        "key_id": anchor.key_id,
        "signature": audit_trail.encoded(bytes(anchor.signature)),
    }


def anchor_defect(anchor: AuditAnchor, link: bytes) -> str:
    """Why an anchor of our own does not fit the link at its place; empty if it does."""
    try:
        key = signing_key(anchor.key_id).public_key()
        key.verify(bytes(anchor.signature), audit_trail.signed_part(anchor_as_dict(anchor)))
    except keyring.UnknownMasterKey:
        return f"the master key {anchor.key_id} is not listed any more"
    except InvalidSignature:
        return "an anchor's signature is not valid"
    return "" if bytes(anchor.link) == link else f"an entry up to {anchor.sequence} is not what was anchored"


def signing_key(key_id: str) -> Ed25519PrivateKey:
    """Derived like every key, so that there is one secret less to keep; raises `UnknownMasterKey`."""
    return Ed25519PrivateKey.from_private_bytes(keyring.derived_key(key_id, "audit anchors"))


def rfc3339(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")
