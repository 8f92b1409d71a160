"""The shapes of the contract, made of plain rows (`.values()`), so that lists build no model instances."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from catalog.models import Health, Pipeline, PipelineVersion

Row = Mapping[str, Any]

PIPELINE_FIELDS = (
    "id", "namespace", "name", "description", "owner", "owners", "tags", "environment", "schedule", "timezone",
    "current_version__version", "archived_at", "health", "health_since", "health_reason", "late_after",
    "last_run_id", "last_run_name", "last_run_status", "last_run_started_at", "last_run_finished_at",
    "next_expected_at", "created_at", "updated_at",
)  # fmt: skip
VERSION_FIELDS = ("id", "version", "number", "digest", "source", "created_by_label", "created_at")


class OwnerSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    origin = serializers.ChoiceField(choices=["person", "spec", "facet", "namespace"])


class LastRunSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    run_id = serializers.CharField()
    status = serializers.CharField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    duration_seconds = serializers.FloatField(allow_null=True)


class PipelineSerializer(serializers.Serializer[Any]):
    """Describes the shape for OpenAPI; `pipeline_shape` makes it."""

    id = serializers.UUIDField()
    namespace = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    owner = serializers.CharField(help_text="The first of the owners, or empty.")
    owners = OwnerSerializer(many=True)
    tags = serializers.ListField(child=serializers.CharField())
    environment = serializers.CharField()
    schedule = serializers.CharField(allow_null=True)
    timezone = serializers.CharField()
    version = serializers.CharField(allow_null=True, help_text="The current one; null without a spec.")
    archived_at = serializers.DateTimeField(allow_null=True)
    health = serializers.ChoiceField(choices=Health.values)
    health_since = serializers.DateTimeField(allow_null=True)
    health_reason = serializers.CharField()
    last_run = LastRunSerializer(allow_null=True)
    next_expected_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class PipelineReferenceSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    namespace = serializers.CharField()
    name = serializers.CharField()


class VersionSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    version = serializers.CharField()
    number = serializers.IntegerField(help_text="Counts up with every version of the pipeline.")
    digest = serializers.CharField(help_text="SHA-256 of the content, in hexadecimal.")
    source = serializers.DictField(help_text="Repository, commit, path and CI run, as sent.")  # type: ignore[assignment]
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()


class VersionWithSpecSerializer(VersionSerializer):
    spec = serializers.DictField()


@cache
def page_of(row: type[serializers.Serializer[Any]]) -> Any:
    """The shape of a page of such rows."""
    return inline_serializer(
        f"{row.__name__.removesuffix('Serializer')}Page",
        {
            "results": row(many=True),
            "next": serializers.URLField(allow_null=True),
            "previous": serializers.URLField(allow_null=True),
        },
    )


def pipeline_shape(row: Row) -> dict[str, Any]:
    health, since, reason = current_health(row)
    return {
        "id": row["id"],
        "namespace": row["namespace"],
        "name": row["name"],
        "description": row["description"],
        "owner": row["owner"],
        "owners": row["owners"],
        "tags": row["tags"],
        "environment": row["environment"],
        "schedule": row["schedule"],
        "timezone": row["timezone"],
        "version": row["current_version__version"],
        "archived_at": row["archived_at"],
        "health": health,
        "health_since": since,
        "health_reason": reason,
        "last_run": last_run_shape(row),
        "next_expected_at": row["next_expected_at"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def row_of_pipeline(pipeline: Pipeline) -> Row:
    """An instance as the row a query would give."""
    current = pipeline.current_version
    plain = {name: getattr(pipeline, name) for name in PIPELINE_FIELDS if "__" not in name}
    return plain | {"current_version__version": current.version if current else None}


def current_health(row: Row) -> tuple[str, datetime.datetime | None, str]:
    """Health, since when and why: late is decided on reading."""
    late_after = row["late_after"]
    if late_after is not None and late_after < timezone.now() and row["health"] != Health.FAILING:
        return Health.LATE.value, late_after, "No run has started when the schedule says so."
    return row["health"], row["health_since"], row["health_reason"]


def last_run_shape(row: Row) -> dict[str, Any] | None:
    if row["last_run_id"] is None:
        return None
    started, finished = row["last_run_started_at"], row["last_run_finished_at"]
    return {
        "id": row["last_run_id"],
        "run_id": row["last_run_name"],
        "status": row["last_run_status"],
        "started_at": started,
        "finished_at": finished,
        "duration_seconds": (finished - started).total_seconds() if started and finished else None,
    }


def version_shape(row: Row) -> dict[str, Any]:
    shape = {
        "id": row["id"],
        "version": row["version"],
        "number": row["number"],
        "digest": bytes(row["digest"]).hex(),
        "source": row["source"],
        "created_by": row["created_by_label"],
        "created_at": row["created_at"],
    }
    return shape | ({"spec": row["spec"]} if "spec" in row else {})


def row_of_version(version: PipelineVersion) -> Row:
    return {name: getattr(version, name) for name in VERSION_FIELDS}
