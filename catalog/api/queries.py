"""The resource that a path or a parameter names."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request

from catalog.models import Pipeline
from dataxpipe.parameters import Query
from dataxpipe.problems import NotFound


def called_pipeline(request: Request, reference: str) -> Pipeline:
    """The pipeline a path names: by id, or by name in `?namespace=`. Somebody else's is as unknown as none."""
    return find_pipeline(reference, request.query_params.get("namespace", "default"))


def of_pipelines(request: Request, query: Query, rows: Any) -> Any:
    """Those of the pipeline or the namespace that a list is asked for."""
    if reference := query.text("pipeline"):
        return rows.filter(pipeline=called_pipeline(request, reference))
    if namespace := query.text("namespace"):
        return rows.filter(pipeline__namespace=namespace)
    return rows


def find_pipeline(reference: str, namespace: str = "default") -> Pipeline:
    found: Any = Pipeline.objects.called(reference, namespace).select_related("current_version").first()
    if found is None:
        raise NotFound("There is no such pipeline.")
    return found  # type: ignore[no-any-return]
