"""The real `openlineage-python` client, told by its two environment variables alone, against a live server."""

from __future__ import annotations

import datetime

import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, JobEvent, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import job_type_job, schema_dataset
from openlineage.client.transport.http import HttpTransport

from catalog import models
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories import OrganizationFactory
from tests.factories.openlineage import run_id

PRODUCER = "https://acme.example/etl"


@pytest.fixture
def organization(transactional_db):
    return OrganizationFactory(slug="acme")


@pytest.fixture
def client(organization, live_server, monkeypatch):
    monkeypatch.setenv("OPENLINEAGE_URL", live_server.url)
    monkeypatch.setenv("OPENLINEAGE_API_KEY", api_of(organization, scopes=["ingest:write"]).api_key.text)
    client = OpenLineageClient()
    assert isinstance(client.transport, HttpTransport)
    yield client
    client.close()


def event(state, minute, **sides):
    columns = [schema_dataset.SchemaDatasetFacetFields(name="id", type="bigint")]
    facets = {"schema": schema_dataset.SchemaDatasetFacet(fields=columns)}
    kind = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="PYTHON", jobType="JOB")
    return RunEvent(
        eventType=state,
        eventTime=datetime.datetime(2026, 3, 2, 6, minute, tzinfo=datetime.UTC).isoformat(),
        run=Run(runId=run_id("client")),
        job=Job(namespace="etl", name="orders", facets={"jobType": kind}),
        inputs=[InputDataset(namespace="postgres://db:5432", name="shop.public.orders", facets=facets)],
        outputs=[OutputDataset(namespace="s3://lake", name="orders")] if state == RunState.COMPLETE else [],
        producer=PRODUCER,
    )


def test_what_the_client_emits_is_seen_as_a_run_with_lineage(client, organization):
    client.emit(event(RunState.START, 0))
    client.emit(event(RunState.COMPLETE, 5))
    client.emit(
        JobEvent(
            eventTime="2026-03-02T06:06:00Z",
            job=Job(namespace="etl", name="orders"),
            outputs=[OutputDataset(namespace="s3://lake", name="report")],
            producer=PRODUCER,
        )
    )
    with tenant_scope(organization):
        run = models.Run.objects.select_related("pipeline").get()
        assert (run.pipeline.name, run.status, run.duration_seconds) == ("orders", "success", 300)
        links = models.LineageLink.objects.order_by("dataset__name").values_list("dataset__name", "direction")
        assert list(links) == [("orders", "writes"), ("report", "writes"), ("shop.public.orders", "reads")]
        assert models.DatasetColumn.objects.get().name == "id"
