from tests.factories import ConnectionFactory, DatasetFactory, PipelineFactory, RunFactory, StepFactory
from tests.factories.openlineage import parent, run_event
from tests.factories.rows import DatasetAliasFactory, DiscoveredPipelineFactory, PipelineVersionFactory
from tests.routes import ADMINISTER, ANYBODY, INGEST, PLAN, READ_CATALOG, WRITE_CATALOG, WRITE_CONNECTIONS, Id, Route

pipeline_id = Id(lambda organization: PipelineFactory(organization=organization).id)
pipeline_name = Id(lambda organization: PipelineFactory(organization=organization).name, lambda: "no_such_pipeline")
versioned = Id(lambda organization: PipelineVersionFactory(organization=organization, version="1").pipeline_id)
first_version = Id(lambda organization: PipelineVersionFactory(organization=organization, number=1).pipeline_id)
with_step = Id(lambda organization: StepFactory(organization=organization).pipeline_id)
discovered = Id(lambda organization: DiscoveredPipelineFactory(organization=organization).id)
dataset_id = Id(lambda organization: DatasetFactory(organization=organization).id)
dataset_name = Id(lambda organization: DatasetFactory(organization=organization).name, lambda: "no_such_dataset")
connection = Id(lambda organization: ConnectionFactory(organization=organization).slug, lambda: "no-such-connection")
alias = Id(lambda organization: DatasetAliasFactory(organization=organization).alias, lambda: "no_such_alias")
run_id = Id(lambda organization: RunFactory(organization=organization).id)


def pipeline_called_batch(organization):
    PipelineFactory(organization=organization, name="batch")


def free_name(factory_class, field: str) -> Id:
    """A name that acme may still take, though globex has it."""

    def make(organization):
        if organization.slug == "acme":
            return "acmes_own"
        return getattr(factory_class(organization=organization), field)

    return Id(make, lambda: "nobodys_yet")


def spec(name="orders_sync", connection_ref=connection):
    facts = {"description": "Orders", "owner": "data", "environment": "production", "schedule": None}
    source = {"id": "raw", "type": "postgres", "object": "shop.orders", "load_mode": "full"}
    return {"pipeline": {"name": name, **facts}, "sources": [{**source, "connection_ref": connection_ref}]}


config = {"host": "warehouse.example.com", "port": 5432, "database": "analytics", "user": "reader"}

