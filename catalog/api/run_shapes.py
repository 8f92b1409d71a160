"""Runs, checks and results as the API answers them, made of plain rows (`.values()`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import orjson
from rest_framework import serializers

from catalog.api.shapes import PipelineReferenceSerializer
from catalog.models import Check, ResultStatus, RunStatus, Severity
from catalog.services.statements import fetch

Row = Mapping[str, Any]

RUN_FIELDS = (
    "id", "run_id", "pipeline_id", "pipeline__namespace", "pipeline__name", "step__name", "parent_run_id",
    "attempt", "map_index", "version__version", "trigger", "status", "reported_status", "cause",
    "nominal_start_at", "nominal_end_at", "started_at", "finished_at", "duration_seconds", "rows_read",
    "rows_written", "error", "external_url", "labels",
)  # fmt: skip
CHECK_FIELDS = (
    "id", "check_id", "pipeline_id", "pipeline__namespace", "pipeline__name", "dataset_id", "dataset__namespace",
    "dataset__name", "column", "severity", "origin", "code_ref", "last_status", "last_executed_at",
    "failing_since", "created_at", "ended_at",
)  # fmt: skip
RESULT_FIELDS = (
    "id", "check_rule_id", "check_rule__check_id", "pipeline_id", "pipeline__namespace", "pipeline__name",
    "run_id", "dataset_id", "dataset__namespace", "dataset__name", "status", "severity", "executed_at",
    "rows_checked", "rows_failed", "value", "threshold", "message",
)  # fmt: skip


class DatasetReferenceSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    namespace = serializers.CharField()
    name = serializers.CharField()


class RunSerializer(serializers.Serializer[Any]):
    """Describes the shape for OpenAPI; `run_shape` makes it."""

    id = serializers.UUIDField()
    run_id = serializers.CharField(help_text="What its orchestrator calls it.")
    pipeline = PipelineReferenceSerializer()
    step = serializers.CharField(allow_null=True, help_text="Null for a run of the pipeline itself.")
    parent_run_id = serializers.UUIDField(allow_null=True, help_text="The id of the run that this one is part of.")
    attempt = serializers.IntegerField()
    map_index = serializers.IntegerField(allow_null=True)
    version = serializers.CharField(allow_null=True)
    trigger = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=RunStatus.choices)
    reported_status = serializers.ChoiceField(
        choices=RunStatus.choices, help_text="What the orchestrator said last, by the time of the event."
    )
    cause = serializers.CharField(allow_null=True, help_text="Why status differs: check, parent ended, or null.")
    nominal_start_at = serializers.DateTimeField(allow_null=True)
    nominal_end_at = serializers.DateTimeField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    duration_seconds = serializers.FloatField(allow_null=True)
    rows_read = serializers.IntegerField(allow_null=True)
    rows_written = serializers.IntegerField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    external_url = serializers.URLField(allow_null=True)
    labels = serializers.DictField()


class CheckSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    check_id = serializers.CharField()
    pipeline = PipelineReferenceSerializer()
    dataset = DatasetReferenceSerializer(allow_null=True)
    column = serializers.CharField(allow_null=True)
    severity = serializers.ChoiceField(choices=Severity.choices)
    origin = serializers.ChoiceField(choices=Check.Origin.choices)
    code_ref = serializers.CharField(allow_null=True)
    last_status = serializers.ChoiceField(choices=ResultStatus.choices, allow_null=True)
    last_executed_at = serializers.DateTimeField(allow_null=True)
    failing_since = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True, help_text="When it ceased to be declared.")


class CheckReferenceSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    check_id = serializers.CharField()


class CheckResultSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    check = CheckReferenceSerializer()
    pipeline = PipelineReferenceSerializer()
    run_id = serializers.UUIDField(allow_null=True, help_text="The id of the run; null for a result of none.")
    dataset = DatasetReferenceSerializer(allow_null=True)
    status = serializers.ChoiceField(choices=ResultStatus.choices)
    severity = serializers.ChoiceField(choices=Severity.choices)
    executed_at = serializers.DateTimeField()
    rows_checked = serializers.IntegerField(allow_null=True)
    rows_failed = serializers.IntegerField(allow_null=True)
    value = serializers.CharField(allow_null=True)
    threshold = serializers.CharField(allow_null=True)
    message = serializers.CharField(allow_null=True)


class RecordedCheckResultSerializer(CheckResultSerializer):
    created = serializers.BooleanField(help_text="False for a repeat.")


class RunWithPartsSerializer(RunSerializer):
    steps = RunSerializer(many=True, help_text="Runs of steps within this run, the first 500.")
    steps_truncated = serializers.BooleanField()
    checks = CheckResultSerializer(many=True, help_text="The newest 500 results of this run.")
    checks_truncated = serializers.BooleanField()
    event_count = serializers.IntegerField(help_text="OpenLineage events of this run that are still kept.")


_RUN_ROW = """
    SELECT r.id, r.run_id, r.pipeline_id, p.namespace, p.name, s.name, r.parent_run_id, r.attempt, r.map_index,
           v.version, r.trigger, r.status, r.reported_status, r.cause, r.nominal_start_at, r.nominal_end_at,
           r.started_at, r.finished_at, r.duration_seconds, r.rows_read, r.rows_written, r.error, r.external_url,
           r.labels::text
    FROM catalog_run r
    JOIN catalog_pipeline p ON p.organization_id = r.organization_id AND p.id = r.pipeline_id
    LEFT JOIN catalog_step s ON s.organization_id = r.organization_id AND s.id = r.step_id
    LEFT JOIN catalog_pipelineversion v ON v.organization_id = r.organization_id AND v.id = r.version_id
    WHERE r.organization_id = %(organization)s AND r.id = %(id)s
