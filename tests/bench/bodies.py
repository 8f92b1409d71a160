"""What clients send: specs, runs and OpenLineage events of about 1.3 kB, each with what makes it new."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

import orjson

PRODUCER = "https://github.com/apache/airflow/tree/providers-openlineage/2.2.0"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACET = {"_producer": PRODUCER, "_schemaURL": "https://openlineage.io/spec/facets/1-0-0/Facet.json"}
COLUMNS = [
    {"name": name, "type": kind}
    for name, kind in (
        ("order_id", "BIGINT"),
        ("customer_id", "BIGINT"),
        ("total", "NUMERIC"),
        ("placed_at", "TIMESTAMP"),
    )
]


def spec(name: str) -> bytes:
    """A pipeline with a source, a transform, a target and a check."""
    return orjson.dumps(
        {
            "pipeline": {
                "name": name,
                "description": "Sync orders",
                "owner": "orders-data@example.com",
                "environment": "production",
                "schedule": "0 6 * * *",
                "tags": ["pii", "daily"],
            },
            "sources": [
                {
                    "id": "raw",
                    "type": "postgres",
                    "connection_ref": "pg-raw",
                    "object": f"shop.{name}",
                    "load_mode": "full",
                }
            ],
            "transforms": [
                {"id": "clean", "type": "sql", "code_ref": f"{name}.sql", "inputs": ["raw"], "outputs": ["cleaned"]}
            ],
            "targets": [
                {
                    "id": "cleaned",
                    "type": "bigquery",
                    "connection_ref": "bq-analytics",
                    "object": f"analytics.{name}",
                    "write_mode": "append",
                }
            ],
            "checks": [{"id": "not_null", "dataset": "cleaned", "sql": "checks/not_null.sql", "severity": "error"}],
        }
    )


def run(pipeline: str) -> bytes:
    """A finished run of a pipeline, known by its name."""
    end = datetime.datetime.now(datetime.UTC)
    return orjson.dumps(
        {
            "pipeline_id": pipeline,
            "run_id": str(uuid.uuid4()),
            "status": "success",
            "started_at": end - datetime.timedelta(minutes=5),
            "finished_at": end,
            "trigger": "schedule",
            "rows_written": 1_000,
        }
    )


def event(job: str, reads: str, writes: str, namespace: str, *, run_id: str, kind: str) -> dict[str, Any]:
    """The start or the end (`kind`) of a run that reads one dataset and writes another."""
    return {
        "eventType": kind,
        "eventTime": datetime.datetime.now(datetime.UTC),
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": run_id, "facets": {"processing_engine": {**FACET, "name": "Airflow", "version": "3.0.2"}}},
        "job": {
            "namespace": "default",
            "name": job,
            "facets": {"sql": {**FACET, "query": f"INSERT INTO {writes} SELECT * FROM {reads} WHERE total > 0"}},
        },
        "inputs": [_dataset(namespace, reads)],
        "outputs": [_dataset(namespace, writes)],
    }


def _dataset(namespace: str, name: str) -> dict[str, Any]:
    return {"namespace": namespace, "name": name, "facets": {"schema": {**FACET, "fields": COLUMNS}}}
