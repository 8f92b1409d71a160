"""What becomes of pipelines that events named and that were not let in: somebody admits them, or has them ignored."""

from __future__ import annotations

import datetime

from django.utils import timezone

from catalog.models import DiscoveredPipeline, Pipeline
from catalog.services.key_namespaces import require_namespaces
from dataxpipe.problems import NotFound, PlanLimitReached
from orgs import due
from orgs.actors import Actor
from orgs.audit import Action, record
from orgs.plans import require_room

FORGET_DISCOVERED = "forget_discovered"
KEPT_FOR = datetime.timedelta(days=90)
# A client that makes up names must not fill the disk with them.
KEPT_COUNT = 10_000
LOOK_AGAIN_AFTER = datetime.timedelta(days=1)


def admit_pipeline(*, discovered: DiscoveredPipeline, actor: Actor) -> tuple[Pipeline, bool]:
    """Makes the pipeline, which takes its place in the plan at once: `(pipeline, is_new)`. Its earlier events were
    refused and are gone; it has runs and lineage from its next event on. Raises `PlanLimitReached`."""
    require_namespaces(actor, [discovered.namespace])
    pipeline, is_new = _make(discovered)
    DiscoveredPipeline.objects.filter(pk=discovered.pk).delete()
    if is_new:
        before = {"event_count": discovered.event_count, "is_ignored": discovered.ignored_at is not None}
        after = {"namespace": pipeline.namespace, "name": pipeline.name}
        record(Action.PIPELINE_ADMITTED, actor, target=pipeline, before=before, after=after)
    return pipeline, is_new


def ignore_pipeline(*, discovered: DiscoveredPipeline, actor: Actor) -> DiscoveredPipeline:
    """Its events are refused from now on, also when there is room."""
    return _decide(discovered, actor, is_ignored=True)


def heed_pipeline(*, discovered: DiscoveredPipeline, actor: Actor) -> DiscoveredPipeline:
    """Takes the ignoring back: with its next event it comes in if there is room."""
    return _decide(discovered, actor, is_ignored=False)


def forget_discovered() -> None:
    """The worker's handler: names of which nothing was heard for 90 days, and the oldest of too many. What somebody
    set to be ignored is remembered, because it is ignored only as long as it is."""
    waiting = DiscoveredPipeline.objects.waiting()
    waiting.filter(last_seen_at__lt=timezone.now() - KEPT_FOR)._raw_delete(waiting.db)
    newest_first = waiting.order_by("-last_seen_at", "-id")
    surplus = list(newest_first.values_list("id", flat=True)[KEPT_COUNT : 2 * KEPT_COUNT])
    DiscoveredPipeline.objects.filter(id__in=surplus)._raw_delete(waiting.db)
    if waiting.exists():
        due.mark(FORGET_DISCOVERED, after=LOOK_AGAIN_AFTER)


def _make(discovered: DiscoveredPipeline) -> tuple[Pipeline, bool]:
    called = Pipeline.objects.named(discovered.name, discovered.namespace)
    if (known := called.first()) is not None:
        return known, False
    try:
        require_room("pipelines")
    except PlanLimitReached:
        # While this one waited for the organization's row, an event or somebody else may have made it.
        if (known := called.all().first()) is None:
            raise
        return known, False
    new = Pipeline(namespace=discovered.namespace, name=discovered.name, origin=Pipeline.Origin.OPENLINEAGE)
    new.derive()
    Pipeline.objects.bulk_create([new], ignore_conflicts=True)
    stored = called.get()
    return stored, stored.pk == new.pk


def _decide(discovered: DiscoveredPipeline, actor: Actor, *, is_ignored: bool) -> DiscoveredPipeline:
    require_namespaces(actor, [discovered.namespace])
    row: DiscoveredPipeline | None = (
        DiscoveredPipeline.objects.select_for_update(no_key=True).filter(pk=discovered.pk).first()
    )
    if row is None:
        raise NotFound("There is no such discovered pipeline: it came in meanwhile.")
    if (row.ignored_at is not None) != is_ignored:
        row.ignored_at = timezone.now() if is_ignored else None
        row.save(update_fields=["ignored_at"])
        record(Action.PIPELINE_IGNORED if is_ignored else Action.PIPELINE_HEEDED, actor, target=row)
    return row