"""


def row_of_run(run_id: UUID) -> Row:
    """What `.values(*RUN_FIELDS)` would answer, by SQL that is written once: every report is answered with its run."""
    row = dict(zip(RUN_FIELDS, fetch(_RUN_ROW, id=run_id)[0], strict=True))
    row["labels"] = orjson.loads(row["labels"])
    return row


_RESULT_ROWS = """
    SELECT r.id, r.check_rule_id, c.check_id, r.pipeline_id, p.namespace, p.name, r.run_id, r.dataset_id,
           d.namespace, d.name, r.status, r.severity, r.executed_at, r.rows_checked, r.rows_failed, r.value,
           r.threshold, r.message
    FROM catalog_checkresult r
    JOIN catalog_check c ON c.organization_id = r.organization_id AND c.id = r.check_rule_id
    JOIN catalog_pipeline p ON p.organization_id = r.organization_id AND p.id = r.pipeline_id
    LEFT JOIN catalog_dataset d ON d.organization_id = r.organization_id AND d.id = r.dataset_id
    WHERE r.organization_id = %(organization)s AND r.id = ANY(%(ids)s)
"""


def rows_of_results(result_ids: Iterable[UUID]) -> list[Row]:
    """What `.values(*RESULT_FIELDS)` would answer."""
    rows = fetch(_RESULT_ROWS, ids=list(set(result_ids)))
    return [dict(zip(RESULT_FIELDS, row, strict=True)) for row in rows]


def run_shape(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "run_id": row["run_id"],
        "pipeline": _pipeline(row),
        "step": row["step__name"],
        "parent_run_id": row["parent_run_id"],
        "attempt": row["attempt"],
        "map_index": row["map_index"],
        "version": row["version__version"],
        "trigger": row["trigger"] or None,
        "status": row["status"],
        "reported_status": row["reported_status"],
        "cause": row["cause"] or None,
        "nominal_start_at": row["nominal_start_at"],
        "nominal_end_at": row["nominal_end_at"],
        "started_at": row["started_at"],
        "finished_at": row["finished_at"],
        "duration_seconds": row["duration_seconds"],
        "rows_read": row["rows_read"],
        "rows_written": row["rows_written"],
        "error": row["error"] or None,
        "external_url": row["external_url"] or None,
        "labels": row["labels"],
    }


def check_shape(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "check_id": row["check_id"],
        "pipeline": _pipeline(row),
        "dataset": _dataset(row),
        "column": row["column"] or None,
        "severity": row["severity"],
        "origin": row["origin"],
        "code_ref": row["code_ref"] or None,
        "last_status": row["last_status"] or None,
        "last_executed_at": row["last_executed_at"],
        "failing_since": row["failing_since"],
        "created_at": row["created_at"],
        "ended_at": row["ended_at"],
    }


def result_shape(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "check": {"id": row["check_rule_id"], "check_id": row["check_rule__check_id"]},
        "pipeline": _pipeline(row),
        "run_id": row["run_id"],
        "dataset": _dataset(row),
        "status": row["status"],
        "severity": row["severity"],
        "executed_at": row["executed_at"],
        "rows_checked": row["rows_checked"],
        "rows_failed": row["rows_failed"],
        "value": row["value"] or None,
        "threshold": row["threshold"] or None,
        "message": row["message"] or None,
    }


def _pipeline(row: Row) -> dict[str, Any]:
    return {"id": row["pipeline_id"], "namespace": row["pipeline__namespace"], "name": row["pipeline__name"]}


def _dataset(row: Row) -> dict[str, Any] | None:
    if row["dataset_id"] is None:
        return None
    return {"id": row["dataset_id"], "namespace": row["dataset__namespace"], "name": row["dataset__name"]}
