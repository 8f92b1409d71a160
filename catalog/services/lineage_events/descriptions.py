"""What facets tell of pipelines, steps and datasets: owners, tags, texts, schedules. Specs and people go first."""

from __future__ import annotations

import contextlib
import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from catalog.models import Dataset, Pipeline, PipelineOwner, PipelineTag, Step
from catalog.openlineage.facets import (
    Dag,
    Tag,
    is_deleted,
    read_dbt_node,
    read_documentation,
    read_job_type,
    read_lifecycle_state_change,
    read_ownership,
    read_schema,
    read_source_code_location,
    read_symlinks,
    read_tags,
)
from catalog.services.health import refresh_health
from catalog.services.lineage_events.columns import Schema, tag_columns, write_columns
from catalog.services.lineage_events.facets import Use
from catalog.services.owners import first_owner, owners_from
from catalog.spec.schedule import zone
from dataxpipe.postgres.bulk import update_rows

Changed = Mapping[Use, tuple[datetime.datetime, Any]]
Facets = dict[str, Any]

OWNER_LENGTH = 254
TEXT_LENGTH = 10_000
SCHEDULE_LENGTH = 200
MAX_OWNERS, MAX_TAGS, MAX_SYMLINKS = 50, 100, 50
_PIPELINE = frozenset({"ownership", "documentation", "tags", "jobType"})
_STEP = frozenset({"documentation", "sourceCodeLocation", "dbt_node", "jobType"})
_DATASET = frozenset({"ownership", "documentation", "tags", "symlinks", "lifecycleStateChange"})


@dataclass(frozen=True, slots=True)
class Subjects:
    """Whose facets are whose: the ids of the batch's pipelines and steps; what Airflow says of DAGs."""

    pipelines: frozenset[UUID]
    dags: Mapping[UUID, Dag]


def describe(changed: Changed, subjects: Subjects) -> None:
    """Writes what follows from the facets that are new: nothing when there are none."""
    jobs: dict[UUID, Facets] = defaultdict(dict)
    datasets: dict[UUID, Facets] = defaultdict(dict)
    schemas: dict[UUID, Schema] = {}
    for ((kind, subject_id), name), (at, content) in changed.items():
        if is_deleted(content):
            continue
        if kind == "job":
            jobs[subject_id][name] = content
        elif kind == "dataset" and name == "schema" and (columns := read_schema(content)) is not None:
            schemas[subject_id] = (at, columns)
        elif kind == "dataset" and name in _DATASET:
            datasets[subject_id][name] = content
    _describe_pipelines(
        {id_: facets for id_, facets in jobs.items() if id_ in subjects.pipelines and facets.keys() & _PIPELINE},
        subjects.dags,
    )
    _describe_steps(
        {id_: facets for id_, facets in jobs.items() if id_ not in subjects.pipelines and facets.keys() & _STEP}
    )
    write_columns(schemas)
    _describe_datasets(datasets)


def _describe_pipelines(told: Mapping[UUID, Facets], dags: Mapping[UUID, Dag]) -> None:
    ids = told.keys() | dags.keys()
    if not ids:
        return
    changed = []
    # Those of runs are locked already; a job alone must not overwrite what a person says at the same moment.
    for pipeline in Pipeline.objects.filter(id__in=ids).order_by("id").select_for_update(no_key=True):
        before = _stated(pipeline)
        _describe_pipeline(pipeline, told.get(pipeline.id, {}), dags.get(pipeline.id))
        if _stated(pipeline) != before:
            pipeline.derive()
            changed.append((pipeline, before))
    for pipeline, _ in changed:
        pipeline.save(update_fields=[*_STATED, "search_text", "updated_at"])
    _link(changed)
    if rescheduled := [pipeline.id for pipeline, before in changed if pipeline.schedule != before["schedule"]]:
        refresh_health(rescheduled, is_rescheduled=True)


def _describe_pipeline(pipeline: Pipeline, facets: Facets, dag: Dag | None) -> None:
    owners = [owner.name for owner in read_ownership(facets.get("ownership")) or ()]
    if not owners and dag and dag.owner and not _has_facet_owner(pipeline):
        owners = [name.strip() for name in dag.owner.split(",")]
    if owners:
        names = [name[:OWNER_LENGTH] for name in owners[:MAX_OWNERS]]
        pipeline.owners = owners_from("facet", names, known=pipeline.owners)
        pipeline.owner = first_owner(pipeline.owners)
    if job_type := read_job_type(facets.get("jobType")):
        pipeline.integration, pipeline.job_type = job_type.integration[:60], job_type.job_type[:60]
    if pipeline.current_version_id is not None:
        return
    documentation = read_documentation(facets.get("documentation"))
    text = (documentation.description if documentation else None) or (dag.description if dag else None)
    pipeline.description = pipeline.description or (text or "")[:TEXT_LENGTH]
    tags = {*_labels(read_tags(facets.get("tags")) or ()), *_dag_labels(dag)}
    pipeline.tags = sorted({*pipeline.tags, *tags})[:MAX_TAGS] if tags else pipeline.tags
    if dag is not None:
        _schedule(pipeline, dag)


