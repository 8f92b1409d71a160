"""The one member each known facet cannot do without: a broken facet is noticed without reading all of it."""

from __future__ import annotations

from typing import Any

ANY_MEMBERS = None

# facet name → (member, JSON type); the schemas are those of https://openlineage.io/spec/facets/
SHAPES: dict[str, tuple[str, type] | None] = {
    "parent": ("run", dict),
    "nominalTime": ("nominalStartTime", str),
    "errorMessage": ("message", str),
    "externalQuery": ("externalQueryId", str),
    "processing_engine": ("version", str),
    "jobType": ("integration", str),
    "ownership": ("owners", list),
    "documentation": ("description", str),
    "sourceCode": ("sourceCode", str),
    "sourceCodeLocation": ("url", str),
    "sql": ("query", str),
    "tags": ("tags", list),
    "jobDependencies": ANY_MEMBERS,
    "airflow": ANY_MEMBERS,
    "airflowDagRun": ("dagRun", dict),
    "airflowState": ("dagRunState", str),
    "dbt_run": ("invocation_id", str),
    "dbt_node": ANY_MEMBERS,
    "test": ("tests", list),
    "schema": ("fields", list),
    "dataSource": ANY_MEMBERS,
    "columnLineage": ("fields", dict),
    "symlinks": ("identifiers", list),
    "lifecycleStateChange": ("lifecycleStateChange", str),
    "datasetVersion": ("datasetVersion", str),
    "storage": ("storageLayer", str),
    "dataQualityMetrics": ("columnMetrics", dict),
    "dataQualityAssertions": ("assertions", list),
    "inputStatistics": ANY_MEMBERS,
    "outputStatistics": ANY_MEMBERS,
}

# the 1-0 line still writes these
OLD_NAMES = {"parentRun": "parent", "dataQuality": "dataQualityMetrics"}


def is_deleted(facet: Any) -> bool:
    """`_deleted: true` takes the facet away from what earlier events said."""
    return isinstance(facet, dict) and facet.get("_deleted") is True


def is_readable(name: str, facet: Any) -> bool:
    """False for a known facet without its necessary member; a facet nobody knows is always readable."""
    if not isinstance(facet, dict):
        return False
    shape = SHAPES.get(OLD_NAMES.get(name, name))
    return shape is None or isinstance(facet.get(shape[0]), shape[1])


def members(name: str, facet: Any) -> dict[str, Any] | None:
    """The facet as an object when it can be read and was not deleted."""
    return facet if is_readable(name, facet) and not is_deleted(facet) else None
