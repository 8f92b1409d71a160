"""Asking for the graph around a dataset or a pipeline."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories import DatasetFactory, LineageLinkFactory, PipelineFactory, StepFactory

URL = "/api/v1/lineage/graph"


@pytest.fixture
def chain(acme: Any) -> Any:
    """raw → clean (orders_sync) → report (finance_close) → mail (mailer, which writes nothing)."""
    return build_chain(acme)


def build_chain(organization: Any) -> dict[str, Any]:
    rows: dict[str, Any] = {
        name: DatasetFactory(organization=organization, name=name) for name in ("raw", "clean", "report")
    }
    for name in ("orders_sync", "finance_close", "mailer"):
        rows[name] = PipelineFactory(organization=organization, name=name)
    connect(organization, rows["orders_sync"], reads=[rows["raw"]], writes=[rows["clean"]])
    connect(organization, rows["finance_close"], reads=[rows["clean"]], writes=[rows["report"]])
    connect(organization, rows["mailer"], reads=[rows["report"]])
    return rows


def connect(organization: Any, pipeline: Any, *, reads: Any = (), writes: Any = (), **fields: Any) -> None:
    for direction, datasets in (("reads", reads), ("writes", writes)):
        for dataset in datasets:
            LineageLinkFactory(
                organization=organization, pipeline=pipeline, dataset=dataset, direction=direction, **fields
            )


def names(response: Any) -> list[str]:
    assert response.status_code == 200, response.json()
    return sorted(node["name"] for node in response.json()["nodes"])


def flows(response: Any) -> set[tuple[str, str]]:
    body = response.json()
    name = {node["id"]: node["name"] for node in body["nodes"]}
    return {(name[edge["source"]], name[edge["target"]]) for edge in body["edges"]}


def test_downstream_of_a_dataset_names_everything_that_depends_on_it(api, chain):
    response = api.get(f"{URL}?dataset=raw&direction=downstream")
    assert names(response) == ["clean", "finance_close", "mailer", "orders_sync", "raw", "report"]
    assert flows(response) == {
        ("raw", "orders_sync"),
        ("orders_sync", "clean"),
        ("clean", "finance_close"),
        ("finance_close", "report"),
        ("report", "mailer"),
    }
    assert response.json()["truncated"] is False


def test_upstream_of_a_pipeline_names_everything_it_is_made_of(api, chain):
    response = api.get(f"{URL}?pipeline=finance_close&direction=upstream")
    assert names(response) == ["clean", "finance_close", "orders_sync", "raw"]


def test_distances_count_links_and_are_negative_upstream(api, chain):
    nodes = api.get(f"{URL}?pipeline=finance_close").json()["nodes"]
    distances = {node["name"]: node["distance"] for node in nodes}
    assert distances == {"raw": -3, "orders_sync": -2, "clean": -1, "finance_close": 0, "report": 1, "mailer": 2}


def test_depth_counts_pipelines_and_what_lies_behind_is_said(api, chain):
    response = api.get(f"{URL}?dataset=raw&direction=downstream&depth=1")
    assert names(response) == ["clean", "orders_sync", "raw"]
    assert response.json()["next"] == [str(chain["clean"].id)]


def test_a_cut_graph_says_so(api, chain):
    body = api.get(f"{URL}?dataset=raw&direction=downstream&max_nodes=3").json()
    assert body["truncated"] is True
    assert len(body["nodes"]) == 3
    assert body["next"]


def test_cycles_are_legal(api, chain, acme):
    connect(acme, chain["finance_close"], writes=[chain["raw"]])
    assert names(api.get(f"{URL}?dataset=raw&depth=50")) == [
        "clean", "finance_close", "mailer", "orders_sync", "raw", "report",
    ]  # fmt: skip


def test_steps_of_one_pipeline_do_not_bridge_each_others_datasets(api, acme):
    pipeline = PipelineFactory(organization=acme, name="nightly")
    one, other = (StepFactory(organization=acme, pipeline=pipeline, name=name) for name in ("one", "other"))
    a, b, c, d = (DatasetFactory(organization=acme, name=name) for name in "abcd")
    connect(acme, pipeline, step=one, reads=[a], writes=[b])
    connect(acme, pipeline, step=other, reads=[c], writes=[d])
    assert names(api.get(f"{URL}?dataset=a&direction=downstream")) == ["a", "b", "nightly"]
    assert names(api.get(f"{URL}?dataset=a&direction=downstream&granularity=step")) == ["a", "b", "one"]


def test_at_dataset_grain_the_edges_are_derived_through_the_pipelines(api, chain):
    response = api.get(f"{URL}?dataset=raw&granularity=dataset")
    assert flows(response) == {("raw", "clean"), ("clean", "report")}
    assert {edge["kind"] for edge in response.json()["edges"]} == {"derives"}


def test_a_past_instant_shows_the_links_of_then(api, chain, acme):
    past = timezone.now() - datetime.timedelta(days=10)
    old = DatasetFactory(organization=acme, name="old_source")
    connect(acme, chain["orders_sync"], reads=[old], valid_from=past, valid_to=past + datetime.timedelta(days=5))
    assert "old_source" not in names(api.get(f"{URL}?pipeline=orders_sync"))
    then = (past + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert names(api.get(f"{URL}?pipeline=orders_sync&at={then}")) == ["old_source", "orders_sync"]


def test_the_instant_is_answered_in_utc(api, chain):
    answer = api.get(f"{URL}?pipeline=orders_sync&at=2026-01-01T00:00:00%2B02:00").json()
    assert answer["at"] == "2025-12-31T22:00:00Z"
    assert api.get(f"{URL}?pipeline=orders_sync&at=0001-01-01T00:00:00%2B14:00").status_code == 400


def test_an_ambiguous_dataset_is_a_conflict_with_the_candidates(api, acme):
    for namespace in ("postgres://a:5432", "postgres://b:5432"):
        DatasetFactory(organization=acme, namespace=namespace, name="orders")
    response = api.get(f"{URL}?dataset=orders")
    assert response.status_code == 409
    assert len(response.json()["candidates"]) == 2
    assert api.get(f"{URL}?dataset=orders&namespace=postgres://a:5432").status_code == 200


def test_another_organizations_dataset_is_unknown(globex_api, chain):
    response = globex_api.get(f"{URL}?dataset={chain['raw'].id}")
    assert response.status_code == 404
    assert response.json() == globex_api.get(f"{URL}?dataset=01900000-0000-7000-8000-000000000000").json()


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "dataset"),
        ("dataset=raw&depth=0", "depth"),
        ("dataset=raw&depth=51", "depth"),
        ("dataset=raw&max_nodes=5001", "max_nodes"),
        ("dataset=raw&direction=sideways", "direction"),
        ("dataset=raw&granularity=atom", "granularity"),
        ("dataset=raw&at=yesterday", "at"),
        ("dataset=raw&at=2026-01-01T00:00:00", "at"),
        ("dataset=raw&colour=red", "colour"),
    ],
)
def test_a_bad_question_is_refused_by_its_parameter(api, chain, query, parameter):
    response = api.get(f"{URL}?{query}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["parameter"] == parameter


def test_the_number_of_queries_depends_on_the_depth_alone(api, acme):
    source = DatasetFactory(organization=acme, name="source")
    api.get(URL)  # the key's last use is written once a minute

    def queries_with(count: int) -> int:
        for _ in range(count):
            target = DatasetFactory(organization=acme)
            connect(acme, PipelineFactory(organization=acme), reads=[source], writes=[target])
        with CaptureQueriesContext(connection) as queries:
            assert api.get(f"{URL}?dataset={source.id}&direction=downstream&depth=1").status_code == 200
        return len(queries)

    # the key; the scope's settings; the start; one level; what lies behind it; pipelines; datasets
    assert queries_with(1) == queries_with(49)


def test_a_pipeline_without_links_is_the_whole_graph(api, acme):
    PipelineFactory(organization=acme, name="lonely")
    assert names(api.get(f"{URL}?pipeline=lonely&direction=downstream")) == ["lonely"]
