"""The whole audit trail as lines of JSON, in the shape that `dataxpipe audit verify` checks offline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from orgs import audit, audit_trail
from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import AuditAnchor, Organization
from orgs.services.audit import seal_pending
from orgs.services.audit_anchors import anchor_chain
from orgs.services.audit_entries import anchor_as_dict, entries_behind, rfc3339
from orgs.tenancy import current_organization, scoped_stream


@dataclass(frozen=True, slots=True)
class _Position:
    after: int
    link: bytes


def export_audit(*, actor: Actor) -> Iterator[bytes]:
    """Chunks of lines, to be read after the scope: a head, entries and anchors in order, and an end.

    The trail is sealed and anchored first, so that all of it can be checked, and that somebody took it is in it.
    """
    organization = current_organization()
    audit.record(Action.AUDIT_EXPORTED, actor, target=organization)
    seal_pending()
    anchor_chain()
    return scoped_stream(organization, lambda position: _page(organization, position))


def _page(organization: Organization, position: _Position | None) -> tuple[bytes, _Position | None]:
    lines: list[dict[str, Any]] = []
    if position is None:
        position = _Position(0, audit_trail.NOTHING_BEFORE)
        head = {"organization": str(organization.pk), "slug": organization.slug}
        lines.append({"type": "export", **head, "exported_at": rfc3339(timezone.now())})
    entries = entries_behind(position.after)
    if not entries:
        return _written([*lines, {"type": "end", "head": position.after}]), None
    last, link = entries[-1].seal.sequence, position.link
    within = AuditAnchor.objects.filter(sequence__gt=position.after, sequence__lte=last)
    anchors = {anchor.sequence: anchor for anchor in within}
    for entry in entries:
        link = audit_trail.link(link, entry.as_dict())
        lines.append({"type": "entry", **entry.as_dict(), **entry.personal(), "link": link.hex()})
        if anchor := anchors.get(entry.seal.sequence):
            lines.append({"type": "anchor", **anchor_as_dict(anchor)})
    return _written(lines), _Position(last, link)


def _written(lines: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
