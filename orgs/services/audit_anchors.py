"""Daily anchors: what the chain is up to now, signed, so that it can be checked without our secrets."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.utils import timezone

from dataxpipe import keyring
from orgs import audit_trail
from orgs.models import AuditAnchor
from orgs.services.audit_entries import anchor_as_dict, sealed_entries, signing_key
from orgs.tenancy import current_organization


def anchor_chain() -> AuditAnchor | None:
    """Anchors the bound organization's chain at its head; None if nothing was sealed since the last anchor."""
    last = AuditAnchor.objects.order_by("-sequence").first()
    before, link = (last.sequence, bytes(last.link)) if last else (0, audit_trail.NOTHING_BEFORE)
    sequence = before
    for entry in sealed_entries(after=before):
        sequence, link = entry.seal.sequence, audit_trail.link(link, entry.as_dict())
    if sequence == before:
        return None
    key_id, now = keyring.active_key_id(), timezone.now()
    anchor = AuditAnchor(
        organization_id=current_organization().pk, sequence=sequence, link=link, anchored_at=now, key_id=key_id
    )
    anchor.signature = signing_key(key_id).sign(audit_trail.signed_part(anchor_as_dict(anchor)))
    anchor.save(force_insert=True)
    return anchor


def public_key_set() -> dict[str, Any]:
    """The public halves of the signing keys of every listed master key, as a JSON Web Key Set (RFC 8037)."""
    return {"keys": [_public_key(key_id) for key_id in settings.ENCRYPTION_KEYS]}


def _public_key(key_id: str) -> dict[str, str]:
    raw = signing_key(key_id).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = audit_trail.encoded(raw)
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key_id, "x": x}
