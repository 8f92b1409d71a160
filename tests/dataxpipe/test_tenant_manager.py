"""The first wall: a manager that knows one organization, and neither asks nor writes for another."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import Count
from django.test.utils import CaptureQueriesContext

from catalog.models import Pipeline, PipelineTag, Run
from orgs.models import Organization
from orgs.tenancy import TenantScopeRequired, tenant_scope
from tests.factories import PipelineFactory, RunFactory


def test_every_query_names_the_organization(acme):
    with tenant_scope(acme), CaptureQueriesContext(connection) as queries:
        list(Pipeline.objects.active().filter(name="x"))
        Pipeline.objects.filter(name="x").update(description="y")
        Pipeline.objects.filter(name="x").delete()
        Pipeline.objects.count()
    asked = [query["sql"] for query in queries if "catalog_pipeline" in query["sql"]]
    assert len(asked) >= 4
    assert all(f'"organization_id" = {acme.pk}' in sql for sql in asked)


def test_a_row_gets_the_bound_organization_however_it_is_inserted(acme):
    with tenant_scope(acme):
        saved = Pipeline(name="saved")
        saved.save()
        made, _ = Pipeline.objects.get_or_create(name="made", defaults={"description": ""})
        [bulk] = PipelineTag.objects.bulk_create([PipelineTag(tag="a", pipeline=saved)])
        related = saved.tag_links.create(tag="b")
    assert {row.organization_id for row in (saved, made, bulk, related)} == {acme.pk}


def test_outside_of_a_scope_it_raises(db):
    for ask in (
        Pipeline.objects.all,
        Pipeline.objects.count,
        Pipeline.objects.active,
        lambda: Pipeline.objects.create(name="x"),
        lambda: Pipeline.objects.raw("SELECT 1"),
        lambda: Pipeline(name="x").save(),
        lambda: Pipeline(name="x").delete(),
        lambda: Pipeline.objects.bulk_create([Pipeline(name="x")]),
    ):
        with pytest.raises(TenantScopeRequired):
            ask()


EVALUATIONS = {
    "list": list,
    "len": len,
    "bool": bool,
    "count": lambda rows: rows.count(),
    "exists": lambda rows: rows.exists(),
    "iterator": lambda rows: list(rows.iterator()),
    "values": lambda rows: list(rows.values("name")),
    "aggregate": lambda rows: rows.aggregate(n=Count("pk")),
    "in_bulk": lambda rows: rows.in_bulk(),
    "update": lambda rows: rows.update(name="x"),
    "delete": lambda rows: rows.delete(),
}


@pytest.mark.parametrize("evaluate", EVALUATIONS.values(), ids=EVALUATIONS)
def test_a_queryset_of_one_scope_is_not_evaluated_in_another_or_in_none(acme, globex, evaluate):
    with tenant_scope(acme):
        rows = Pipeline.objects.filter(name="x")
    with pytest.raises(TenantScopeRequired):
        evaluate(rows)
    with tenant_scope(globex), pytest.raises(TenantScopeRequired):
        evaluate(rows)


def test_it_cannot_be_told_of_another_organization(acme, globex):
    PipelineFactory(organization=globex)
    with tenant_scope(acme):
        assert not Pipeline.objects.filter(organization=globex).exists()
        with pytest.raises(TenantScopeRequired):
            list(Pipeline.objects.of(globex.pk))
        with pytest.raises(TenantScopeRequired):
            Pipeline.objects.create(name="x", organization=globex)


def test_a_subquery_of_another_scope_finds_nothing(acme, globex):
    PipelineFactory(organization=globex, name="same")
    PipelineFactory(organization=acme, name="same")
    with tenant_scope(globex):
        theirs = Pipeline.objects.values("name")
    with tenant_scope(acme):
        assert not Pipeline.objects.filter(name__in=theirs).exists()


def test_the_row_of_another_organization_is_neither_saved_nor_deleted(acme, globex):
    theirs = PipelineFactory(organization=globex)
    with tenant_scope(acme):
        for write in (theirs.save, theirs.delete, lambda: Pipeline.objects.bulk_update([theirs], ["name"])):
            with pytest.raises(TenantScopeRequired):
                write()


def test_a_related_manager_is_scoped_too(acme, globex):
    run = RunFactory(organization=acme)
    with tenant_scope(acme):
        assert list(run.pipeline.runs.all()) == [run]
    with tenant_scope(globex):
        assert list(run.pipeline.runs.all()) == []
    with pytest.raises(TenantScopeRequired):
        list(run.pipeline.runs.all())


def test_the_base_manager_stays_plain_and_stands_behind_the_second_wall(acme, globex):
    run = RunFactory(organization=acme)
    assert Run._base_manager.count() == 0
    with tenant_scope(globex):
        assert Run._base_manager.count() == 0
    with tenant_scope(acme):
        assert Run._base_manager.get() == run


def test_control_tables_are_looked_up_outside_and_closed_inside_a_scope(acme, globex):
    assert Organization.objects.filter(pk__in=[acme.pk, globex.pk]).count() == 2
    with tenant_scope(acme):
        assert list(Organization.objects.all()) == [acme]
