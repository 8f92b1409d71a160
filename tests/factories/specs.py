"""Specs and connections that fit together, as CI would send them."""

from __future__ import annotations

import copy
from typing import Any

from orgs.models import Organization
from tests.factories import ConnectionFactory

SPEC = {
    "version": "1.0.0",
    "pipeline": {
        "name": "orders_sync",
        "description": "Sync orders",
        "owner": "commerce-data@example.com",
        "environment": "production",
        "schedule": "0 6 * * *",
        "timezone": "Europe/Vienna",
        "tags": ["ecommerce", "pii"],
    },
    "sources": [
        {
            "id": "raw_orders",
            "type": "postgres",
            "connection_ref": "pg-raw",
            "object": "ecommerce.orders",
            "columns": [{"name": "order_id", "type": "bigint"}, {"name": "email", "type": "text", "tags": ["pii"]}],
        }
    ],
    "transforms": [
        {
            "id": "orders_clean",
            "type": "sql",
            "code_ref": "transforms/orders_clean.sql",
            "inputs": ["raw_orders"],
            "outputs": ["clean_orders"],
            "column_lineage": [{"to": "order_id", "from": ["raw_orders.order_id"]}],
        }
    ],
    "targets": [
        {
            "id": "clean_orders",
            "type": "bigquery",
            "connection_ref": "bq-analytics",
            "object": "analytics.orders_clean",
            "write_mode": "merge",
            "primary_key": ["order_id"],
            "columns": [{"name": "order_id", "type": "INT64"}],
        }
    ],
    "checks": [
        {"id": "order_id_not_null", "dataset": "clean_orders", "sql": "checks/order_id_not_null.sql"},
    ],
}


def pipeline_spec(**changes: Any) -> dict[str, Any]:
    """The example of the documentation; keys of `pipeline` replace those there, others those at the top."""
    spec = copy.deepcopy(SPEC)
    for key, value in changes.items():
        place: Any = spec["pipeline"] if key in spec["pipeline"] or key == "namespace" else spec
        place[key] = value
    return spec


def small_spec(name: str = "small", **changes: Any) -> dict[str, Any]:
    """A spec without datasets, which needs no connections."""
    facts = {"description": "Small", "owner": "ops", "environment": "production", "schedule": None}
    return {"pipeline": {"name": name, **facts, **changes}}


def connections_of_spec(organization: Organization) -> None:
    """The connections that `pipeline_spec()` refers to."""
    config = {"host": "pg.example.com", "port": 5432, "database": "shop", "user": "reader"}
    ConnectionFactory(organization=organization, slug="pg-raw", type="postgres", config=config)
    ConnectionFactory(organization=organization, slug="bq-analytics", type="bigquery", config={"project": "acme"})
