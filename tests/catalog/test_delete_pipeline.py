"""Deleting hides a pipeline at once and removes its rows in batches."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.utils import timezone

from catalog.models import CheckResult, Dataset, Pipeline, PipelineJob, Run
from catalog.services.purges import purge_pipelines
from orgs.due import handler_of
from orgs.models import AuditEvent, Due
from orgs.tenancy import TenantModel, tenant_scope
from tests.conftest import api_of
from tests.factories import CheckResultFactory, PipelineFactory, RunFactory, StepFactory
from tests.factories.specs import connections_of_spec, pipeline_spec, small_spec

URL = "/api/v1/pipelines/"


@pytest.fixture
def deleted(api, acme):
    """A registered pipeline with rows in every table that refers to it, deleted; another that stays."""
    connections_of_spec(acme)
    api.post(URL, pipeline_spec(openlineage=[{"namespace": "airflow", "job": "orders"}]))
    api.post(URL, small_spec("stays"))
    with tenant_scope(acme):
        pipeline, stays = Pipeline.objects.get(name="orders_sync"), Pipeline.objects.get(name="stays")
    parent = RunFactory(organization=acme, pipeline=pipeline)
    RunFactory(organization=acme, pipeline=pipeline, parent_run=parent)
    RunFactory(organization=acme, pipeline=stays, parent_run=parent)
    RunFactory(organization=acme, pipeline=pipeline, step=StepFactory(organization=acme, pipeline=pipeline))
    CheckResultFactory(organization=acme, check_rule__pipeline=pipeline, run=parent)
    response = api.delete(f"{URL}orders_sync")
    assert response.status_code == 202
    assert response.content == b""
    return pipeline


def test_a_deleted_pipeline_is_hidden_at_once(api, deleted):
    assert api.get(f"{URL}orders_sync").status_code == 404
    assert api.get(f"{URL}{deleted.pk}").status_code == 404
    assert api.delete(f"{URL}orders_sync").status_code == 404
    assert [row["name"] for row in api.get(f"{URL}?archived=all").json()["results"]] == ["stays"]


def test_its_runs_and_checks_are_hidden_with_it(api, acme, deleted):
    with tenant_scope(acme):
        run = Run.objects.filter(pipeline=deleted).first()
        assert CheckResult.objects.filter(pipeline=deleted).exists()
    listed = [f"/api/v1/{name}" for name in ("runs/", f"runs/?run_id={run.pk}", "checks/", "checks/results")]
    for url in listed:
        assert str(deleted.pk) not in api.get(url).content.decode(), url
    assert api.get(f"/api/v1/runs/{run.pk}").status_code == 404
    assert api.patch(f"/api/v1/runs/{run.pk}", {"status": "failed"}).status_code == 404


def test_its_name_and_its_jobs_are_free_again(api, acme, deleted):
    response = api.post(URL, pipeline_spec(openlineage=[{"namespace": "airflow", "job": "orders"}]))
    assert response.status_code == 201
    assert response.json()["created"] is True
    assert response.json()["pipeline"]["id"] != str(deleted.pk)
    with tenant_scope(acme):
        assert PipelineJob.objects.count() == 1


def test_deleting_is_remembered_and_leaves_work(api, acme, deleted):
    with tenant_scope(acme):
        event = AuditEvent.objects.get(action="pipeline.deleted")
        assert event.before == {"namespace": "default", "name": "orders_sync", "version": "1.0.0"}
    assert Due.objects.filter(organization=acme, kind="purge_pipelines").exists()


def test_its_connection_may_go(api, deleted):
    assert api.delete("/api/v1/connections/pg-raw").status_code == 204


def of_pipelines():
    """Every model that refers to a pipeline."""
    for model in apps.get_models():
        if issubclass(model, TenantModel):
            for field in model._meta.fields:
                if field.related_model is Pipeline:
                    yield model, field.name


def rows_of(pipeline):
    found = {}
    for model, name in of_pipelines():
        count = model.objects.filter(**{name: pipeline.pk}).count()
        if count:
            found[model.__name__] = count
    return found


@pytest.mark.parametrize("batch", [1, 2_000])
def test_purging_removes_everything_of_it_and_nothing_else(acme, deleted, batch):
    for _ in range(100):
        with tenant_scope(acme):
            if not purge_pipelines(batch=batch):
                break
    with tenant_scope(acme):
        assert [pipeline.name for pipeline in Pipeline.objects.all()] == ["stays"]
        assert rows_of(deleted) == {}
        assert Run.objects.get().parent_run_id is None
        assert Dataset.objects.count() == 2


def test_every_table_of_a_pipeline_is_covered_by_that_test(acme, deleted):
    with tenant_scope(acme):
        assert {model.__name__ for model, _ in of_pipelines()} == {*rows_of(deleted), "PipelineJob"}


def test_the_worker_goes_on_until_nothing_is_left(acme, deleted, monkeypatch):
    monkeypatch.setattr("catalog.services.purges.purge_pipelines", lambda: False)
    handler = handler_of("purge_pipelines")
    Due.objects.all().delete()
    with tenant_scope(acme):
        handler()
    assert not Due.objects.filter(kind="purge_pipelines").exists()
    monkeypatch.setattr("catalog.services.purges.purge_pipelines", lambda: True)
    with tenant_scope(acme):
        handler()
    assert Due.objects.filter(kind="purge_pipelines").exists()


def test_other_organizations_deleted_pipelines_wait_for_their_own_turn(acme, globex):
    PipelineFactory(organization=globex, deleted_at=timezone.now())
    with tenant_scope(acme):
        assert purge_pipelines() is False
    with tenant_scope(globex):
        assert Pipeline.objects.count() == 1


def test_deleting_needs_the_right_to_administer(acme):
    PipelineFactory(organization=acme, name="orders")
    api = api_of(acme, scopes=["catalog:read", "catalog:write", "connections:write"])
    assert api.delete(f"{URL}orders").status_code == 403


def test_another_organizations_pipeline_is_as_unknown_as_none(api, globex_api, acme):
    pipeline = PipelineFactory(organization=acme, name="orders")
    foreign, unknown = globex_api.delete(f"{URL}{pipeline.pk}"), globex_api.delete(f"{URL}nothing")
    assert (foreign.status_code, foreign.json()) == (404, unknown.json())
    assert api.get(f"{URL}orders").status_code == 200
