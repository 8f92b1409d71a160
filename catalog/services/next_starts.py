"""When pipelines start next: asked before a key is rotated, because what starts late still sends the old one."""

from __future__ import annotations

import datetime
from collections.abc import Collection

from catalog.models import Pipeline, identity_of
from orgs.services.key_callers import NextStart


def next_starts(pipelines: Collection[tuple[str, str]], after: datetime.datetime) -> list[NextStart]:
    """Of these `(namespace, name)` pipelines the active ones that are expected only after this instant."""
    identities = {identity_of(namespace, name) for namespace, name in pipelines}
    late = Pipeline.objects.active().filter(identity__in=identities, next_expected_at__gt=after)
    return [
        NextStart(pipeline.name, pipeline.get_absolute_url(), pipeline.next_expected_at)
        for pipeline in late.order_by("next_expected_at")[:50]
        if pipeline.next_expected_at is not None
    ]
