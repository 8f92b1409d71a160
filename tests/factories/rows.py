"""A factory for each remaining tenant model, and one row of every one of them."""

from __future__ import annotations

import hashlib
from typing import Any

import factory
from django.apps import apps
from django.db import connection
from django.utils import timezone

from catalog.models import (
    ColumnLink,
    ConnectionSecret,
    DataKey,
    DatasetAlias,
    DatasetColumn,
    DiscoveredPipeline,
    EventInbox,
    Facet,
    FacetUse,
    LineageVersion,
    PipelineJob,
    PipelineOwner,
    PipelineTag,
    PipelineVersion,
    identity_of,
)
from dataxpipe.postgres.fields import OrganizationKey, uuid7
from orgs.models import AuditAnchor, AuditEvent, AuditPerson, AuditSeal, AuditSubject, IdempotencyRecord, KeptHistory
from orgs.tenancy import CONTROL_TABLES, tenant_scope
from tests.factories import ConnectionFactory, DatasetFactory, PipelineFactory, TenantFactory


def of_the_same_organization(factory_class: Any) -> Any:
    return factory.SubFactory(factory_class, organization=factory.SelfAttribute("..organization"))


class PipelineTagFactory(TenantFactory):
    class Meta:
        model = PipelineTag

    tag = factory.Sequence(lambda n: f"tag-{n}")
    pipeline = of_the_same_organization(PipelineFactory)


class PipelineOwnerFactory(TenantFactory):
    class Meta:
        model = PipelineOwner

    owner = factory.Sequence(lambda n: f"owner-{n}")
    pipeline = of_the_same_organization(PipelineFactory)


class PipelineVersionFactory(TenantFactory):
    class Meta:
        model = PipelineVersion

    pipeline = of_the_same_organization(PipelineFactory)
    version = factory.LazyAttribute(lambda o: str(o.number))
    number = factory.Sequence(lambda n: n + 1)
    digest = factory.LazyAttribute(lambda o: identity_of(o.version))
    spec = factory.LazyAttribute(lambda o: {"pipeline": {"name": o.pipeline.name}})


class PipelineJobFactory(TenantFactory):
    class Meta:
        model = PipelineJob

    namespace = "airflow"
    name = factory.Sequence(lambda n: f"job_{n}")
    identity = factory.LazyAttribute(lambda o: identity_of(o.namespace, o.name))
    pipeline = of_the_same_organization(PipelineFactory)


class DiscoveredPipelineFactory(TenantFactory):
    class Meta:
        model = DiscoveredPipeline

    namespace = "airflow"
    name = factory.Sequence(lambda n: f"discovered_{n}")
    identity = factory.LazyAttribute(lambda o: identity_of(o.namespace, o.name))
    first_seen_at = factory.LazyFunction(timezone.now)
    last_seen_at = factory.SelfAttribute("first_seen_at")


class DatasetAliasFactory(TenantFactory):
    class Meta:
        model = DatasetAlias

    pipeline = of_the_same_organization(PipelineFactory)
    alias = factory.Sequence(lambda n: f"alias_{n}")
    dataset = of_the_same_organization(DatasetFactory)


class DatasetColumnFactory(TenantFactory):
    class Meta:
        model = DatasetColumn

    dataset = of_the_same_organization(DatasetFactory)
    name = factory.Sequence(lambda n: f"column_{n}")
    first_seen_at = factory.LazyFunction(timezone.now)


class ColumnLinkFactory(TenantFactory):
    class Meta:
        model = ColumnLink

    pipeline = of_the_same_organization(PipelineFactory)
    from_dataset = of_the_same_organization(DatasetFactory)
    from_column = "order_id"
    to_dataset = of_the_same_organization(DatasetFactory)
    to_column = "order_id"
    origin = "declared"
    identity = factory.Sequence(lambda n: identity_of("column link", str(n)))
    valid_from = factory.LazyFunction(timezone.now)
    last_seen_at = factory.SelfAttribute("valid_from")


class LineageVersionFactory(TenantFactory):
    class Meta:
        model = LineageVersion


class ConnectionSecretFactory(TenantFactory):
    class Meta:
        model = ConnectionSecret

    connection = of_the_same_organization(ConnectionFactory)
    field = "password"
    key_id = "1"
    sealed = b"sealed"


