"""Connections: where pipelines read from and write to. Changed through the API."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db.models import F, Func, TextField, Value
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from catalog.models import Connection, ConnectionSecret, Pipeline
from catalog.views.addresses import page_of
from orgs.permissions import Role, requires
from orgs.requests import OrganizationRequest

SHOWN = ("host", "port", "database", "account", "project", "dataset", "bucket", "bootstrap_servers", "base_url", "path")


@requires(Role.VIEWER)
@require_GET
def connections(request: OrganizationRequest) -> HttpResponse:
    page = page_of(request, Connection.objects.all(), ["slug", "id"])
    secrets = Counter(ConnectionSecret.objects.filter(connection__in=page.rows).values_list("connection_id", flat=True))
    users = used_by()
    rows = [
        {
            "connection": row,
            "place": place_of(row),
            "secret_count": secrets[row.pk],
            "pipeline_count": users[row.slug],
        }
        for row in page.rows
    ]
    return render(request, "catalog/connection_list.html", {"nav": "connections", "page": page, "rows": rows})


def place_of(connection: Connection) -> str:
    """Where it leads, of what is no secret."""
    parts = [connection.config.get(name) for name in SHOWN]
    return " · ".join(str(part) for part in parts if isinstance(part, str | int))


def used_by() -> Counter[str]:
    """How many active pipelines refer to each connection in their current spec."""
    reference: Any = Func(
        F("current_version__spec"),
        Value("$.*[*].connection_ref"),
        template="%(function)s(%(expressions)s) #>> '{}'",
        function="jsonb_path_query",
        output_field=TextField(),
    )
    pairs = Pipeline.objects.active().annotate(reference=reference).values_list("id", "reference").distinct()
    return Counter(reference for _, reference in pairs)
