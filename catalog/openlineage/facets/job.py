"""Facets of a job: its type, owners, code, and place in Airflow and dbt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog.openlineage.facets.shapes import members
from catalog.openlineage.facets.values import mapping, objects, text

# what orchestrators write when nobody was named, and what Airflow's own masking leaves
NO_OWNERS = frozenset({"airflow", "root", "default", "***"})
_TAG = re.compile(r"[a-z0-9][a-z0-9_.:/-]{0,62}")


@dataclass(frozen=True, slots=True)
class JobType:
    """In capitals, as the specification writes them: BATCH, SPARK, SQL_JOB; «» where nothing was said."""

    processing_type: str
    integration: str
    job_type: str


@dataclass(frozen=True, slots=True)
class Owner:
    name: str
    type: str | None


@dataclass(frozen=True, slots=True)
class Documentation:
    description: str
    content_type: str | None


@dataclass(frozen=True, slots=True)
class SourceCode:
    language: str | None
    source_code: str


@dataclass(frozen=True, slots=True)
class SourceCodeLocation:
    url: str
    repository_url: str | None
    path: str | None
    version: str | None
    branch: str | None
    tag: str | None


@dataclass(frozen=True, slots=True)
class Sql:
    query: str
    dialect: str | None


@dataclass(frozen=True, slots=True)
class Tag:
    key: str
    value: str
    source: str | None
    field: str | None

    @property
    def label(self) -> str | None:
        """`key`, or `key:value` where the value says more than true; None where no tag can be made of it."""
        joined = self.key if self.value.lower() in ("", "true") else f"{self.key}:{self.value}"
        label = "-".join(joined.lower().split())
        return label if _TAG.fullmatch(label) else None


@dataclass(frozen=True, slots=True)
class AirflowTask:
    operator: str | None
    downstream: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DbtNode:
    unique_id: str | None
    original_file_path: str | None
    database: str | None
    schema: str | None
    alias: str | None


def read_job_type(facet: Any) -> JobType | None:
    if (found := members("jobType", facet)) is None:
        return None
    return JobType(
        (text(found.get("processingType")) or "").upper(),
        found["integration"].upper(),
        (text(found.get("jobType")) or "").upper(),
    )


def read_ownership(facet: Any) -> tuple[Owner, ...] | None:
    """People and teams; names like `airflow`, which only say that nobody was named, are left out."""
    if (found := members("ownership", facet)) is None:
        return None
    named = ((text(owner.get("name")), text(owner.get("type"))) for owner in objects(found["owners"]))
    return tuple(Owner(name, kind) for name, kind in named if name and name.lower() not in NO_OWNERS)


def read_documentation(facet: Any) -> Documentation | None:
    if (found := members("documentation", facet)) is None:
        return None
    return Documentation(found["description"], text(found.get("contentType")))


def read_source_code(facet: Any) -> SourceCode | None:
    if (found := members("sourceCode", facet)) is None:
        return None
    return SourceCode(text(found.get("language")), found["sourceCode"])


def read_source_code_location(facet: Any) -> SourceCodeLocation | None:
    if (found := members("sourceCodeLocation", facet)) is None:
        return None
    return SourceCodeLocation(
        found["url"],
        text(found.get("repoUrl")),
        text(found.get("path")),
        text(found.get("version")),
        text(found.get("branch")),
        text(found.get("tag")),
    )


def read_sql(facet: Any) -> Sql | None:
    if (found := members("sql", facet)) is None:
        return None
    return Sql(found["query"], text(found.get("dialect")))


def read_tags(facet: Any) -> tuple[Tag, ...] | None:
    if (found := members("tags", facet)) is None:
        return None
    return tuple(
        Tag(key, _tag_value(tag.get("value")), text(tag.get("source")), text(tag.get("field")))
        for tag in objects(found["tags"])
        if (key := text(tag.get("key")))
    )


def read_airflow_tasks(facet: Any) -> Mapping[str, AirflowTask] | None:
    """The job facet `airflow` of a DAG: its tasks by id."""
    if (found := members("airflow", facet)) is None:
        return None
    return {
        task_id: AirflowTask(text(task.get("operator")), _downstream(task))
        for task_id, task in mapping(found.get("tasks")).items()
        if isinstance(task, dict)
    }


def read_dbt_node(facet: Any) -> DbtNode | None:
    if (found := members("dbt_node", facet)) is None:
        return None
    return DbtNode(
        text(found.get("unique_id")),
        text(found.get("original_file_path")),
        text(found.get("database")),
        text(found.get("schema")),
        text(found.get("alias")),
    )


def _tag_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else text(value) or ""


def _downstream(task: dict[str, Any]) -> tuple[str, ...]:
    found = task.get("downstream_task_ids")
    return tuple(task_id for task_id in found if text(task_id)) if isinstance(found, list) else ()
