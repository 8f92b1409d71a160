"""What an organization has is measured by the worker where something changed or was used."""

import datetime

import pytest
from django.utils import timezone

from orgs.actors import Actor
from orgs.audit import Action, record
from orgs.due import handler_of
from orgs.models import Due, Organization, UsageLevel
from orgs.services import due_work
from orgs.services.due_work import run_due_work
from orgs.services.usage import storage
from orgs.services.usage.levels import measure_usage
from orgs.services.usage.storage import measure_storage
from orgs.tenancy import tenant_scope
from tests.factories import ConnectionFactory, PipelineFactory, RunFactory, UsageLevelFactory


def measured(organization):
    with tenant_scope(organization):
        measure_usage()
    return UsageLevel.objects.filter(organization=organization).latest("day")


def stored(organization):
    with tenant_scope(organization):
        return measure_storage()


def test_levels_of_the_day_are_kept(acme, globex):
    PipelineFactory.create_batch(2, organization=acme)
    PipelineFactory(organization=globex)
    ConnectionFactory(organization=acme)
    level = measured(acme)
    assert (level.pipelines, level.connections) == (2, 1)
    assert level.day == timezone.now().date()
    assert level.storage_bytes > 0
    known = Organization.objects.get(pk=acme.pk).usage_levels
    assert known == {"pipelines": 2, "connections": 1, "storage_bytes": level.storage_bytes}


def test_a_later_measuring_of_the_day_replaces_the_earlier_one_but_for_storage(acme, monkeypatch):
    before = measured(acme)
    PipelineFactory(organization=acme)
    monkeypatch.setattr("orgs.services.usage.levels.measure_storage", lambda: 1 / 0)
    after = measured(acme)
    assert (after.pipelines, after.storage_bytes) == (1, before.storage_bytes)
    assert UsageLevel.objects.filter(organization=acme).count() == 1


def test_another_day_has_a_row_of_its_own(acme, monkeypatch):
    yesterday = timezone.now().date() - datetime.timedelta(days=1)
    UsageLevelFactory(organization=acme, day=yesterday, pipelines=7)
    measured(acme)
    levels = UsageLevel.objects.filter(organization=acme).order_by("day")
    assert [level.pipelines for level in levels] == [7, 0]


def test_measuring_changes_nothing_else_on_the_organization(acme):
    before = Organization.objects.get(pk=acme.pk).updated_at
    measured(acme)
    assert Organization.objects.get(pk=acme.pk).updated_at == before


@pytest.mark.django_db(transaction=True)
def test_the_worker_measures_what_was_changed(acme, monkeypatch):
    monkeypatch.setattr(due_work, "GRACE_SECONDS", 0)
    with tenant_scope(acme):
        record(Action.PIPELINE_UPDATED, Actor.system("test"), target_label="orders")
    run_due_work()  # seals, and marks
    run_due_work()
    assert UsageLevel.objects.filter(organization=acme).exists()
    assert not Due.objects.filter(organization=acme, kind__startswith="measure_usage").exists()


def test_the_marks_kinds_have_handlers():
    assert handler_of("measure_usage") is measure_usage


# Storage


def test_storage_grows_with_the_rows_and_is_the_organizations_own(acme, globex):
    pipeline = PipelineFactory(organization=acme)
    RunFactory.create_batch(10, organization=acme, pipeline=pipeline, error="x" * 1_000)
    few = stored(acme)
    RunFactory.create_batch(10, organization=acme, pipeline=pipeline, error="x" * 1_000)
    many = stored(acme)
    assert 10 * 1_000 < many - few < 10 * 2_000
    assert stored(globex) == 0


def test_a_value_that_postgresql_compresses_counts_compressed(acme):
    pipeline = PipelineFactory(organization=acme)
    before = stored(acme)
    RunFactory(organization=acme, pipeline=pipeline, error="x" * 9_000)
    assert stored(acme) - before < 2_000


def test_beyond_what_is_counted_exactly_the_planner_is_asked(acme, monkeypatch):
    pipeline = PipelineFactory(organization=acme)
    RunFactory.create_batch(20, organization=acme, pipeline=pipeline)
    exact = stored(acme)
    monkeypatch.setattr(storage, "COUNTED_EXACTLY", 5)
    assert stored(acme) >= exact // 4
