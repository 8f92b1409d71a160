"""Versions of a pipeline: names and numbers, roll-back, guards, conflicts, history and diff."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import LineageLink, Pipeline, PipelineVersion
from orgs.models import AuditEvent
from orgs.tenancy import tenant_scope
from tests.factories.specs import connections_of_spec, pipeline_spec, small_spec

URL = "/api/v1/pipelines/"


def register(api, version=None, query="", **changes):
    spec = small_spec(**changes)
    return api.post(f"{URL}{query}", {"version": version, **spec} if version else spec)


def test_without_a_version_the_server_counts_by_content(api):
    versions = [register(api, description=text).json()["pipeline"]["version"] for text in ("a", "b", "b", "a")]
    assert versions == ["1", "2", "2", "3"]


def test_the_servers_numbers_pass_by_what_specs_call_themselves(api):
    register(api, version="2", description="a")
    assert register(api, description="b").json()["pipeline"]["version"] == "3"


def test_a_version_may_repeat_the_content_of_another(api):
    register(api, version="1.0")
    response = register(api, version="1.1")
    assert response.status_code == 201
    assert response.json()["pipeline"]["version"] == "1.1"


def test_a_version_with_other_content_is_refused_with_the_difference(api, acme):
    register(api, version="1.0", description="a")
    response = register(api, version="1.0", description="b")
    assert response.status_code == 409
    problem = response.json()
    assert problem["type"].endswith("/problems/registration-conflict")
    assert problem["errors"] == [
        {"pointer": "/version", "code": "version_differs", "detail": problem["errors"][0]["detail"]}
    ]
    assert problem["diff"] == [{"path": "/pipeline/description", "kind": "changed", "before": "a", "after": "b"}]
    with tenant_scope(acme):
        assert PipelineVersion.objects.count() == 1


def test_an_older_version_becomes_current_again(api, acme):
    connections_of_spec(acme)
    api.post(URL, pipeline_spec(version="1"))
    api.post(URL, pipeline_spec(version="2", sources=[], transforms=[], targets=[], checks=[], tags=[]))
    response = api.post(URL, pipeline_spec(version="1"))
    assert response.status_code == 200
    assert response.json()["rolled_back"] is True
    assert response.json()["pipeline"]["version"] == "1"
    assert response.json()["pipeline"]["tags"] == ["ecommerce", "pii"]
    with tenant_scope(acme):
        assert PipelineVersion.objects.count() == 2
        assert LineageLink.objects.valid().count() == 2
        event = AuditEvent.objects.get(action="pipeline.rolled_back")
        assert (event.before["version"], event.after["version"]) == ("2", "1")


def test_after_a_roll_back_numbers_go_on(api):
    register(api, version="1", description="a")
    register(api, version="2", description="b")
    register(api, version="1", description="a")
    response = register(api, description="c")
    assert response.json()["version"] == response.json()["version"] | {"version": "3", "number": 3}


@pytest.mark.parametrize("guard", ["0.9", "", "1.1"])
def test_a_late_job_is_stopped_by_what_it_thinks_current(api, guard):
    register(api, version="1.0", description="a")
    response = register(api, version="1.1", description="b", query=f"?if_current={guard}")
    assert response.status_code == 409
    assert response.json()["errors"][0]["parameter"] == "if_current"
    assert register(api, version="1.1", description="b", query="?if_current=1.0").status_code == 201


def test_a_job_that_expects_a_new_pipeline_says_so_with_nothing(api):
    assert register(api, query="?if_current=").status_code == 201
    assert register(api, name="other", query="?if_current=1").status_code == 409


def test_repeating_a_guarded_registration_is_no_conflict(api):
    register(api, version="1", description="a")
    assert register(api, version="2", description="b", query="?if_current=1").status_code == 201
    assert register(api, version="2", description="b", query="?if_current=1").status_code == 200


def test_a_pipeline_keeps_its_environment(api):
    register(api, environment="production")
    response = register(api, environment="staging")
    assert response.status_code == 409
    assert response.json()["errors"][0]["code"] == "environment_changed"
    moved = register(api, environment="staging", query="?change_environment=true")
    assert moved.status_code == 201
    assert moved.json()["pipeline"]["environment"] == "staging"


def test_every_conflict_comes_at_once(api):
    register(api, version="1", description="a")
    response = register(api, version="1", description="b", environment="staging", query="?if_current=0")
    codes = {error["code"] for error in response.json()["errors"]}
    assert codes == {"version_differs", "environment_changed", "not_current"}


@pytest.mark.parametrize("version", ["", "a b", "x" * 65, 1, 1.5, None, "ä"])
def test_what_is_no_version_is_refused(api, version):
    response = api.post(URL, {"version": version, **small_spec()})
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/version"


def test_history_is_listed_newest_first(api):
    for text in "abc":
        register(api, description=text)
    response = api.get(f"{URL}small/versions/")
    assert [row["version"] for row in response.json()["results"]] == ["3", "2", "1"]
    row = response.json()["results"][0]
    assert row["created_by"] == api.api_key.name
    assert len(row["digest"]) == 64
    assert "spec" not in row


def test_history_pages_hold_every_version_once(api):
    for text in "abcde":
        register(api, description=text)
    first = api.get(f"{URL}small/versions?limit=3").json()
    second = api.get(first["next"].replace("http://testserver", "")).json()
    assert [row["version"] for row in first["results"] + second["results"]] == list("54321")


def test_a_version_shows_its_spec_and_where_it_came_from(api):
    source = {"repository": "acme/data", "commit": "1a2b3c"}
    api.post(URL, {**small_spec(), "version": "1.0+build.5", "source": source})
    version = api.get(f"{URL}small/versions/1.0+build.5").json()
    assert version["spec"]["pipeline"]["name"] == "small"
    assert "source" not in version["spec"]
    assert version["source"] == source
    assert api.get(f"{URL}small/versions/current/").json() == version


def test_two_versions_are_compared_by_structure(api):
    register(api, description="a", tags=["x"])
    register(api, description="a", tags=["x", "y"], owner="finance")
    diff = api.get(f"{URL}small/versions/1/diff/2").json()
    assert (diff["from"], diff["to"]) == ("1", "2")
    assert {(change["path"], change["kind"]) for change in diff["changes"]} == {
        ("/pipeline/owner", "changed"),
        ("/pipeline/tags/y", "added"),
    }
    backwards = api.get(f"{URL}small/versions/2/diff/1/").json()
    assert {change["kind"] for change in backwards["changes"]} == {"changed", "removed"}


def test_unknown_versions_and_pipelines_are_not_found(api):
    register(api)
    for path in ("small/versions/9", "small/versions/1/diff/9", "other/versions", "other/versions/1", "other/steps"):
        assert api.get(f"{URL}{path}").status_code == 404, path


def test_another_organizations_versions_are_as_unknown_as_none(api, globex_api):
    identifier = register(api).json()["pipeline"]["id"]
    for path in (
        f"{identifier}/versions",
        f"{identifier}/versions/1",
        f"{identifier}/steps",
        "small/versions/1/diff/1",
    ):
        assert globex_api.get(f"{URL}{path}").status_code == 404, path


def test_steps_are_listed_and_ended_ones_when_asked_for(api, acme):
    connections_of_spec(acme)
    api.post(URL, pipeline_spec())
    renamed = pipeline_spec(version="2")
    renamed["transforms"][0]["id"] = "orders_tidy"
    api.post(URL, renamed)
    steps = api.get(f"{URL}orders_sync/steps/").json()["results"]
    assert [(step["name"], step["kind"], step["ended_at"]) for step in steps] == [("orders_tidy", "sql", None)]
    ended = api.get(f"{URL}orders_sync/steps/?ended=true").json()["results"]
    assert [step["name"] for step in ended] == ["orders_clean"]
    assert len(api.get(f"{URL}orders_sync/steps/?ended=all").json()["results"]) == 2


def test_a_pipeline_in_another_namespace_is_named_with_it(api):
    register(api, namespace="staging")
    assert api.get(f"{URL}small/versions").status_code == 404
    assert len(api.get(f"{URL}small/versions?namespace=staging").json()["results"]) == 1


@pytest.mark.parametrize("count", [1, 50])
def test_history_takes_two_queries_however_long(api, acme, count):
    # 1 the key  2-4 the scope  5 the pipeline  6 the page  7-8 the scope's end
    register(api)
    with tenant_scope(acme):
        pipeline = Pipeline.objects.get()
        PipelineVersion.objects.bulk_create(
            PipelineVersion(pipeline=pipeline, version=f"v{n}", number=n, digest=b"x" * 32, spec={})
            for n in range(2, count + 1)
        )
    with CaptureQueriesContext(connection) as queries:
        assert len(api.get(f"{URL}small/versions?limit=500").json()["results"]) == count
    assert len(queries) == 8, [query["sql"][:90] for query in queries]
