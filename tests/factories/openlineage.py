"""OpenLineage events as Airflow, dbt and Spark send them, valid by default, as plain JSON documents."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

_RUNS = UUID("5f0c8d7e-3a51-4c0e-9a6e-0c1d6a3b7e11")
SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs"
FACETS = "https://openlineage.io/spec/facets/1-0-0"
AIRFLOW = "https://github.com/apache/airflow/tree/providers-openlineage/2.2.0"
DBT = "https://github.com/OpenLineage/OpenLineage/tree/1.30.0/integration/dbt"
SPARK = "https://github.com/OpenLineage/OpenLineage/tree/1.30.0/integration/spark"

Document = dict[str, Any]


def run_id(name: str) -> str:
    """The same UUID for the same name, so that a parent can be named before its event is made."""
    return str(uuid5(_RUNS, name))


def facet(**members: Any) -> Document:
    return {"_producer": AIRFLOW, "_schemaURL": f"{FACETS}/Facet.json", **members}


def dataset(namespace: str, name: str, **facets: Document) -> Document:
    return {"namespace": namespace, "name": name, "facets": facets}


def schema(*columns: str) -> Document:
    """Columns as `name:type`."""
    pairs = (column.partition(":") for column in columns)
    return facet(fields=[{"name": name, "type": kind or "VARCHAR"} for name, _, kind in pairs])


def parent(name: str, run: str, *, namespace: str = "airflow-prod", root: Document | None = None) -> Document:
    found = facet(run={"runId": run}, job={"namespace": namespace, "name": name})
    return found | {"root": root} if root else found


def job_type(integration: str, kind: str | None) -> Document:
    return facet(processingType="BATCH", integration=integration) | ({"jobType": kind} if kind else {})


def run_event(
    event_type: str = "START",
    *,
    job: str = "orders_sync",
    namespace: str = "airflow-prod",
    run: str | None = None,
    at: str = "2026-03-02T06:00:00Z",
    producer: str = AIRFLOW,
    run_facets: Document | None = None,
    job_facets: Document | None = None,
    inputs: list[Document] | None = None,
    outputs: list[Document] | None = None,
) -> Document:
    return {
        "eventType": event_type,
        "eventTime": at,
        "run": {"runId": run or run_id(job), "facets": run_facets or {}},
        "job": {"namespace": namespace, "name": job, "facets": job_facets or {}},
        "inputs": inputs or [],
        "outputs": outputs or [],
        "producer": producer,
        "schemaURL": f"{SPEC}/RunEvent",
    }


def job_event(job: str = "orders_sync", namespace: str = "airflow-prod", **job_facets: Document) -> Document:
    return {
        "eventTime": "2026-03-02T06:00:00Z",
        "job": {"namespace": namespace, "name": job, "facets": job_facets},
        "inputs": [],
        "outputs": [],
        "producer": AIRFLOW,
        "schemaURL": f"{SPEC}/JobEvent",
    }


def dataset_event(namespace: str = "postgres://db:5432", name: str = "shop.public.orders") -> Document:
    return {
        "eventTime": "2026-03-02T06:00:00Z",
        "dataset": dataset(namespace, name, schema=schema("id:INT", "total:NUMERIC")),
        "producer": DBT,
        "schemaURL": f"{SPEC}/DatasetEvent",
    }


def airflow_dag_event(event_type: str = "START", dag: str = "orders_sync", **event: Any) -> Document:
    """A DAG run: `airflowDagRun` at its start, `airflowState` at its end."""
    if event_type == "START":
        run_facets = {
            "airflowDagRun": facet(dag=_dag(dag), dagRun=_dag_run(dag)),
            "nominalTime": facet(nominalStartTime="2026-03-01T06:00:00Z", nominalEndTime="2026-03-02T06:00:00Z"),
            "processing_engine": facet(name="Airflow", version="3.0.2", openlineageAdapterVersion="2.2.0"),
        }
    else:
        run_facets = {"airflowState": facet(dagRunState="success", tasksState={"extract": "success"})}
    tasks = {"extract": {"operator": "PythonOperator", "downstream_task_ids": ["load"]}, "load": {}}
    return run_event(
        event_type,
        job=dag,
        run_facets=run_facets | event.pop("run_facets", {}),
        job_facets={
            "jobType": job_type("AIRFLOW", "DAG"),
            "airflow": facet(tasks=tasks, taskTree={}, taskGroups={}),
            "ownership": facet(owners=[{"name": "airflow"}, {"name": "data-team", "type": "group"}]),
        },
        **event,
    )


def airflow_task_event(
    event_type: str = "COMPLETE",
    dag: str = "orders_sync",
    task: str = "load",
    *,
    try_number: int = 1,
    map_index: int = -1,
    root: Document | None = None,
    **event: Any,
) -> Document:
    instance = {"try_number": try_number, "map_index": map_index, "log_url": f"http://airflow/log/{task}"}
    run_facets = {
        "parent": parent(dag, run_id(dag), root=root),
        "airflow": facet(
            dag=_dag(dag),
            dagRun=_dag_run(dag),
            task={"task_id": task, "operator_class": "PythonOperator"},
            taskInstance=instance,
        ),
    }
    return run_event(
        event_type,
        job=f"{dag}.{task}",
        run_facets=run_facets | event.pop("run_facets", {}),
        job_facets={"jobType": job_type("AIRFLOW", "TASK")} | event.pop("job_facets", {}),
        **event,
    )


def dbt_job_event(event_type: str = "START", project: str = "shop", **event: Any) -> Document:
    """One `dbt build`."""
    dbt = {"dbt_run": facet(invocation_id="9d7c2c7e", project_name=project, profile_name="prod")}
    return run_event(
        event_type,
        job=f"dbt-run-{project}",
        namespace="dbt",
        producer=DBT,
        run_facets=dbt | event.pop("run_facets", {}),
        job_facets={"jobType": job_type("DBT", "JOB")},
        **event,
    )


def dbt_model_event(
    event_type: str = "COMPLETE", model: str = "orders", project: str = "shop", **event: Any
) -> Document:
    source = dataset("snowflake://acme-eu1", "RAW.SHOP.ORDERS", schema=schema("ID:NUMBER", "TOTAL:NUMBER"))
    target = dataset("snowflake://acme-eu1", f"ANALYTICS.PUBLIC.{model.upper()}", schema=schema("ID:NUMBER"))
    target["facets"]["columnLineage"] = facet(
        fields={"ID": {"inputFields": [{"namespace": source["namespace"], "name": source["name"], "field": "ID"}]}}
    )
    top = parent(f"dbt-run-{project}", run_id(f"dbt-run-{project}"), namespace="dbt")
    return run_event(
        event_type,
        job=f"dbt-run-{project}.{model}",
        namespace="dbt",
        producer=DBT,
        run_facets={"parent": top} | event.pop("run_facets", {}),
        job_facets={
            "jobType": job_type("DBT", "MODEL"),
            "dbt_node": facet(unique_id=f"model.{project}.{model}", schema="public", alias=model),
            "sql": facet(query=f"select id, total from raw.shop.{model}", dialect="snowflake"),
        },
        inputs=[source],
        outputs=[target],
        **event,
    )


def spark_application_event(event_type: str = "START", app: str = "daily_load", **event: Any) -> Document:
    engine = {"processing_engine": facet(name="spark", version="3.5.1", openlineageAdapterVersion="1.30.0")}
    return run_event(
        event_type,
        job=app,
        namespace="spark-prod",
        producer=SPARK,
        run_facets=engine | event.pop("run_facets", {}),
        job_facets={"jobType": job_type("SPARK", "APPLICATION")},
        **event,
    )


def spark_action_event(
    event_type: str = "COMPLETE", app: str = "daily_load", action: str = "insert_into.orders", **event: Any
) -> Document:
    """A Spark SQL action that writes one day's partition."""
    written = dataset("s3a://lake", "/warehouse/orders/dt=2026-03-02", schema=schema("id:int", "email:string"))
    written["outputFacets"] = {"outputStatistics": facet(rowCount=120, size=4_096, fileCount=2)}
    return run_event(
        event_type,
        job=f"{app}.{action}",
        namespace="spark-prod",
        producer=SPARK,
        run_facets={"parent": parent(app, run_id(app), namespace="spark-prod")} | event.pop("run_facets", {}),
        job_facets={"jobType": job_type("SPARK", "SQL_JOB")},
        outputs=[written],
        **event,
    )


def _dag(dag: str) -> Document:
    return {
        "dag_id": dag,
        "owner": "data-team",
        "description": "Sync orders",
        "tags": "['ecommerce', 'pii']",
        "timetable": {"expression": "0 6 * * *", "timezone": "Europe/Vienna"},
        "fileloc": f"/dags/{dag}.py",
    }


def _dag_run(dag: str) -> Document:
    return {
        "dag_id": dag,
        "run_id": "scheduled__2026-03-01T06:00:00+00:00",
        "run_type": "scheduled",
        "data_interval_start": "2026-03-01T06:00:00+00:00",
        "data_interval_end": "2026-03-02T06:00:00+00:00",
    }
