"""What current specs declare, written again: a connection has moved, or an archived pipeline has come back."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from catalog.services.declarations import Declaration, write_lineage
from catalog.services.registration import load_connections, name_datasets
from catalog.spec.datasets import NamingError
from catalog.spec.parse import parse_spec
from catalog.spec.validate import connection_refs
from dataxpipe.problems import Conflict


def redeclare_lineage(pipelines: Any) -> None:
    """Moves the declared links of a queryset of pipelines to the datasets their specs mean now.

    Raises `Conflict` when one of the specs would no longer say which dataset it means.
    """
    with_specs = pipelines.active().exclude(current_version=None).select_related("current_version")
    locked = with_specs.order_by("identity").select_for_update(no_key=True, of=("self",))
    specs = [(pipeline, parse_spec(pipeline.current_version.spec)) for pipeline in locked]
    refs = {ref for _, spec in specs for ref in connection_refs(spec.as_document())}
    connections = load_connections(refs, lock=True)
    declarations = []
    for pipeline, spec in specs:
        try:
            datasets, _ = name_datasets(spec, connections)
        except NamingError as error:
            raise Conflict(f"The spec of {pipeline.name} would no longer name its datasets: {error}") from None
        declarations.append(Declaration.of(pipeline, spec, datasets, is_new=False))
    write_lineage(declarations, timezone.now())
