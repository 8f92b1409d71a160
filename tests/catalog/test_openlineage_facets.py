"""What each understood facet tells, and that no facet can do harm."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.openlineage import facets
from catalog.openlineage.facets.dataset import COLUMN_NAME_LENGTH, MAX_COLUMNS
from catalog.openlineage.names import JobKey
from tests.factories.openlineage import (
    airflow_dag_event,
    airflow_task_event,
    dbt_job_event,
    dbt_model_event,
    facet,
    schema,
    spark_action_event,
)

READERS = {
    "nominalTime": facets.read_nominal_time,
    "errorMessage": facets.read_error_message,
    "externalQuery": facets.read_external_query,
    "processing_engine": facets.read_processing_engine,
    "jobType": facets.read_job_type,
    "ownership": facets.read_ownership,
    "documentation": facets.read_documentation,
    "sourceCode": facets.read_source_code,
    "sourceCodeLocation": facets.read_source_code_location,
    "sql": facets.read_sql,
    "tags": facets.read_tags,
    "jobDependencies": facets.read_job_dependencies,
    "airflow": facets.read_airflow,
    "airflowDagRun": facets.read_airflow_dag_run,
    "airflowState": facets.read_airflow_state,
    "dbt_run": facets.read_dbt_run,
    "dbt_node": facets.read_dbt_node,
    "test": facets.read_tests,
    "schema": facets.read_schema,
    "dataSource": facets.read_data_source,
    "columnLineage": facets.read_column_lineage,
    "symlinks": facets.read_symlinks,
    "lifecycleStateChange": facets.read_lifecycle_state_change,
    "datasetVersion": facets.read_dataset_version,
    "storage": facets.read_storage,
    "dataQualityMetrics": facets.read_data_quality_metrics,
    "dataQualityAssertions": facets.read_data_quality_assertions,
    "inputStatistics": facets.read_input_statistics,
    "outputStatistics": facets.read_output_statistics,
}
MEMBERS = [
    *("run", "nominalStartTime", "message", "externalQueryId", "version", "integration", "owners", "name"),
    *("description", "sourceCode", "url", "query", "tags", "upstream", "job", "dag", "dagRun", "task"),
    *("taskInstance", "try_number", "dagRunState", "tasksState", "invocation_id", "tests", "status", "fields"),
    *("identifiers", "lifecycleStateChange", "datasetVersion", "storageLayer", "columnMetrics", "quantiles"),
    *("assertions", "assertion", "success", "rowCount", "inputFields", "transformations", "type", "namespace"),
]
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(MEMBERS) | st.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(READERS)), json_values)
def test_no_reader_raises_whatever_it_is_given(name, value):
    assert READERS[name](value) is None or facets.is_readable(name, value)


@pytest.mark.parametrize("name", sorted(READERS))
@pytest.mark.parametrize("value", [None, 7, "text", [], {"_deleted": True, "description": "x"}])
def test_what_is_no_facet_or_deleted_is_absent(name, value):
    assert READERS[name](value) is None


def test_error_message():
    found = facets.read_error_message(facet(message="boom", programmingLanguage="PYTHON", stackTrace="at x"))
    assert found == facets.ErrorMessage("boom", "at x", "PYTHON")


def test_external_query_and_engine():
    assert facets.read_external_query(facet(externalQueryId="job_7", source="bigquery")) == facets.ExternalQuery(
        "job_7", "bigquery"
    )
    engine = airflow_dag_event()["run"]["facets"]["processing_engine"]
    assert facets.read_processing_engine(engine) == facets.ProcessingEngine("Airflow", "3.0.2", "2.2.0")


def test_nominal_time_ends_not_before_it_starts():
    backwards = facet(nominalStartTime="2026-03-02T06:00:00Z", nominalEndTime="2026-03-01T06:00:00Z")
    assert facets.read_nominal_time(backwards) == facets.NominalTime(datetime(2026, 3, 2, 6, tzinfo=UTC), None)


def test_owners_are_people_and_teams_not_defaults():
    owners = [{"name": "airflow"}, {"name": "Root"}, {"name": "***"}, {"name": "data-team", "type": "group"}, {}, 7]
    assert facets.read_ownership(facet(owners=owners)) == (facets.Owner("data-team", "group"),)


@pytest.mark.parametrize(
    ("key", "value", "label"),
    [
        ("pii", "true", "pii"),
        ("PII", True, "pii"),
        ("tier", "1", "tier:1"),
        ("team", "Data Platform", "team:data-platform"),
        ("pii", None, "pii"),
        ("_internal", "x", None),
        ("key", "v" * 70, None),
    ],
)
def test_a_tag_becomes_a_label(key, value, label):
    (tag,) = facets.read_tags(facet(tags=[{"key": key, "value": value}, {"value": "without key"}]))
    assert tag.label == label


def test_tags_of_a_column_name_it():
    (tag,) = facets.read_tags(facet(tags=[{"key": "pii", "value": "true", "field": "email", "source": "DBT"}]))
    assert (tag.field, tag.source) == ("email", "DBT")


def test_code_and_documentation():
    model = dbt_model_event()["job"]["facets"]
    assert facets.read_sql(model["sql"]) == facets.Sql("select id, total from raw.shop.orders", "snowflake")
    assert facets.read_source_code(facet(language="bash", sourceCode="exit 0")) == facets.SourceCode("bash", "exit 0")
    assert facets.read_documentation(facet(description="Orders")) == facets.Documentation("Orders", None)
    location = facet(type="git", url="https://git.acme.test/x", repoUrl="git@x", version="1a2b", branch="main")
    assert facets.read_source_code_location(location) == facets.SourceCodeLocation(
        "https://git.acme.test/x", "git@x", None, "1a2b", "main", None
    )


def test_job_dependencies_name_jobs_and_runs():
    entry = {"job": {"namespace": "a", "name": "b"}, "run": {"runId": "r"}, "dependency_type": "DIRECT_INVOCATION"}
    found = facets.read_job_dependencies(facet(upstream=[entry, {"job": {}}], downstream=None))
    assert found.upstream == (facets.JobDependency(JobKey("a", "b"), "r", "DIRECT_INVOCATION"),)
    assert found.downstream == ()


def test_the_airflow_facet_of_a_task():
    found = facets.read_airflow(airflow_task_event(try_number=3, map_index=0)["run"]["facets"]["airflow"])
    assert (found.task_id, found.operator, found.try_number, found.map_index) == ("load", "PythonOperator", 3, 0)
    assert found.dag.tags == ("ecommerce", "pii")
    assert (found.dag.schedule, found.dag.timezone) == ("0 6 * * *", "Europe/Vienna")


def test_the_airflow_facet_of_a_dag_run():
    found = facets.read_airflow_dag_run(airflow_dag_event()["run"]["facets"]["airflowDagRun"])
    assert found.dag.dag_id == "orders_sync"
    assert found.dag_run.run_type == "scheduled"
    assert found.dag_run.data_interval_end_at == datetime(2026, 3, 2, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("dag", "schedule", "tags"),
    [
        ({"schedule_interval": "@daily", "tags": ["a", 7]}, "@daily", ("a",)),
        ({"schedule_interval": "None", "tags": "[]"}, None, ()),
        ({"timetable": {}, "tags": "[\"it's\", 'b']"}, None, ("it's", "b")),
        ({"tags": None}, None, ()),
    ],
)
def test_older_airflow_versions_tell_schedule_and_tags_otherwise(dag, schedule, tags):
    found = facets.read_airflow_dag_run(facet(dag=dag, dagRun={})).dag
    assert (found.schedule, found.tags) == (schedule, tags)


def test_the_airflow_facet_of_a_job_lists_its_tasks():
    tasks = facets.read_airflow_tasks(airflow_dag_event()["job"]["facets"]["airflow"])
    assert tasks["extract"] == facets.AirflowTask("PythonOperator", ("load",))


def test_airflow_tells_the_states_of_all_tasks_at_the_end():
    found = facets.read_airflow_state(facet(dagRunState="failed", tasksState={"a": "success", "b": None}))
    assert found == facets.AirflowState("failed", {"a": "success"})


def test_dbt_names_run_and_node():
    run = facets.read_dbt_run(dbt_job_event()["run"]["facets"]["dbt_run"])
    assert run == facets.DbtRun("9d7c2c7e", "shop", "prod", None)
    node = facets.read_dbt_node(dbt_model_event()["job"]["facets"]["dbt_node"])
    assert node == facets.DbtNode("model.shop.orders", None, None, "public", "orders")


def test_nested_columns_are_named_by_their_path():
    address = {"name": "address", "type": "struct", "fields": [{"name": "city", "type": "string"}, {"type": "int"}]}
    columns = facets.read_schema(facet(fields=[{"name": "id", "description": "Key"}, address, "x"]))
    assert [(c.name, c.type, c.description, c.position) for c in columns] == [
        ("id", None, "Key", 1),
        ("address", "struct", None, 2),
        ("address.city", "string", None, 3),
    ]


def test_of_columns_with_one_name_the_first_counts():
    columns = facets.read_schema(schema("id:int", "id:text", "b:int"))
    assert [(c.name, c.type, c.position) for c in columns] == [("id", "int", 1), ("b", "int", 2)]


def test_a_schema_has_an_end():
    assert len(facets.read_schema(schema(*(f"c{number}" for number in range(MAX_COLUMNS + 5))))) == MAX_COLUMNS
    assert facets.read_schema(schema("c" * (COLUMN_NAME_LENGTH + 1), "d"))[0].name == "d"


def test_an_empty_schema_says_so():
    assert facets.read_schema(facet(fields=[])) == ()


def source_column(field: str = "id", **members) -> dict:
    return {"namespace": "s3://lake", "name": "orders", "field": field} | members


def test_column_lineage_tells_direct_from_indirect():
    join = source_column("key", transformations=[{"type": "INDIRECT", "subtype": "JOIN"}])
    facet_value = facet(
        fields={
            "id": {"inputFields": [source_column("id", transformations=[{"type": "direct"}]), join, {"field": "x"}]}
        },
        dataset=[source_column("day", transformations=[{"type": "INDIRECT", "subtype": "FILTER"}])],
    )
    found = facets.read_column_lineage(facet_value)
    assert [(s.field, s.is_direct) for s in found.fields["id"]] == [("id", True), ("key", False)]
    assert [(s.field, s.transformations[0].subtype) for s in found.dataset] == [("day", "FILTER")]


def test_masking_is_told_by_transformations_and_by_the_older_type():
    hashed = source_column(transformations=[{"type": "DIRECT", "masking": True}, {"type": "INDIRECT"}])
    half = source_column(transformations=[{"type": "DIRECT", "masking": True}, {"type": "DIRECT"}])
    fields = {
        "hashed": {"inputFields": [hashed]},
        "half": {"inputFields": [half]},
        "old": {"inputFields": [source_column()], "transformationType": "MASKED"},
        "plain": {"inputFields": [source_column()], "transformationType": "IDENTITY"},
        "silent": {"inputFields": [source_column()]},
        "none": {"inputFields": []},
    }
    found = facets.read_column_lineage(facet(fields=fields)).fields
    assert {column: sources[0].is_masking for column, sources in found.items()} == {
        "hashed": True,
        "half": False,
        "old": True,
        "plain": False,
        "silent": False,
    }


def test_symlinks_storage_version_and_source():
    identifiers = [{"namespace": "hive://meta", "name": "shop.orders", "type": "TABLE"}, {"name": "x"}]
    assert facets.read_symlinks(facet(identifiers=identifiers)) == (
        facets.Symlink("hive://meta", "shop.orders", "TABLE"),
    )
    assert facets.read_storage(facet(storageLayer="iceberg", fileFormat="parquet")) == facets.Storage(
        "iceberg", "parquet"
    )
    assert facets.read_dataset_version(facet(datasetVersion="42")) == "42"
    assert facets.read_data_source(facet(name="db", uri="postgres://db")) == facets.DataSource("db", "postgres://db")


def test_a_rename_tells_the_previous_name():
    facet_value = facet(lifecycleStateChange="rename", previousIdentifier={"namespace": "n", "name": "old"})
    assert facets.read_lifecycle_state_change(facet_value) == facets.LifecycleStateChange("RENAME", "n", "old")
    assert facets.read_lifecycle_state_change(facet(lifecycleStateChange="EXPLODE")) is None


def test_data_quality_metrics():
    found = facets.read_data_quality_metrics(
        facet(
            rowCount=10,
            bytes=-1,
            lastUpdated="2026-03-02T06:00:00Z",
            columnMetrics={"id": {"nullCount": 0, "min": 1, "max": "9", "quantiles": {"0.5": 4, "x": "?"}}, "b": 7},
        )
    )
    assert (found.row_count, found.size_bytes, found.file_count) == (10, None, None)
    assert found.last_updated_at == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert found.columns == {"id": facets.ColumnMetrics(0, None, None, None, 1.0, 9.0, {"0.5": 4.0})}


def test_assertions_become_results():
    not_null = {"assertion": "not_null", "success": False, "column": "id", "expected": 0, "actual": "3"}
    warn = {"assertion": "row_count", "name": "enough rows", "success": True, "severity": "WARN"}
    silent = {"assertion": "unique"}
    results = facets.read_data_quality_assertions(facet(assertions=[not_null, warn, silent]))
    assert results == (
        facets.AssertionResult("not_null", "not_null", "id", "fail", "error", "0", "3", None),
        facets.AssertionResult("enough rows", "row_count", None, "pass", "warn", None, None, None),
    )


def test_tests_of_a_run_become_results():
    tests = [
        {"name": "no_orphans", "status": "fail", "type": "custom_sql", "params": {"column_name": "id"}},
        {"name": "fresh", "status": "skip", "description": "not due"},
        {"name": "odd", "status": "maybe"},
    ]
    assert facets.read_tests(facet(tests=tests)) == (
        facets.AssertionResult("no_orphans", "custom_sql", "id", "fail", "error", None, None, None),
        facets.AssertionResult("fresh", "fresh", None, "skipped", "error", None, None, "not due"),
    )


def test_statistics_count_rows_bytes_and_files():
    statistics = spark_action_event()["outputs"][0]["outputFacets"]["outputStatistics"]
    assert facets.read_output_statistics(statistics) == facets.Statistics(120, 4_096, 2)
    odd = facet(rowCount=2**63, size=True, fileCount=3.0)
    assert facets.read_input_statistics(odd) == facets.Statistics(None, None, 3)


def test_equal_facets_have_one_digest_whatever_their_order():
    assert facets.facet_digest({"a": 1, "b": [2]}) == facets.facet_digest({"b": [2], "a": 1})
    assert facets.facet_digest({"a": 1}) != facets.facet_digest({"a": 2})
    assert len(facets.facet_digest({})) == 32


def test_a_facet_within_the_limit_is_left_alone():
    value = schema("id:int")
    assert facets.trim_facet("schema", value) == (value, False)


def test_a_large_facet_is_cut_and_its_small_members_stay():
    plan = facet(plan=[{"class": "Project", "number": n} for n in range(20_000)], text="x" * 500_000)
    cut, is_cut = facets.trim_facet("spark.logicalPlan", plan)
    assert is_cut
    assert len(orjson.dumps(cut)) <= facets.FACET_LIMIT_BYTES
    assert cut["_producer"] == plan["_producer"]
    assert cut["plan"] == plan["plan"][: len(cut["plan"])]
    assert len(cut["plan"]) > 1_000
    assert plan["text"].startswith(cut["text"])


@given(json_values, st.integers(2, 60))
def test_a_cut_facet_always_fits(value, limit):
    cut, is_cut = facets.trim_facet("any", value, limit)
    assert len(orjson.dumps(cut)) <= limit
    assert is_cut == (cut != value or type(cut) is not type(value))
