import csv
import io

import pytest

from catalog.models import Dataset, Pipeline
from orgs.tenancy import tenant_scope
from tests.factories import DatasetFactory
from tests.factories.browsed import HOSTILE, make_flow

URL = "/o/acme/lineage/"


def graph(response):
    assert response.status_code == 200, response.content
    return {node.name: node.distance for node in response.context["nodes"]}


@pytest.fixture
def flow(acme):
    return make_flow(acme, "one", "two", "three", owner="commerce", tags=["tier-1"])


def test_the_picture_shows_what_feeds_a_pipeline_and_what_depends_on_it(alice_client, flow):
    page = alice_client.get(f"{URL}?pipeline={flow[1].pk}")
    assert graph(page) == {
        "raw.one": -3, "one": -2, "clean.one": -1, "two": 0, "clean.two": 1, "three": 2, "clean.three": 3,
    }  # fmt: skip
    assert '<svg class="graph' in page.content.decode()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("direction=downstream", {"one", "clean.one", "two", "clean.two", "three", "clean.three"}),
        ("direction=downstream&depth=1", {"one", "clean.one", "two"}),
        ("direction=upstream", {"raw.one", "one"}),
        ("direction=sideways&depth=zero&selected=nobody", {"raw.one", "one", "clean.one", "two", "clean.two", "three",
                                                          "clean.three"}),
    ],
)  # fmt: skip
def test_direction_and_depth_are_chosen_in_the_url(alice_client, flow, query, expected):
    assert set(graph(alice_client.get(f"{URL}?pipeline={flow[0].pk}&{query}"))) == expected


def test_a_selected_node_is_told_beside_the_picture_with_its_impact(alice_client, flow, acme):
    with tenant_scope(acme):
        dataset = Dataset.objects.get(name="clean.one")
    side = alice_client.get(f"{URL}?pipeline={flow[0].pk}&selected={dataset.pk}").context["side"]
    assert side.node.name == "clean.one"
    assert [(one.node.name, one.steps) for one in side.impact] == [("two", 1), ("three", 2)]
    assert [writer.name for writer in side.facts["writers"]] == ["one"]


def test_the_usual_start_is_what_needs_attention_most(alice_client, flow, acme):
    with tenant_scope(acme):
        Pipeline.objects.filter(pk=flow[2].pk).update(health="failing")
    assert alice_client.get(URL)["Location"] == f"{URL}?pipeline={flow[2].pk}"


def test_when_all_is_well_the_usual_start_has_the_most_behind_it(alice_client, flow):
    assert alice_client.get(URL)["Location"] == f"{URL}?pipeline={flow[0].pk}"


def test_an_empty_organization_learns_where_lineage_comes_from(alice_client):
    assert "No lineage yet" in alice_client.get(URL).content.decode()


def test_a_start_is_found_by_its_name_and_suggested_by_a_part(alice_client, flow):
    assert alice_client.get(f"{URL}?start=two")["Location"] == f"{URL}?pipeline={flow[1].pk}"
    page = alice_client.get(f"{URL}?start=clean")
    assert [start["row"].name for start in page.context["starts"]] == ["clean.one", "clean.two", "clean.three"]
    fragment = alice_client.get(f"{URL}starts/?start=thr").content.decode()
    assert "clean.three" in fragment
    assert "<html" not in fragment
    assert "Nothing is called" in alice_client.get(f"{URL}?start=zzz").content.decode()


def test_the_graph_comes_as_a_table_and_as_files(alice_client, flow):
    start = f"{URL}?pipeline={flow[0].pk}"
    assert 'aria-label="Nodes by distance' in alice_client.get(f"{start}&view=table").content.decode()
    assert {node["name"] for node in alice_client.get(f"{start}&format=json").json()["nodes"]} >= {"one", "three"}
    rows = list(csv.DictReader(io.StringIO(alice_client.get(f"{start}&format=csv").content.decode())))
    assert [row["name"] for row in rows if row["kind"] == "pipeline"] == ["one", "two", "three"]
    picture = alice_client.get(f"{start}&format=svg")
    assert picture["Content-Type"].startswith("image/svg+xml")
    assert picture.content.decode().count("<style>") == 1


def test_hostile_names_stay_text(alice_client, acme):
    (pipeline,) = make_flow(acme, HOSTILE, owner=HOSTILE)
    for query in ("", "&view=table", "&format=svg"):
        assert "<script>alert" not in alice_client.get(f"{URL}?pipeline={pipeline.pk}{query}").content.decode()
    assert "<script>alert" not in alice_client.get(f"{URL}starts/?start=script").content.decode()


def test_a_foreign_start_is_as_unknown_as_none(alice_client, acme, globex):
    foreign = DatasetFactory(organization=globex)
    page = alice_client.get(f"{URL}?dataset={foreign.pk}")
    assert "There is no such node" in page.content.decode()
    assert "There is no such node" in alice_client.get(f"{URL}?dataset=nonsense").content.decode()
