from django.urls import URLPattern, URLResolver, include, path

from catalog.views import checks, connections, datasets, discovered, lineage, overview, pipeline, pipelines, run, search

one_pipeline: list[URLPattern | URLResolver] = [
    path("", pipeline.overview, name="pipeline"),
    path("runs/", pipeline.runs, name="pipeline_runs"),
    path("checks/", pipeline.checks, name="pipeline_checks"),
    path("versions/", pipeline.versions, name="pipeline_versions"),
    path("versions/<int:before>/diff/<int:after>/", pipeline.version_diff, name="pipeline_version_diff"),
    path("spec/", pipeline.spec, name="pipeline_spec"),
    path("settings/", pipeline.settings, name="pipeline_settings"),
    path("archive/", pipeline.archive, name="pipeline_archive"),
    path("unarchive/", pipeline.unarchive, name="pipeline_unarchive"),
    path("delete/", pipeline.delete, name="pipeline_delete"),
]

pages: list[URLPattern | URLResolver] = [
    path("", overview.overview, name="overview"),
    path("search/", search.search, name="search"),
    path("pipelines/", pipelines.pipelines, name="pipelines"),
    path("pipelines/by-name/", pipelines.pipeline_by_name, name="pipeline_by_name"),
    path("pipelines/discovered/", discovered.discovered, name="discovered_pipelines"),
    path("pipelines/discovered/<uuid:discovered_id>/admit/", discovered.admit, name="admit_pipeline"),
    path("pipelines/discovered/<uuid:discovered_id>/ignore/", discovered.ignore, name="ignore_pipeline"),
    path("pipelines/discovered/<uuid:discovered_id>/heed/", discovered.heed, name="heed_pipeline"),
    path("pipelines/<uuid:pipeline_id>/", include(one_pipeline)),
    path("runs/", run.runs, name="runs"),
    path("runs/<uuid:run_id>/", run.run, name="run"),
    path("datasets/", datasets.datasets, name="datasets"),
    path("datasets/<uuid:dataset_id>/", datasets.dataset, name="dataset"),
    path("lineage/", lineage.lineage, name="lineage"),
    path("lineage/starts/", lineage.lineage_starts, name="lineage_starts"),
    path("checks/", checks.checks, name="checks"),
    path("connections/", connections.connections, name="connections"),
]

urlpatterns: list[URLPattern | URLResolver] = [path("o/<slug>/", include(pages))]
