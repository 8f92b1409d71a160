"""System checks refuse a model that would not stand behind the walls, before it has a table."""

from __future__ import annotations

import pytest
from django.db import models
from django.test.utils import isolate_apps

from catalog.models import Pipeline
from dataxpipe.postgres.fields import OrganizationKey, UUID7Key
from orgs.checks import check_tenant_models, defects
from orgs.models import Organization, User
from orgs.tenancy import TenantModel


class Toy(TenantModel):
    id = UUID7Key()
    name = models.CharField(max_length=9)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


def numbers(model) -> list[str]:
    return [message.id for message in defects(model)]


@pytest.fixture(autouse=True)
def no_registry():
    with isolate_apps("orgs"):
        yield


def test_the_models_there_are_have_no_defect():
    assert check_tenant_models() == []


def test_a_plain_tenant_model_has_none():
    class Good(Toy):
        class Meta:
            app_label = "orgs"
            constraints = [models.UniqueConstraint(fields=["organization", "name"], name="good")]
            indexes = [models.Index(fields=["organization", "name"], name="good_index")]

    assert numbers(Good) == []


def test_an_automatic_link_table():
    class Linked(Toy):
        others = models.ManyToManyField("self")

        class Meta:
            app_label = "orgs"

    assert numbers(Linked) == ["orgs.E001"]


def test_a_unique_column():
    class Unique(Toy):
        slug = models.CharField(max_length=9, unique=True)

        class Meta:
            app_label = "orgs"

    assert numbers(Unique) == ["orgs.E002"]


def test_a_one_to_one_key():
    class OneToOne(Toy):
        pipeline = models.OneToOneField(Pipeline, on_delete=models.DO_NOTHING)

        class Meta:
            app_label = "orgs"

    assert numbers(OneToOne) == ["orgs.E002"]


def test_a_constraint_that_does_not_start_with_the_organization():
    class Unscoped(Toy):
        class Meta:
            app_label = "orgs"
            constraints = [models.UniqueConstraint(fields=["name"], name="unscoped")]
            unique_together = [("name", "organization")]

    assert numbers(Unscoped) == ["orgs.E003", "orgs.E003"]


def test_an_index_that_does_not_start_with_the_organization():
    class Unscoped(Toy):
        class Meta:
            app_label = "orgs"
            indexes = [models.Index(fields=["name"], name="unscoped_index")]

    assert numbers(Unscoped) == ["orgs.E004"]


def test_an_organization_without_a_wall():
    class Forgotten(models.Model):
        organization = models.ForeignKey(Organization, on_delete=models.PROTECT)

        class Meta:
            app_label = "orgs"

        def __str__(self) -> str:
            return ""

    assert numbers(Forgotten) == ["orgs.E005"]


def test_a_manager_that_reads_every_organization():
    class Open(Toy):
        everything = models.Manager()

        class Meta:
            app_label = "orgs"

    assert numbers(Open) == ["orgs.E006"]


def test_a_tenant_table_without_the_tenant_model():
    class Bare(models.Model):
        id = UUID7Key()
        organization = OrganizationKey()

        class Meta:
            app_label = "orgs"

        def __str__(self) -> str:
            return ""

    assert set(numbers(Bare)) == {"orgs.E006"}


def test_a_key_that_leads_out_of_the_organization():
    class Owned(Toy):
        created_by = models.ForeignKey(User, on_delete=models.DO_NOTHING)

        class Meta:
            app_label = "orgs"

    assert numbers(Owned) == ["orgs.E007"]
