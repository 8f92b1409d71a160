"""The events of OpenLineage as frozen dataclasses, and what they refer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias

from catalog.openlineage.facets import JobType
from catalog.openlineage.names import JobKey

EventType = Literal["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]
Facets: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunRef:
    id: str
    facets: Facets


@dataclass(frozen=True, slots=True)
class JobRef:
    namespace: str
    name: str
    facets: Facets

    @property
    def key(self) -> JobKey:
        return JobKey(self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """`input_facets` and `output_facets` hold for this run only, `facets` for the dataset."""

    namespace: str
    name: str
    facets: Facets
    input_facets: Facets
    output_facets: Facets


@dataclass(frozen=True, slots=True)
class ParentRef:
    """The run that started this one. `job` is None where the producer left its name out."""

    run_id: str
    job: JobKey | None


@dataclass(frozen=True, slots=True)
class RootRef:
    """The run at the top, as the `parent` facet has it since 1-1-0."""

    job: JobKey
    run_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    event_time: datetime
    producer: str
    schema_url: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent(_Event):
    """`attempt` counts from 1; `trigger` is the run type in Airflow's words."""

    event_type: EventType
    run: RunRef
    job: JobRef
    inputs: tuple[DatasetRef, ...]
    outputs: tuple[DatasetRef, ...]
    parent: ParentRef | None
    root: RootRef | None
    job_type: JobType | None
    nominal_start_at: datetime | None
    nominal_end_at: datetime | None
    attempt: int | None
    map_index: int | None
    dag_run_id: str | None
    trigger: str | None
    external_url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent(_Event):
    job: JobRef
    inputs: tuple[DatasetRef, ...]
    outputs: tuple[DatasetRef, ...]
    job_type: JobType | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetEvent(_Event):
    dataset: DatasetRef


Event: TypeAlias = RunEvent | JobEvent | DatasetEvent


def map_namespaces(event: Event, namespaces: Mapping[str, str]) -> Event:
    """The event with the namespaces of job, parent and root renamed, as a key's `namespace_map` says."""
    if isinstance(event, DatasetEvent) or not namespaces:
        return event

    def renamed(key: JobKey) -> JobKey:
        return JobKey(namespaces.get(key.namespace, key.namespace), key.name)

    job = replace(event.job, namespace=renamed(event.job.key).namespace)
    if isinstance(event, JobEvent):
        return replace(event, job=job)
    parent, root = event.parent, event.root
    if parent and parent.job:
        parent = replace(parent, job=renamed(parent.job))
    if root:
        root = replace(root, job=renamed(root.job))
    return replace(event, job=job, parent=parent, root=root)