def _schedule(pipeline: Pipeline, dag: Dag) -> None:
    """Airflow's timetable, in its own words."""
    if dag.schedule is None or len(dag.schedule) > SCHEDULE_LENGTH:
        return
    pipeline.schedule = dag.schedule
    with contextlib.suppress(LookupError):
        pipeline.timezone = zone(dag.timezone or "UTC").key


def _describe_steps(told: Mapping[UUID, Facets]) -> None:
    if not told:
        return
    changed = []
    for step in Step.objects.filter(id__in=told, ended_at=None):
        before = (step.kind, step.description, step.code_ref)
        facets = told[step.id]
        if documentation := read_documentation(facets.get("documentation")):
            step.description = documentation.description[:TEXT_LENGTH]
        if job_type := read_job_type(facets.get("jobType")):
            step.kind = job_type.job_type[:60] or step.kind
        location, node = (
            read_source_code_location(facets.get("sourceCodeLocation")),
            read_dbt_node(facets.get("dbt_node")),
        )
        step.code_ref = ((location and location.url) or (node and node.original_file_path) or step.code_ref)[:1000]
        if before != (step.kind, step.description, step.code_ref):
            changed.append(step)
    update_rows(changed, ["kind", "description", "code_ref"])


def _describe_datasets(told: Mapping[UUID, Facets]) -> None:
    if not told:
        return
    column_tags: dict[tuple[UUID, str], list[str]] = defaultdict(list)
    for dataset in Dataset.objects.filter(id__in=told).order_by("id").select_for_update(no_key=True):
        before = (dataset.description, dataset.owners, dataset.tags, dataset.symlinks, dataset.lifecycle_state)
        _describe_dataset(dataset, told[dataset.id])
        after = (dataset.description, dataset.owners, dataset.tags, dataset.symlinks, dataset.lifecycle_state)
        if before != after:
            dataset.save(update_fields=["description", "owners", "tags", "symlinks", "lifecycle_state", "updated_at"])
        for tag in read_tags(told[dataset.id].get("tags")) or ():
            if tag.field and tag.label:
                column_tags[dataset.id, tag.field].append(tag.label)
    tag_columns(column_tags)


def _describe_dataset(dataset: Dataset, facets: Facets) -> None:
    if documentation := read_documentation(facets.get("documentation")):
        dataset.description = documentation.description[:TEXT_LENGTH]
    if owners := read_ownership(facets.get("ownership")):
        names = [owner.name[:OWNER_LENGTH] for owner in owners[:MAX_OWNERS]]
        dataset.owners = owners_from("facet", names, known=dataset.owners)
    if tags := _labels(tag for tag in read_tags(facets.get("tags")) or () if not tag.field):
        dataset.tags = sorted({*dataset.tags, *tags})[:MAX_TAGS]
    if symlinks := read_symlinks(facets.get("symlinks")):
        dataset.symlinks = [
            {"namespace": link.namespace, "name": link.name, "type": link.type} for link in symlinks[:MAX_SYMLINKS]
        ]
    if change := read_lifecycle_state_change(facets.get("lifecycleStateChange")):
        dataset.lifecycle_state = change.state


_STATED = (
    "owners",
    "owner",
    "integration",
    "job_type",
    "description",
    "tags",
    "schedule",
    "timezone",
)


def _stated(pipeline: Pipeline) -> dict[str, Any]:
    return {name: getattr(pipeline, name) for name in _STATED}


def _has_facet_owner(pipeline: Pipeline) -> bool:
    return any(entry["origin"] == "facet" for entry in pipeline.owners)


def _labels(tags: Iterable[Tag]) -> set[str]:
    return {tag.label for tag in tags if tag.label}


def _dag_labels(dag: Dag | None) -> set[str]:
    return _labels(Tag(name, "", None, None) for name in dag.tags) if dag else set()


def _link(changed: list[tuple[Pipeline, dict[str, Any]]]) -> None:
    """The tables by which pipelines are found by tag and owner."""
    gone = [
        (pipeline.id, entry["name"])
        for pipeline, before in changed
        for entry in before["owners"]
        if entry["name"] not in {kept["name"] for kept in pipeline.owners}
    ]
    for pipeline_id, owner in gone:
        PipelineOwner.objects.filter(pipeline_id=pipeline_id, owner=owner)._raw_delete("default")
    PipelineOwner.objects.bulk_create(
        [PipelineOwner(pipeline=pipeline, owner=entry["name"]) for pipeline, _ in changed for entry in pipeline.owners],
        ignore_conflicts=True,
    )
    PipelineTag.objects.bulk_create(
        [PipelineTag(pipeline=pipeline, tag=tag) for pipeline, _ in changed for tag in pipeline.tags],
        ignore_conflicts=True,
    )
