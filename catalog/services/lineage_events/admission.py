"""Which new pipelines come in: as many as the plan has room for, unless the organization admits none unasked."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from catalog.models import DiscoveredPipeline, Pipeline, identity_of
from catalog.openlineage.names import JobKey
from catalog.services.discovered import FORGET_DISCOVERED, LOOK_AGAIN_AFTER
from catalog.services.statements import insert_rows
from dataxpipe.postgres.fields import uuid7
from dataxpipe.problems import Forbidden, PlanLimitReached, Problem
from orgs import due
from orgs.plans import limit_of, require_room
from orgs.tenancy import current_organization

_DISCOVERED = {
    "id": "uuid",
    "namespace": "varchar",
    "name": "varchar",
    "identity": "bytea",
    "first_seen_at": "timestamptz",
    "last_seen_at": "timestamptz",
    "event_count": "bigint",
}
_COUNTED_ON = """(organization_id, identity) DO UPDATE SET
    event_count = catalog_discoveredpipeline.event_count + excluded.event_count,
    first_seen_at = least(catalog_discoveredpipeline.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(catalog_discoveredpipeline.last_seen_at, excluded.last_seen_at)
"""


class PipelineNotAdmitted(Forbidden):
    slug = "pipeline-not-admitted"
    title = "The pipeline is not admitted"
    about = (
        "The organization takes events of registered pipelines only (`ingest_admission`), or somebody ignored this "
        "one. It is remembered under *discovered*, where it can be admitted."
    )


def refused_pipelines(new: Sequence[JobKey], *, freed: int = 0) -> dict[JobKey, Problem]:
    """Of pipelines that would come to be, those that may not, and why; the first named come in first.

    Locks the organization's row where its plan has a limit. `freed`: how many observed pipelines disappear for them.
    """
    if not new:
        return {}
    if current_organization().settings.get("ingest_admission") == "registered":
        return {key: PipelineNotAdmitted(f"{key.name} is not registered.") for key in new}
    ignored = _ignored(new)
    refused: dict[JobKey, Problem] = {
        key: PipelineNotAdmitted(f"{key.name} was set to be ignored.") for key in new if key in ignored
    }
    if limit_of(current_organization(), "pipelines") is None:
        return refused  # without a limit nothing is counted, and nobody waits for another's batch
    wanted = [key for key in new if key not in ignored]
    try:
        require_room("pipelines", adding=max(0, len(wanted) - freed))
    except PlanLimitReached as problem:
        room = max(0, problem.extensions["limit"] - problem.extensions["used"]) + freed
        refused |= dict.fromkeys(wanted[room:], problem)
    return refused


def remember_discovered(seen: Mapping[JobKey, Sequence[datetime.datetime]]) -> None:
    """Counts the events of pipelines that were not let in; to be called in a scope of its own."""
    identities = [identity_of(key.namespace, key.name) for key in seen]
    # Somebody may have let them in since their events were refused.
    come_in = set(
        map(bytes, Pipeline.objects.existing().filter(identity__in=identities).values_list("identity", flat=True))
    )
    rows = [
        (uuid7(), key.namespace, key.name, identity_of(key.namespace, key.name), min(times), max(times), len(times))
        for key, times in seen.items()
        if identity_of(key.namespace, key.name) not in come_in
    ]
    rows.sort(key=lambda row: row[3])
    insert_rows("catalog_discoveredpipeline", _DISCOVERED, rows, conflict=_COUNTED_ON)
    due.mark(FORGET_DISCOVERED, after=LOOK_AGAIN_AFTER)


def _ignored(keys: Sequence[JobKey]) -> set[JobKey]:
    identities = {identity_of(key.namespace, key.name): key for key in keys}
    found = DiscoveredPipeline.objects.filter(identity__in=list(identities)).exclude(ignored_at=None)
    return {identities[bytes(identity)] for identity in found.values_list("identity", flat=True)}
