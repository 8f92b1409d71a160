"""Probes: `/healthz` says that the process lives, `/readyz` that requests may come and that every wall stands."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from typing import Any

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from dataxpipe.postgres import gate
from dataxpipe.problems import Problem

KEPT_SECONDS = 5.0


class NotReady(Problem):
    status = 503
    slug = "not-ready"
    title = "This process should not get requests"
    about = (
        "The database does not answer, lacks migrations, or a wall between tenants is missing. `defects` lists each."
    )


class _Findings:
    """What the last look found. Probes come often and from anywhere, so one look serves all for a few seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: list[str] = []
        self._until = 0.0

    def defects(self, control_tables: Collection[str]) -> list[str]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._found = _look(control_tables)
                self._until = time.monotonic() + KEPT_SECONDS
            return self._found

    def forget(self) -> None:
        self._until = 0.0


findings = _Findings()


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Asks nothing of the database: a restart of the process would not mend it."""
    return HttpResponse("alive\n", content_type="text/plain; charset=utf-8")


@require_safe
def readyz(request: HttpRequest, control_tables: Collection[str]) -> HttpResponse:
    defects = findings.defects(control_tables)
    if not defects:
        response: HttpResponse = HttpResponse("ready\n", content_type="text/plain; charset=utf-8")
    else:
        problem = NotReady(f"{len(defects)} defects, the first: {defects[0]}.", defects=defects)
        response = JsonResponse(problem.as_dict(), status=problem.status, content_type="application/problem+json")
        response["Retry-After"] = "5"
    response["Cache-Control"] = "no-store"
    return response


def _look(control_tables: Collection[str]) -> list[str]:
    try:
        return [*_missing_migrations(), *gate.violations(connection, control_tables=control_tables)]
    except Error:
        return ["the database does not answer"]


def _missing_migrations() -> list[str]:
    executor = MigrationExecutor(connection)
    plan: list[Any] = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"migration {migration.app_label}.{migration.name} is not applied" for migration, _ in plan]
