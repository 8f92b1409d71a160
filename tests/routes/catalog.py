from tests.factories import DatasetFactory, PipelineFactory
from tests.routes import READ_CATALOG, Id, Route

pipeline_id = Id(lambda organization: PipelineFactory(organization=organization).id)
pipeline_name = Id(lambda organization: PipelineFactory(organization=organization).name, lambda: "no_such_pipeline")
dataset_id = Id(lambda organization: DatasetFactory(organization=organization).id)
dataset_name = Id(lambda organization: DatasetFactory(organization=organization).name, lambda: "no_such_dataset")

ROUTES = [
    Route("GET /api/v1/lineage/graph", READ_CATALOG, query={"pipeline": pipeline_id}),
    Route("GET /api/v1/lineage/graph", READ_CATALOG, query={"pipeline": pipeline_name}),
    Route("GET /api/v1/lineage/graph", READ_CATALOG, query={"dataset": dataset_id}),
    Route("GET /api/v1/lineage/graph", READ_CATALOG, query={"dataset": dataset_name}),
]
