from __future__ import annotations

import datetime
from typing import Any, ClassVar, Self
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Value
from django.db.models.functions import Coalesce, JSONObject, Now
from django.urls import reverse

from catalog.models.identity import identity_of
from dataxpipe.postgres.fields import UUID7Key
from orgs.tenancy import TenantManager, TenantModel, TenantQuerySet, current_organization


class Health(models.TextChoices):
    """How a pipeline is, worst first. `late` is never stored: it is decided on reading, from `late_after`."""

    FAILING = "failing"
    LATE = "late"
    AT_RISK = "at_risk"
    RUNNING = "running"
    HEALTHY = "healthy"
    NEVER_RUN = "never_run"
    UNKNOWN = "unknown"


HEALTH_ORDER = {health: rank for rank, health in enumerate(Health.values)}
LONG_AGO = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class PipelineQuerySet(TenantQuerySet["Pipeline"]):
    def existing(self) -> Self:
        """Not deleted; a deleted pipeline is hidden at once and purged later."""
        return self.filter(deleted_at=None)

    def active(self) -> Self:
        """Neither deleted nor archived."""
        return self.existing().filter(archived_at=None)

    def archived(self) -> Self:
        return self.existing().exclude(archived_at=None)

    def counted(self) -> Self:
        """Those that take a place in the plan."""
        return self.active()

    def named(self, name: str, namespace: str = "default") -> Self:
        return self.existing().filter(identity=identity_of(namespace, name))

    def called(self, reference: str, namespace: str = "default") -> Self:
        """By public id, or by name in a namespace; the id goes first where both fit."""
        is_named = models.Q(identity=identity_of(namespace, reference))
        try:
            identifier = UUID(reference)
        except ValueError:
            return self.existing().filter(is_named)
        by_id = models.Q(id=identifier)
        return self.existing().filter(by_id | is_named).annotate(is_by_id=by_id).order_by("-is_by_id")

    def tagged(self, *tags: str) -> Self:
        """Carrying every one of the tags."""
        queryset = self
        for tag in tags:
            carriers = PipelineTag.objects.filter(tag=tag.lower()).values("pipeline_id")
            queryset = queryset.filter(id__in=carriers)
        return queryset

    def owned_by(self, owner: str) -> Self:
        return self.filter(id__in=PipelineOwner.objects.filter(owner=owner).values("pipeline_id"))

    def using_connection(self, slug: str) -> Self:
        """Whose current spec refers to the connection."""
        refers = Func(
            F("current_version__spec"),
            Value("$.*[*].connection_ref ? (@ == $slug)"),
            JSONObject(slug=Value(slug)),
            function="jsonb_path_exists",
            output_field=models.BooleanField(),
        )
        return self.filter(refers)

    def matching(self, text: str) -> Self:
        """Whose name, namespace or description contains the text, in any case."""
        return self.filter(search_text__contains=text.lower())

    def with_health(self) -> Self:
        """Adds `current_health`: the stored health, or late when the next start is overdue."""
        is_overdue = models.Q(late_after__lt=Now()) & ~models.Q(health=Health.FAILING)
        return self.annotate(
            current_health=models.Case(
                models.When(is_overdue, then=models.Value(Health.LATE.value)),
                default=models.F("health"),
                output_field=models.CharField(),
            )
        )

    def in_health(self, *healths: str) -> Self:
        return self.with_health().filter(current_health__in=healths)

    def with_health_rank(self) -> Self:
        """Adds `health_rank`, 0 for the worst, and `current_health`."""
        ranks = [models.When(current_health=health, then=Value(rank)) for health, rank in HEALTH_ORDER.items()]
        rank = models.Case(*ranks, default=Value(len(ranks)), output_field=models.IntegerField())
        return self.with_health().annotate(health_rank=rank)

    def with_last_run_at(self) -> Self:
        """Adds `last_run_at`, never null, so that pages can be ordered by it."""
        return self.annotate(last_run_at=Coalesce("last_run_started_at", Value(LONG_AGO)))


class PipelineManager(TenantManager.from_queryset(PipelineQuerySet)):  # type: ignore[misc]
    pass


