"""Reading an event: what becomes of each part, and what refuses the whole."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.openlineage.envelope import MAX_DATASETS, EventInvalid, read_event
from catalog.openlineage.events import (
    DatasetEvent,
    JobEvent,
    ParentRef,
    RootRef,
    RunEvent,
    map_namespaces,
)
from catalog.openlineage.facets import JobType
from catalog.openlineage.names import JobKey
from tests.factories.openlineage import (
    airflow_dag_event,
    airflow_task_event,
    dataset,
    dataset_event,
    facet,
    job_event,
    parent,
    run_event,
    run_id,
    spark_action_event,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def run_event_of(document: object) -> RunEvent:
    event = read_event(document)
    assert isinstance(event, RunEvent)
    return event


def pointers(document: object) -> list[str | None]:
    with pytest.raises(EventInvalid) as refusal:
        read_event(document)
    return [error.pointer for error in refusal.value.errors]


def test_an_airflow_task_event_is_read_in_all_its_parts():
    event = run_event_of(airflow_task_event("COMPLETE", "orders_sync", "load", try_number=2, map_index=3))

    assert event.event_type == "COMPLETE"
    assert event.event_time == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert event.run.id == run_id("orders_sync.load")
    assert event.job.key == JobKey("airflow-prod", "orders_sync.load")
    assert event.parent == ParentRef(run_id("orders_sync"), JobKey("airflow-prod", "orders_sync"))
    assert event.root is None
    assert event.job_type == JobType("BATCH", "AIRFLOW", "TASK")
    assert (event.attempt, event.map_index) == (2, 3)
    assert event.dag_run_id == "scheduled__2026-03-01T06:00:00+00:00"
    assert event.trigger == "scheduled"
    assert event.external_url == "http://airflow/log/load"
    assert event.warnings == ()


def test_a_dag_event_carries_its_nominal_times_and_dag_run():
    event = run_event_of(airflow_dag_event("START"))

    assert event.nominal_start_at == datetime(2026, 3, 1, 6, tzinfo=UTC)
    assert event.nominal_end_at == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert event.dag_run_id == "scheduled__2026-03-01T06:00:00+00:00"
    assert (event.attempt, event.map_index) == (None, None)


def test_a_task_that_is_not_mapped_has_no_map_index():
    assert run_event_of(airflow_task_event(map_index=-1)).map_index is None


def test_datasets_keep_their_facets_apart():
    (written,) = run_event_of(spark_action_event()).outputs

    assert (written.namespace, written.name) == ("s3a://lake", "/warehouse/orders/dt=2026-03-02")
    assert set(written.facets) == {"schema"}
    assert set(written.output_facets) == {"outputStatistics"}
    assert written.input_facets == {}


def test_the_root_of_the_parent_facet_is_read():
    root = {"run": {"runId": "r-1"}, "job": {"namespace": "airflow-prod", "name": "nightly"}}
    assert run_event_of(airflow_task_event(root=root)).root == RootRef(JobKey("airflow-prod", "nightly"), "r-1")


def test_the_schema_url_decides_the_kind():
    document = job_event() | {"run": {"runId": "r-1"}}
    assert isinstance(read_event(document), JobEvent)


@pytest.mark.parametrize("schema_url", ["", "https://openlineage.io/spec/1-0-5/OpenLineage.json", None])
def test_without_a_kind_in_the_schema_url_the_shape_decides(schema_url):
    expected = [(run_event(), RunEvent), (job_event(), JobEvent), (dataset_event(), DatasetEvent)]
    for document, kind in expected:
        assert isinstance(read_event(document | {"schemaURL": schema_url}), kind)


def test_the_1_0_line_is_understood():
    document = run_event(run_facets={"parentRun": parent("nightly", "r-0")})
    document["schemaURL"] = "https://openlineage.io/spec/1-0-5/OpenLineage.json#/definitions/RunEvent"
    assert run_event_of(document).parent == ParentRef("r-0", JobKey("airflow-prod", "nightly"))


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ({"name": "nightly"}, JobKey("airflow-prod", "nightly")),
        ({"namespace": "other"}, None),
        ({}, None),
        (None, None),
        ("nightly", None),
        ({"name": "n" * 1001}, None),
    ],
)
def test_a_parent_without_a_whole_job_still_names_its_run(job, expected):
    document = run_event(run_facets={"parent": facet(run={"runId": "r-0"}, job=job)})
    assert run_event_of(document).parent == ParentRef("r-0", expected)


def test_unknown_fields_and_facets_are_kept():
    document = run_event(run_facets={"acme_cost": {"euros": 3}}) | {"acme": True}
    event = run_event_of(document)
    assert event.run.facets == {"acme_cost": {"euros": 3}}
    assert event.warnings == ()


def test_an_event_without_a_type_tells_facts_only():
    document = run_event()
    del document["eventType"]
    assert run_event_of(document).event_type == "OTHER"


def test_the_time_is_told_in_utc_and_to_the_microsecond():
    event = read_event(run_event(at="2026-03-02T07:00:00.123456789+01:00"))
    assert event.event_time == datetime(2026, 3, 2, 6, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("facets", "about"),
    [
        ({"parent": facet(job={"namespace": "a", "name": "b"})}, "parent"),
        ({"parent": facet(run={}, job={})}, "parent"),
        ({"parent": "r-0"}, "parent"),
        ({"nominalTime": facet(nominalStartTime="yesterday")}, "nominalTime"),
        ({"errorMessage": facet(text="boom")}, "errorMessage"),
        ({"parent": facet(run={"runId": "r"}, root={"run": {"runId": "x"}})}, "root"),
    ],
)
def test_a_broken_known_facet_is_ignored_with_a_warning(facets, about):
    event = run_event_of(run_event(run_facets=facets))
    (warning,) = event.warnings
    assert about in warning


def test_a_broken_job_type_is_no_job_type():
    event = run_event_of(run_event(job_facets={"jobType": facet(integration=7)}))
    assert event.job_type is None
    assert len(event.warnings) == 1


def test_a_deleted_facet_is_no_broken_facet():
    event = run_event_of(run_event(job_facets={"jobType": {"_deleted": True}}))
    assert event.warnings == ()
    assert "jobType" in event.job.facets


def test_the_namespace_map_of_a_key_reaches_job_parent_and_root():
    root = {"run": {"runId": "r"}, "job": {"namespace": "default", "name": "nightly"}}
    facets = {"parent": parent("nightly", "r", namespace="default", root=root)}
    document = run_event(namespace="default", run_facets=facets, inputs=[dataset("default", "orders")])
    event = map_namespaces(read_event(document), {"default": "airflow-prod"})

    assert isinstance(event, RunEvent)
    assert event.job.namespace == "airflow-prod"
    assert event.parent == ParentRef("r", JobKey("airflow-prod", "nightly"))
    assert event.root == RootRef(JobKey("airflow-prod", "nightly"), "r")
    assert event.inputs[0].namespace == "default"


def test_all_defects_are_told_at_once():
    document = {
        "eventType": "STARTED",
        "eventTime": "2026-03-02T06:00:00",
        "run": {},
        "job": {"name": "x", "namespace": "  "},
        "inputs": [{"namespace": "a"}, "orders"],
        "outputs": {},
    }
    assert set(pointers(document)) == {
        "/eventTime",
        "/eventType",
        "/run/runId",
        "/job/namespace",
        "/inputs/0/name",
        "/inputs/1",
        "/outputs",
    }


@pytest.mark.parametrize("missing", ["run", "job", "eventTime"])
def test_an_event_without_run_job_or_time_is_refused(missing):
    document = run_event()
    del document[missing]
    assert f"/{missing}" in pointers(document)


@pytest.mark.parametrize(
    "time",
    [
        None,
        1772431200,
        "soon",
        "2026-03-02",
        "2026-03-02T06:00:00",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_a_time_that_is_none_is_refused(time):
    assert pointers(run_event() | {"eventTime": time}) == ["/eventTime"]


def test_a_clock_may_be_a_day_ahead_and_no_more():
    now = datetime(2026, 3, 2, 6, tzinfo=UTC)
    at = (now + timedelta(hours=24)).isoformat()
    assert read_event(run_event(at=at), now=now).event_time == now + timedelta(hours=24)
    with pytest.raises(EventInvalid):
        read_event(run_event(at=(now + timedelta(hours=24, seconds=1)).isoformat()), now=now)


@pytest.mark.parametrize("name", ["", " \n", "x" * 1001, 7, None, ["orders"], "a\x00b"])
def test_names_are_text_of_one_to_a_thousand_characters(name):
    assert pointers(run_event(inputs=[dataset("ns", name)])) == ["/inputs/0/name"]


def test_a_name_of_a_thousand_characters_is_read():
    assert run_event_of(run_event(job="x" * 1000)).job.name == "x" * 1000


def test_more_datasets_than_any_job_has_are_refused():
    tables = [dataset("ns", f"t{number}") for number in range(MAX_DATASETS)]
    assert len(run_event_of(run_event(inputs=tables)).inputs) == MAX_DATASETS
    assert pointers(run_event(inputs=tables, outputs=[dataset("ns", "one more")])) == ["/inputs"]


@pytest.mark.parametrize("document", [None, [], "event", 7, {}, {"eventTime": "2026-03-02T06:00:00Z"}])
def test_what_is_no_event_is_refused(document):
    assert pointers(document) == [""]


def test_facets_that_are_no_object_are_refused():
    assert pointers(run_event() | {"job": {"namespace": "a", "name": "b", "facets": []}}) == ["/job/facets"]


def test_a_refusal_names_its_first_defect_in_its_sentence():
    with pytest.raises(EventInvalid, match=r"/eventTime: .* \(1 more\)"):
        read_event(run_event() | {"eventTime": None, "producer": 7})


PARTS = ("eventType", "eventTime", "run", "job", "dataset", "inputs", "outputs", "schemaURL")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(PARTS, json_values)))
def test_whatever_is_sent_is_read_or_refused(document):
    with suppress(EventInvalid):
        read_event(document)


@given(json_values, st.sampled_from(["parent", "parentRun", "nominalTime", "airflow", "airflowDagRun", "tags"]))
def test_no_run_facet_ever_refuses_an_event(value, name):
    run_event_of(run_event(run_facets={name: value}, job_facets={"jobType": value}))
