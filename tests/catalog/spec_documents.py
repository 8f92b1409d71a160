"""Spec documents for tests: the example of the documentation, and a way to change it in one place."""

import copy
from typing import Any

ORDERS: dict[str, Any] = {
    "version": "1.4.0",
    "pipeline": {
        "name": "orders_sync",
        "description": "Sync orders",
        "owner": "team@example.com",
        "environment": "production",
        "schedule": "0 6 * * *",
        "timezone": "Europe/Vienna",
        "tags": ["ecommerce", "pii"],
        "namespace": "default",
    },
    "sources": [
        {
            "id": "raw_orders",
            "type": "postgres",
            "connection_ref": "pg-raw",
            "object": "ecommerce.orders",
            "load_mode": "incremental",
            "watermark_column": "updated_at",
        }
    ],
    "transforms": [
        {
            "id": "orders_clean",
            "type": "sql",
            "code_ref": "transforms/orders_clean.sql",
            "inputs": ["raw_orders"],
            "outputs": ["clean_orders"],
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
        }
    ],
    "checks": [
        {
            "id": "order_id_not_null",
            "dataset": "clean_orders",
            "sql": "checks/order_id_not_null.sql",
            "severity": "error",
        }
    ],
    "slo": {"freshness_minutes": 90, "success_rate": 0.99},
    "openlineage": [{"namespace": "airflow", "job": "orders_sync"}],
    "lineage": {"edges": [{"from": "raw_orders", "to": "clean_orders"}]},
    "source": {
        "repository": "acme/data",
        "commit": "1a2b3c",
        "path": "pipelines/orders.yaml",
        "run_url": "https://ci.example.com/runs/7",
    },
}

REMOVED = object()


def orders(*changes: tuple[str, Any]) -> dict[str, Any]:
    """The example with changes, each a slash path and its new value or `REMOVED`."""
    document = copy.deepcopy(ORDERS)
    for path, value in changes:
        *above, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        place: Any = document
        for part in above:
            place = place[part]
        if value is REMOVED:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    return document


def minimal(**sections: Any) -> dict[str, Any]:
    """Only what is required, with sections beside it."""
    pipeline = {
        "name": "orders_sync",
        "description": "Sync orders",
        "owner": "team@example.com",
        "environment": "production",
        "schedule": None,
    }
    return {"pipeline": pipeline} | sections


def source(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "postgres", "connection_ref": "pg", "object": f"public.{name}"} | more


def target(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "bigquery", "connection_ref": "bq", "object": f"shop.{name}"} | more


def transform(name: str, inputs: list[str], *outputs: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"id": name, "sql": f"transforms/{name}.sql", "inputs": inputs}
    return found | ({"outputs": list(outputs)} if outputs else {}) | more
