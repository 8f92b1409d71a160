"""API keys that came along in an event: masked already, and audited, because whoever reads logs may have them."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from django.utils import timezone

from catalog.services.lineage_events.intake import Received
from orgs.actors import Actor
from orgs.audit import Action, record_all
from orgs.models import ApiKey, AuditEvent
from orgs.services.key_leaks import tell_leak

REPORTED_EVERY = datetime.timedelta(hours=1)


def note_leaks(received: Iterable[Received], *, actor: Actor) -> None:
    """Once an hour for each key of the organization; keys of others are masked and no more is said."""
    pointers = {
        finding.api_key_sha256: finding.pointer
        for one in received
        for finding in one.findings
        if finding.api_key_sha256
    }
    keys = list(ApiKey.objects.filter(digest__in=list(pointers))) if pointers else []
    if not keys:
        return
    since = timezone.now() - REPORTED_EVERY
    known = AuditEvent.objects.filter(action=Action.API_KEY_LEAKED.value, created_at__gte=since)
    reported = set(known.filter(target_id__in=[str(key.pk) for key in keys]).values_list("target_id", flat=True))
    leaked = {key: pointers[bytes(key.digest)][:500] for key in keys if str(key.pk) not in reported}
    if leaked:
        record_all(actor, [(Action.API_KEY_LEAKED, key, "", None, {"event_pointer": at}) for key, at in leaked.items()])
    for key, pointer in leaked.items():
        tell_leak(api_key=key, where=f"{pointer} of an OpenLineage event, where it was masked")