class Pipeline(TenantModel):
    """A named thing that runs. It carries its last-run facts and health, so that lists need no join."""

    class Origin(models.TextChoices):
        SPEC = "spec"
        OPENLINEAGE = "openlineage"

    id = UUID7Key()
    namespace = models.CharField(max_length=1000, default="default")
    name = models.CharField(max_length=1000)
    identity = models.BinaryField(max_length=32, editable=False)
    search_text = models.TextField(blank=True, editable=False)
    description = models.TextField(blank=True)
    owner = models.CharField(max_length=254, blank=True)
    owners = models.JSONField(default=list)
    tags = ArrayField(models.CharField(max_length=63), default=list, blank=True)
    environment = models.CharField(max_length=100, blank=True)
    schedule = models.CharField(max_length=200, null=True, blank=True)
    timezone = models.CharField(max_length=64, default="UTC")
    origin = models.CharField(max_length=12, choices=Origin, default=Origin.SPEC)
    integration = models.CharField(max_length=60, blank=True)
    job_type = models.CharField(max_length=60, blank=True)
    is_provisional = models.BooleanField(default=False)
    current_version = models.ForeignKey(
        "catalog.PipelineVersion", on_delete=models.DO_NOTHING, null=True, related_name="+"
    )
    slo = models.JSONField(default=dict, blank=True)
    archived_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    last_run_id = models.UUIDField(null=True)
    last_run_name = models.CharField(max_length=250, blank=True)
    last_run_status = models.CharField(max_length=10, blank=True)
    last_run_started_at = models.DateTimeField(null=True)
    last_run_finished_at = models.DateTimeField(null=True)
    median_duration_seconds = models.FloatField(null=True)

    health = models.CharField(max_length=10, choices=Health, default=Health.NEVER_RUN)
    health_since = models.DateTimeField(null=True)
    health_reason = models.CharField(max_length=500, blank=True)
    is_at_risk = models.BooleanField(default=False)
    at_risk_reason = models.CharField(max_length=500, blank=True)
    next_expected_at = models.DateTimeField(null=True)
    late_after = models.DateTimeField(null=True)

    objects: ClassVar[PipelineManager] = PipelineManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "identity"],
                condition=models.Q(deleted_at=None),
                name="pipeline_identity",
            )
        ]
        indexes = [
            models.Index(fields=["organization", "name", "id"], name="pipeline_by_name"),
            models.Index(fields=["organization", "-updated_at", "id"], name="pipeline_by_update"),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.derive()
        super().save(*args, **kwargs)

    def derive(self) -> None:
        """Fills in what follows from name and description; `bulk_create` does not call `save`."""
        self.identity = identity_of(self.namespace, self.name)
        self.search_text = f"{self.name} {self.namespace} {self.description}".lower()[:4000]

    def get_absolute_url(self) -> str:
        return pipeline_url(current_organization().slug, self.id)


def pipeline_url(slug: str, pipeline_id: Any) -> str:
    return reverse("pipeline", kwargs={"slug": slug, "pipeline_id": pipeline_id})


class PipelineTag(TenantModel):
    """Which pipelines carry a tag: a table, because array operators cannot use an index under row security."""

    id = UUID7Key()
    tag = models.CharField(max_length=63)
    pipeline = models.ForeignKey(Pipeline, on_delete=models.DO_NOTHING, related_name="tag_links")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "tag", "pipeline"], name="pipeline_tag_once")]

    def __str__(self) -> str:
        return self.tag


class PipelineOwner(TenantModel):
    """Which pipelines an owner has, first or not."""

    id = UUID7Key()
    owner = models.CharField(max_length=254)
    pipeline = models.ForeignKey(Pipeline, on_delete=models.DO_NOTHING, related_name="owner_links")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "owner", "pipeline"], name="pipeline_owner_once")
        ]

    def __str__(self) -> str:
        return self.owner


class PipelineVersion(TenantModel):
    """An immutable registered spec."""

    id = UUID7Key()
    pipeline = models.ForeignKey(Pipeline, on_delete=models.DO_NOTHING, related_name="versions")
    version = models.CharField(max_length=64)
    number = models.IntegerField()
    digest = models.BinaryField(max_length=32)
    spec = models.JSONField()
    source = models.JSONField(default=dict, blank=True)
    created_by_id = models.CharField(max_length=40, blank=True)
    created_by_label = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "pipeline", "version"], name="pipeline_version_once"),
            models.UniqueConstraint(fields=["organization", "pipeline", "number"], name="pipeline_version_number"),
        ]

    def __str__(self) -> str:
        return self.version


class PipelineJob(TenantModel):
    """An OpenLineage job whose events are runs of a registered pipeline, as its spec says."""

    id = UUID7Key()
    namespace = models.CharField(max_length=1000)
    name = models.CharField(max_length=1000)
    identity = models.BinaryField(max_length=32)
    pipeline = models.ForeignKey(Pipeline, on_delete=models.DO_NOTHING, related_name="jobs")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "identity"], name="pipeline_job_identity")]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