ROUTES = [
    Route("GET /api/v1/pipelines/", READ_CATALOG),
    Route("POST /api/v1/pipelines/", WRITE_CATALOG, body=spec()),
    Route("POST /api/v1/pipelines/", WRITE_CATALOG, body=spec(free_name(PipelineFactory, "name"))),
    Route("POST /api/v1/pipelines/", PLAN, query={"dry_run": "true"}, body=spec()),
    Route("POST /api/v1/pipelines/batch", WRITE_CATALOG, body=[spec()]),
    Route("GET /api/v1/pipelines/batch", READ_CATALOG, prepare=pipeline_called_batch),
    Route("PATCH /api/v1/pipelines/batch", WRITE_CATALOG, body={"archived": True}, prepare=pipeline_called_batch),
    Route("DELETE /api/v1/pipelines/batch", ADMINISTER, prepare=pipeline_called_batch),
    Route("GET /api/v1/pipelines/{name}", READ_CATALOG, name=pipeline_id),
    Route("GET /api/v1/pipelines/{name}", READ_CATALOG, name=pipeline_name),
    Route("PATCH /api/v1/pipelines/{name}", WRITE_CATALOG, name=pipeline_id, body={"archived": True}),
    Route("DELETE /api/v1/pipelines/{name}", ADMINISTER, name=pipeline_id),
    Route("GET /api/v1/pipelines/{name}/versions/", READ_CATALOG, name=versioned),
    Route("GET /api/v1/pipelines/{name}/versions/{version}", READ_CATALOG, name=versioned, version="1"),
    Route("GET /api/v1/pipelines/{name}/versions/{a}/diff/{b}", READ_CATALOG, name=versioned, a="1", b="1"),
    Route("GET /api/v1/pipelines/{name}/steps/", READ_CATALOG, name=with_step),
    Route("GET /api/v1/pipelines/discovered", READ_CATALOG),
    Route("POST /api/v1/pipelines/discovered/{id}/admit", WRITE_CATALOG, id=discovered),
    Route("POST /api/v1/pipelines/discovered/{id}/ignore", WRITE_CATALOG, id=discovered),
    Route("DELETE /api/v1/pipelines/discovered/{id}/ignore", WRITE_CATALOG, id=discovered),
    Route("POST /api/v1/plan", PLAN, body=[spec()]),
    Route("POST /api/v1/plan", PLAN, body=spec(free_name(PipelineFactory, "name"))),
    Route("GET /api/v1/datasets/", READ_CATALOG),
    Route("GET /api/v1/datasets/{id}", READ_CATALOG, id=dataset_id),
    Route("GET /api/v1/datasets/{id}", READ_CATALOG, id=dataset_name),
    Route("GET /api/v1/schemas/pipeline.json", ANYBODY),
    Route("GET /api/v1/schemas/connections/{type}.json", ANYBODY, type="postgres"),
    Route("GET /api/v1/datasets/{id}", READ_CATALOG, id=alias),
    Route("GET /api/v1/connections/", READ_CATALOG),
    Route(
        "POST /api/v1/connections/",
        WRITE_CONNECTIONS,
        body={"id": free_name(ConnectionFactory, "slug"), "type": "postgres", "config": config},
    ),
    Route("GET /api/v1/connections/{id}", READ_CATALOG, id=connection),
    Route("PATCH /api/v1/connections/{id}", WRITE_CONNECTIONS, id=connection, body={"description": "new"}),
    Route("DELETE /api/v1/connections/{id}", WRITE_CONNECTIONS, id=connection),
    Route("POST /api/v1/lineage", INGEST, body=run_event(run=run_id)),
    Route("POST /api/v1/lineage", INGEST, body=run_event(run_facets={"parent": parent("orders", run_id)})),
    Route("POST /api/v1/lineage/batch", INGEST, body=[run_event(run=run_id)]),
    Route("GET /api/v1/lineage/graph", READ_CATALOG, query={"pipeline": pipeline_id}),
    Route("GET /api/v1/lineage/graph", READ_CATALOG, query={"pipeline": pipeline_name}),
    Route("GET /api/v1/lineage/graph", READ_CATALOG, query={"dataset": dataset_id}),
    Route("GET /api/v1/lineage/graph", READ_CATALOG, query={"dataset": dataset_name}),
    Route("GET /api/v1/runs/", READ_CATALOG, query={"pipeline": pipeline_id, "run_id": run_id}),
    Route("GET /api/v1/runs/", READ_CATALOG, query={"pipeline": pipeline_name}),
    Route("POST /api/v1/runs/", INGEST, body={"pipeline_id": pipeline_id, "status": "success", "run_id": "daily"}),
    Route("POST /api/v1/runs/", INGEST, body={"pipeline_id": pipeline_name, "status": "success", "run_id": "daily"}),
    Route(
        "POST /api/v1/runs/",
        INGEST,
        body={
            "pipeline_id": pipeline_id,
            "status": "success",
            "finished_at": "2026-03-01T06:00:00Z",
            "run_id": "r",
            "step": "load",
            "parent_run_id": run_id,
        },
    ),
    Route("GET /api/v1/runs/{run}", READ_CATALOG, run=run_id),
    Route("PATCH /api/v1/runs/{run}", INGEST, run=run_id, body={"status": "failed"}),
    Route("GET /api/v1/pipelines/{pipeline}/runs/", READ_CATALOG, pipeline=pipeline_id),
    Route("GET /api/v1/pipelines/{pipeline}/checks/", READ_CATALOG, pipeline=pipeline_name),
    Route("GET /api/v1/checks/", READ_CATALOG, query={"pipeline": pipeline_id, "dataset": dataset_id}),
    Route("GET /api/v1/checks/results", READ_CATALOG, query={"pipeline": pipeline_name, "run_id": run_id}),
    Route("GET /api/v1/checks/results", READ_CATALOG, query={"dataset": dataset_id}),
    Route(
        "POST /api/v1/checks/results",
        INGEST,
        body={"pipeline_id": pipeline_id, "check_id": "not_null", "status": "fail", "dataset": dataset_id},
    ),
    Route(
        "POST /api/v1/checks/results",
        INGEST,
        body=[{"pipeline_id": pipeline_name, "check_id": "not_null", "status": "fail", "run_id": "daily"}],
    ),
    Route("GET /o/{slug}/", READ_CATALOG),
    Route("GET /o/{slug}/search/", READ_CATALOG, query={"q": pipeline_name}),
    Route("GET /o/{slug}/search/", READ_CATALOG, query={"q": run_id}),
    Route("GET /o/{slug}/pipelines/", READ_CATALOG),
    Route("GET /o/{slug}/pipelines/discovered/", READ_CATALOG),
    Route("POST /o/{slug}/pipelines/discovered/{discovered}/admit/", WRITE_CATALOG, discovered=discovered),
    Route("POST /o/{slug}/pipelines/discovered/{discovered}/ignore/", WRITE_CATALOG, discovered=discovered),
    Route("POST /o/{slug}/pipelines/discovered/{discovered}/heed/", WRITE_CATALOG, discovered=discovered),
    Route("GET /o/{slug}/pipelines/by-name/", READ_CATALOG, query={"name": pipeline_name}),
    Route("GET /o/{slug}/pipelines/{pipeline_id}/", READ_CATALOG, pipeline_id=pipeline_id),
    Route("GET /o/{slug}/pipelines/{pipeline_id}/runs/", READ_CATALOG, pipeline_id=pipeline_id),
    Route("GET /o/{slug}/pipelines/{pipeline_id}/checks/", READ_CATALOG, pipeline_id=pipeline_id),
    Route("GET /o/{slug}/pipelines/{pipeline_id}/versions/", READ_CATALOG, pipeline_id=versioned),
    Route(
        "GET /o/{slug}/pipelines/{pipeline_id}/versions/{before}/diff/{after}/",
        READ_CATALOG,
        pipeline_id=first_version,
        before=1,
        after=1,
    ),
    Route("GET /o/{slug}/pipelines/{pipeline_id}/spec/", READ_CATALOG, pipeline_id=pipeline_id),
    Route("GET /o/{slug}/pipelines/{pipeline_id}/settings/", READ_CATALOG, pipeline_id=pipeline_id),
    Route("POST /o/{slug}/pipelines/{pipeline_id}/archive/", WRITE_CATALOG, pipeline_id=pipeline_id),
    Route("POST /o/{slug}/pipelines/{pipeline_id}/unarchive/", WRITE_CATALOG, pipeline_id=pipeline_id),
    Route("POST /o/{slug}/pipelines/{pipeline_id}/delete/", ADMINISTER, pipeline_id=pipeline_id),
    Route("GET /o/{slug}/runs/", READ_CATALOG),
    Route("GET /o/{slug}/runs/{run_id}/", READ_CATALOG, run_id=run_id),
    Route("GET /o/{slug}/datasets/", READ_CATALOG),
    Route("GET /o/{slug}/datasets/{dataset_id}/", READ_CATALOG, dataset_id=dataset_id),
    Route("GET /o/{slug}/lineage/", READ_CATALOG, query={"pipeline": pipeline_id}),
    Route("GET /o/{slug}/lineage/", READ_CATALOG, query={"dataset": dataset_id}),
    Route("GET /o/{slug}/lineage/", READ_CATALOG, query={"start": dataset_name}),
    Route("GET /o/{slug}/lineage/starts/", READ_CATALOG, query={"start": dataset_name}),
    Route("GET /o/{slug}/checks/", READ_CATALOG),
    Route("GET /o/{slug}/connections/", READ_CATALOG),
]
