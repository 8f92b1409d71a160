"""Valid rows by default. Tenant factories take `organization=` and enter its scope for the moment of creation."""

from __future__ import annotations

import secrets
from typing import Any

import factory
from django.utils import timezone

from catalog.models import (
    Check,
    CheckResult,
    Connection,
    Dataset,
    LineageLink,
    Pipeline,
    Run,
    Step,
    identity_of,
)
from orgs import keys
from orgs.models import (
    NO_KEY,
    ApiKey,
    Invitation,
    Membership,
    Organization,
    TrustedPublisher,
    UsageCount,
    UsageLevel,
    User,
)
from orgs.permissions import SCOPES
from orgs.services.invitations import VALID_FOR, digest_of
from orgs.tenancy import tenant_scope


class OrganizationFactory(factory.django.DjangoModelFactory[Organization]):
    class Meta:
        model = Organization

    slug = factory.Sequence(lambda n: f"organization-{n}")
    name = factory.LazyAttribute(lambda o: o.slug.title())
    plan_name = "team"


class UserFactory(factory.django.DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"person-{n}@example.com")
    email_confirmed_at = factory.LazyFunction(timezone.now)
    password = factory.django.Password("correct horse battery")


class MembershipFactory(factory.django.DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    organization = factory.SubFactory(OrganizationFactory)
    user = factory.SubFactory(UserFactory)
    role = "owner"


class ApiKeyFactory(factory.django.DjangoModelFactory[ApiKey]):
    """`api_key.text` holds the key itself, as the one who made it would have seen it once."""

    class Meta:
        model = ApiKey

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence(lambda n: f"key-{n}")
    scopes = list(SCOPES)
    created_by_label = "alice"

    @classmethod
    def _create(cls, model_class: type[ApiKey], *args: Any, **kwargs: Any) -> ApiKey:
        new = keys.generate()
        fields = {
            "digest": new.digest,
            "first_characters": new.first_characters,
            "last_characters": new.last_characters,
        }
        api_key = super()._create(model_class, *args, **{**fields, **kwargs})
        api_key.text = new.text  # type: ignore[attr-defined]
        return api_key


class TrustedPublisherFactory(factory.django.DjangoModelFactory[TrustedPublisher]):
    class Meta:
        model = TrustedPublisher

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence(lambda n: f"publisher-{n}")
    issuer = "https://token.actions.githubusercontent.com"
    audience = "https://catalog.example.com"
    subject_pattern = factory.Sequence(lambda n: f"repo:acme/data-{n}:ref:refs/heads/main")
    scopes = ["plan:read"]
    created_by_label = "alice"


class InvitationFactory(factory.django.DjangoModelFactory[Invitation]):
    """`invitation.token` is what stands in the mailed link."""

    class Meta:
        model = Invitation

    organization = factory.SubFactory(OrganizationFactory)
    email = factory.Sequence(lambda n: f"invited-{n}@example.com")
    role = "viewer"
    invited_by_label = "alice"
    expires_at = factory.LazyFunction(lambda: timezone.now() + VALID_FOR)

    @classmethod
    def _create(cls, model_class: type[Invitation], *args: Any, **kwargs: Any) -> Invitation:
        token = secrets.token_urlsafe(32)
        invitation = super()._create(model_class, *args, **{"digest": digest_of(token), **kwargs})
        invitation.token = token  # type: ignore[attr-defined]
        return invitation


class TenantFactory(factory.django.DjangoModelFactory[Any]):
    class Meta:
        abstract = True

    organization = factory.SubFactory(OrganizationFactory)

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Any:
        with tenant_scope(kwargs["organization"]):
            instance = model_class(*args, **kwargs)
            instance.save()
        return instance


class PipelineFactory(TenantFactory):
    class Meta:
        model = Pipeline

    name = factory.Sequence(lambda n: f"pipeline_{n}")
    description = "Sync orders"
    owner = "commerce-data"
    environment = "production"
    schedule = "0 6 * * *"


class StepFactory(TenantFactory):
    class Meta:
        model = Step

    pipeline = factory.SubFactory(PipelineFactory, organization=factory.SelfAttribute("..organization"))
    name = factory.Sequence(lambda n: f"step_{n}")
    identity = factory.LazyAttribute(lambda o: identity_of("", o.name))


class RunFactory(TenantFactory):
    class Meta:
        model = Run

    pipeline = factory.SubFactory(PipelineFactory, organization=factory.SelfAttribute("..organization"))
    run_id = factory.Sequence(lambda n: f"run-{n}")
    status = "success"
    reported_status = factory.SelfAttribute("status")
    occurred_at = factory.LazyFunction(timezone.now)


class DatasetFactory(TenantFactory):
    class Meta:
        model = Dataset

    namespace = "postgres://warehouse:5432"
    name = factory.Sequence(lambda n: f"analytics.public.table_{n}")
    identity = factory.LazyAttribute(lambda o: identity_of(o.namespace, o.name))
    search_text = factory.LazyAttribute(lambda o: f"{o.name} {o.namespace}".lower())


class LineageLinkFactory(TenantFactory):
    class Meta:
        model = LineageLink

    pipeline = factory.SubFactory(PipelineFactory, organization=factory.SelfAttribute("..organization"))
    dataset = factory.SubFactory(DatasetFactory, organization=factory.SelfAttribute("..organization"))
    direction = "reads"
    origin = "declared"
    valid_from = factory.LazyFunction(timezone.now)
    last_seen_at = factory.LazyFunction(timezone.now)


class ConnectionFactory(TenantFactory):
    class Meta:
        model = Connection

    slug = factory.Sequence(lambda n: f"connection-{n}")
    type = "postgres"
    config = {"host": "warehouse.example.com", "port": 5432, "database": "analytics", "user": "reader"}


class CheckFactory(TenantFactory):
    class Meta:
        model = Check

    pipeline = factory.SubFactory(PipelineFactory, organization=factory.SelfAttribute("..organization"))
    check_id = factory.Sequence(lambda n: f"check_{n}")
    identity = factory.LazyAttribute(lambda o: identity_of("", "", o.check_id))
    origin = "spec"


class CheckResultFactory(TenantFactory):
    class Meta:
        model = CheckResult

    check_rule = factory.SubFactory(CheckFactory, organization=factory.SelfAttribute("..organization"))
    pipeline = factory.SelfAttribute("check_rule.pipeline")
    status = "pass"
    severity = "error"
    executed_at = factory.LazyFunction(timezone.now)


class UsageCountFactory(factory.django.DjangoModelFactory[UsageCount]):
    class Meta:
        model = UsageCount

    organization = factory.SubFactory(OrganizationFactory)
    starts_at = factory.LazyFunction(lambda: timezone.now().replace(minute=0, second=0, microsecond=0))
    period = "hour"
    api_key_id = NO_KEY
    api_requests = 1


class UsageLevelFactory(factory.django.DjangoModelFactory[UsageLevel]):
    class Meta:
        model = UsageLevel

    organization = factory.SubFactory(OrganizationFactory)
    day = factory.LazyFunction(lambda: timezone.now().date())
    pipelines = 4
    connections = 2
    storage_bytes = 1_000_000