class DataKeyFactory(TenantFactory):
    class Meta:
        model = DataKey

    key_id = "1"
    wrapped = b"wrapped"


class EventInboxFactory(TenantFactory):
    class Meta:
        model = EventInbox

    body = b"{}"
    kind = "run"
    event_time = factory.LazyFunction(timezone.now)
    state = "applied"
    received_at = factory.SelfAttribute("event_time")


class FacetFactory(TenantFactory):
    class Meta:
        model = Facet

    id = factory.LazyFunction(uuid7)
    content = {"query": "SELECT 1"}
    byte_count = 20


class FacetUseFactory(TenantFactory):
    class Meta:
        model = FacetUse

    subject_kind = "run"
    subject_id = factory.LazyFunction(uuid7)
    name = "sql"
    facet = of_the_same_organization(FacetFactory)
    event_time = factory.LazyFunction(timezone.now)


class AuditEventFactory(TenantFactory):
    class Meta:
        model = AuditEvent

    created_at = factory.LazyFunction(timezone.now)
    action = "pipeline.registered"
    actor_kind = "api_key"
    person_digest = hashlib.sha256(b"").digest()


class AuditPersonFactory(TenantFactory):
    class Meta:
        model = AuditPerson

    event = of_the_same_organization(AuditEventFactory)
    salt = b"0123456789abcdef"


class AuditSealFactory(TenantFactory):
    class Meta:
        model = AuditSeal

    sequence = factory.Sequence(lambda n: n + 1)
    event = of_the_same_organization(AuditEventFactory)
    mac = hashlib.sha256(b"").digest()
    key_id = "1"
    sealed_at = factory.LazyFunction(timezone.now)


class AuditSubjectFactory(TenantFactory):
    class Meta:
        model = AuditSubject

    event = of_the_same_organization(AuditEventFactory)
    salt = b"0123456789abcdef"


class AuditAnchorFactory(TenantFactory):
    class Meta:
        model = AuditAnchor

    sequence = factory.Sequence(lambda n: n + 1)
    link = hashlib.sha256(b"").digest()
    anchored_at = factory.LazyFunction(timezone.now)
    key_id = "1"
    signature = b"0" * 64


class KeptHistoryFactory(TenantFactory):
    class Meta:
        model = KeptHistory

    resource = "run_history_days"
    days = 180


class IdempotencyRecordFactory(TenantFactory):
    class Meta:
        model = IdempotencyRecord

    key = factory.Sequence(lambda n: f"request-{n}")
    request_digest = hashlib.sha256(b"").digest()
    status = 201


def tenant_models() -> list[Any]:
    return [
        model
        for model in apps.get_models()
        if any(isinstance(field, OrganizationKey) for field in model._meta.local_fields)
    ]


def factory_of(model: Any) -> Any:
    pending = [TenantFactory]
    while pending:
        factory_class = pending.pop()
        if factory_class._meta.model is model:
            return factory_class
        pending.extend(factory_class.__subclasses__())
    raise LookupError(f"{model.__name__} has no factory, so nothing proves its walls: add one to {__name__}")


def fill(organization: Any) -> dict[Any, Any]:
    """One row of every tenant model, and what these refer to."""
    with tenant_scope(organization):
        return {model: factory_of(model)(organization=organization) for model in tenant_models()}


def mirror(organization: Any, other: Any) -> None:
    """Gives `other` a twin of every tenant row of `organization`: same id, same names, same keys."""
    rows = {}
    with tenant_scope(organization):
        for model in tenant_models():
            rows[model] = list(model._base_manager.all())
    with tenant_scope(other):
        for model, found in rows.items():
            for row in found:
                row.organization_id = other.pk
            model._base_manager.bulk_create(found)


def fingerprint(organization: Any) -> dict[str, Any]:
    """The content of every row that belongs to the organization, by table."""
    tables = {model._meta.db_table: "true" for model in tenant_models()}
    tables |= dict.fromkeys(CONTROL_TABLES, f"organization_id = {organization.pk}")
    tables["orgs_organization"] = f"id = {organization.pk}"
    content = {}
    with tenant_scope(organization), connection.cursor() as cursor:
        for table, condition in sorted(tables.items()):
            cursor.execute(
                f"SELECT coalesce(array_agg(t::text ORDER BY t::text), '{{}}') FROM {table} t WHERE {condition}"
            )
            content[table] = cursor.fetchone()[0]
    return content
