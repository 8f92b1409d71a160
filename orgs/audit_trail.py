"""The public side of the audit: entries, links and anchors, checked by anybody who holds the public key.

Pure functions over the lines of an export, without database and secrets. A *link* is the SHA-256 over the link
before and the entry; an *anchor* is an Ed25519 signature (RFC 8032) over the link at a sequence, made once a day.
Personal fields stand beside the entries, which hold only their salted hash, so that they can be erased.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

NOTHING_BEFORE = b"\0" * 32
ENTRY_FIELDS = (
    "sequence",
    "id",
    "created_at",
    "action",
    "actor",
    "target",
    "before",
    "after",
    "request_id",
    "person_digest",
    "subject_digest",
)
ANCHOR_FIELDS = ("organization", "sequence", "link", "anchored_at", "key_id")
PERSON_FIELDS = ("label", "ip_address", "user_agent")


class TrailUnreadable(ValueError):
    """The text is no export of an audit trail, or not a whole line of one."""


@dataclass(frozen=True, slots=True)
class TrailReport:
    """`head` entries fit; up to `anchored` they are what the signer saw. `bad_sequence` is the first that is not."""

    organization: str = ""
    head: int = 0
    anchored: int = 0
    anchor_count: int = 0
    erased_people: int = 0
    is_complete: bool = False
    bad_sequence: int | None = None
    reason: str = ""

    @property
    def is_intact(self) -> bool:
        return self.bad_sequence is None


def link(previous: bytes, entry: Mapping[str, Any]) -> bytes:
    """32 bytes over the entry and everything before it."""
    return hashlib.sha256(previous + canonical({name: entry[name] for name in ENTRY_FIELDS})).digest()


def signed_part(anchor: Mapping[str, Any]) -> bytes:
    return canonical({name: anchor[name] for name in ANCHOR_FIELDS})


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and nothing between them, in UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def person_digest(salt: bytes, *, label: str, ip_address: str | None, user_agent: str) -> bytes:
    """The salted hash of who acted, from where, with what."""
    fields = "\0".join([label, ip_address or "", user_agent])
    return hmac.new(salt, fields.encode(), hashlib.sha256).digest()


def subject_digest(salt: bytes, *, person_id: str, label: str, details: Any) -> bytes:
    """The salted hash of whom an entry is about."""
    return hmac.new(salt, canonical([person_id, label, details]), hashlib.sha256).digest()


def public_keys(text: str) -> dict[str, Ed25519PublicKey]:
    """Key id → key, from the JSON Web Key Set (RFC 8037) under `/.well-known/`; raises `TrailUnreadable`."""
    try:
        keys = [(key["kid"], decoded(key["x"])) for key in json.loads(text)["keys"] if key.get("crv") == "Ed25519"]
        return {key_id: Ed25519PublicKey.from_public_bytes(raw) for key_id, raw in keys}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrailUnreadable("This is no set of public keys. Get it from /.well-known/audit-keys.json.") from error


def verify_trail(lines: Iterable[str], keys: Mapping[str, Ed25519PublicKey]) -> TrailReport:
    """Reads an export from its first line to its last and stops at the first entry that does not fit.

    Raises `TrailUnreadable` for text that is no export.
    """
    numbered = ((number, _read(line, number)) for number, line in enumerate(lines, start=1) if line.strip())
    _, first = next(numbered, (0, {}))
    if first.get("type") != "export" or "organization" not in first:
        raise TrailUnreadable("The first line does not say that this is an export of an audit trail.")
    report, previous = TrailReport(organization=str(first["organization"])), NOTHING_BEFORE
    for number, line in numbered:
        try:
            report, previous = _follow(report, previous, line, keys)
        except (KeyError, TypeError, AttributeError, binascii.Error) as error:
            raise TrailUnreadable(f"Line {number} lacks what belongs to it.") from error
        if not report.is_intact or report.is_complete:
            return report
    return replace(report, bad_sequence=report.head + 1, reason="the export ends before its last line")


def _follow(
    report: TrailReport, previous: bytes, line: dict[str, Any], keys: Mapping[str, Ed25519PublicKey]
) -> tuple[TrailReport, bytes]:
    match line.get("type"):
        case "entry":
            reason = _defect(report, previous, line)
            if reason:
                return replace(report, bad_sequence=report.head + 1, reason=reason), previous
            erased = report.erased_people + (line["person"] is None)
            return replace(report, head=report.head + 1, erased_people=erased), bytes.fromhex(line["link"])
        case "anchor":
            return _anchored(report, previous, line, keys), previous
        case "end" if line["head"] == report.head:
            return replace(report, is_complete=True), previous
        case "end":
            return replace(report, bad_sequence=report.head + 1, reason="the entry is missing"), previous
    raise TrailUnreadable(f"A line of type {line.get('type')!r} is not known.")


def _defect(report: TrailReport, previous: bytes, entry: dict[str, Any]) -> str:
    if entry["sequence"] != report.head + 1:
        return "the entry is missing"
    if link(previous, entry).hex() != entry["link"]:
        return "the entry or its place was changed"
    person, subject = entry["person"], entry["subject"]
    if person is not None:
        fields = {name: person[name] for name in PERSON_FIELDS}
        if person_digest(bytes.fromhex(person["salt"]), **fields).hex() != entry["person_digest"]:
            return "the actor's label, address or agent was changed"
    if subject is not None:
        fields = {name: subject[name] for name in ("person_id", "label", "details")}
        if subject_digest(bytes.fromhex(subject["salt"]), **fields).hex() != entry["subject_digest"]:
            return "whom the entry is about was changed"
    return ""


def _anchored(
    report: TrailReport, previous: bytes, anchor: dict[str, Any], keys: Mapping[str, Ed25519PublicKey]
) -> TrailReport:
    """An anchor that does not fit speaks against everything since the last one that does."""
    if reason := anchor_defect(report, previous, anchor, keys):
        return replace(report, bad_sequence=report.anchored + 1, reason=reason)
    return replace(report, anchored=report.head, anchor_count=report.anchor_count + 1)


def anchor_defect(
    report: TrailReport, previous: bytes, anchor: Mapping[str, Any], keys: Mapping[str, Ed25519PublicKey]
) -> str:
    if str(anchor["organization"]) != report.organization or anchor["sequence"] != report.head:
        return "an anchor belongs to another place"
    if anchor["key_id"] not in keys:
        return f"the public key {anchor['key_id']} is not among those given"
    try:
        keys[anchor["key_id"]].verify(decoded(anchor["signature"]), signed_part(anchor))
    except InvalidSignature:
        return "an anchor's signature is not valid"
    if anchor["link"] != previous.hex():
        return f"an entry up to {report.head} is not what was anchored"
    return ""


def encoded(raw: bytes) -> str:
    """base64url without padding, as in RFC 7515."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _read(line: str, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise TrailUnreadable(f"Line {number} is not JSON.") from error
    if not isinstance(value, dict):
        raise TrailUnreadable(f"Line {number} is not a JSON object.")
    return value
