"""Facets of a run: why it failed, what ran it, and what Airflow and dbt say of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.openlineage.facets.shapes import members
from catalog.openlineage.facets.values import mapping, moment, objects, text, whole
from catalog.openlineage.names import JobKey

_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")


@dataclass(frozen=True, slots=True)
class NominalTime:
    start_at: datetime
    end_at: datetime | None


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    message: str
    stack_trace: str | None
    programming_language: str | None


@dataclass(frozen=True, slots=True)
class ExternalQuery:
    """The id under which the warehouse knows the query."""

    query_id: str
    source: str | None


@dataclass(frozen=True, slots=True)
class ProcessingEngine:
    name: str | None
    version: str
    adapter_version: str | None


@dataclass(frozen=True, slots=True)
class JobDependency:
    job: JobKey
    run_id: str | None
    dependency_type: str | None


@dataclass(frozen=True, slots=True)
class JobDependencies:
    upstream: tuple[JobDependency, ...]
    downstream: tuple[JobDependency, ...]


@dataclass(frozen=True, slots=True)
class Dag:
    """What Airflow says of a DAG; `schedule` is a cron expression, an alias, or None."""

    dag_id: str | None
    description: str | None
    owner: str | None
    schedule: str | None
    timezone: str | None
    tags: tuple[str, ...]
    fileloc: str | None


@dataclass(frozen=True, slots=True)
class DagRun:
    """`run_type` is Airflow's: scheduled, manual, backfill, dataset_triggered, asset_triggered."""

    run_id: str | None
    run_type: str | None
    data_interval_start_at: datetime | None
    data_interval_end_at: datetime | None


@dataclass(frozen=True, slots=True)
class AirflowDagRun:
    dag: Dag
    dag_run: DagRun


@dataclass(frozen=True, slots=True)
class AirflowTaskRun:
    """The run facet `airflow`; `try_number` counts from 1, `map_index` is None for a task not mapped."""

    dag: Dag
    dag_run: DagRun
    task_id: str | None
    operator: str | None
    try_number: int | None
    map_index: int | None
    log_url: str | None


@dataclass(frozen=True, slots=True)
class AirflowState:
    dag_run_state: str
    task_states: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DbtRun:
    invocation_id: str
    project_name: str | None
    profile_name: str | None
    dbt_runtime: str | None


def read_nominal_time(facet: Any) -> NominalTime | None:
    """None as well when the start is no time; an end before the start is dropped."""
    if (found := members("nominalTime", facet)) is None:
        return None
    if (start := moment(found["nominalStartTime"])) is None:
        return None
    end = moment(found.get("nominalEndTime"))
    return NominalTime(start, end if end and end >= start else None)


def read_error_message(facet: Any) -> ErrorMessage | None:
    if (found := members("errorMessage", facet)) is None:
        return None
    return ErrorMessage(found["message"], text(found.get("stackTrace")), text(found.get("programmingLanguage")))


def read_external_query(facet: Any) -> ExternalQuery | None:
    if (found := members("externalQuery", facet)) is None:
        return None
    return ExternalQuery(found["externalQueryId"], text(found.get("source")))


def read_processing_engine(facet: Any) -> ProcessingEngine | None:
    if (found := members("processing_engine", facet)) is None:
        return None
    return ProcessingEngine(text(found.get("name")), found["version"], text(found.get("openlineageAdapterVersion")))


def read_job_dependencies(facet: Any) -> JobDependencies | None:
    if (found := members("jobDependencies", facet)) is None:
        return None
    return JobDependencies(_dependencies(found.get("upstream")), _dependencies(found.get("downstream")))


def read_airflow(facet: Any) -> AirflowTaskRun | None:
    if (found := members("airflow", facet)) is None:
        return None
    task, instance = mapping(found.get("task")), mapping(found.get("taskInstance"))
    return AirflowTaskRun(
        dag=_dag(found.get("dag")),
        dag_run=_dag_run(found.get("dagRun")),
        task_id=text(task.get("task_id")),
        operator=text(task.get("operator_class")),
        try_number=whole(instance.get("try_number")) or None,
        map_index=whole(instance.get("map_index")),
        log_url=text(instance.get("log_url")),
    )


def read_airflow_dag_run(facet: Any) -> AirflowDagRun | None:
    if (found := members("airflowDagRun", facet)) is None:
        return None
    return AirflowDagRun(_dag(found.get("dag")), _dag_run(found["dagRun"]))


def read_airflow_state(facet: Any) -> AirflowState | None:
    if (found := members("airflowState", facet)) is None:
        return None
    states = {task: state for task, state in mapping(found.get("tasksState")).items() if text(state)}
    return AirflowState(found["dagRunState"], states)


def read_dbt_run(facet: Any) -> DbtRun | None:
    if (found := members("dbt_run", facet)) is None:
        return None
    return DbtRun(
        found["invocation_id"],
        text(found.get("project_name")),
        text(found.get("profile_name")),
        text(found.get("dbt_runtime")),
    )


def _dependencies(value: Any) -> tuple[JobDependency, ...]:
    found = []
    for entry in objects(value):
        job = mapping(entry.get("job"))
        namespace, name = text(job.get("namespace")), text(job.get("name"))
        if namespace and name:
            run_id = text(mapping(entry.get("run")).get("runId"))
            found.append(JobDependency(JobKey(namespace, name), run_id, text(entry.get("dependency_type"))))
    return tuple(found)


def _dag(value: Any) -> Dag:
    dag = mapping(value)
    timetable = mapping(dag.get("timetable"))
    schedule = text(timetable.get("expression")) or text(dag.get("schedule_interval"))
    return Dag(
        dag_id=text(dag.get("dag_id")),
        description=text(dag.get("description")),
        owner=text(dag.get("owner")),
        schedule=None if schedule in ("None", "null") else schedule,
        timezone=text(timetable.get("timezone")),
        tags=_dag_tags(dag.get("tags")),
        fileloc=text(dag.get("fileloc")),
    )


def _dag_tags(value: Any) -> tuple[str, ...]:
    """A list, or how Python prints one, which is what most versions of the provider send."""
    if isinstance(value, str):
        return tuple(single or double for single, double in _QUOTED.findall(value) if single or double)
    return tuple(tag for tag in value if text(tag)) if isinstance(value, list) else ()


def _dag_run(value: Any) -> DagRun:
    run = mapping(value)
    return DagRun(
        text(run.get("run_id")),
        text(run.get("run_type")),
        moment(run.get("data_interval_start")),
        moment(run.get("data_interval_end")),
    )
