"""Registering many specs or none of them."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Dataset, LineageLink, Pipeline, PipelineVersion
from orgs.models import AuditEvent
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories import OrganizationFactory
from tests.factories.specs import connections_of_spec, pipeline_spec, small_spec

URL = "/api/v1/pipelines/batch"


@pytest.fixture
def business(db):
    organization = OrganizationFactory(slug="hooli", plan_name="business")
    connections_of_spec(organization)
    return organization


def specs(count, **changes):
    return [pipeline_spec(name=f"p{n:03}", **changes) for n in range(count)]


def test_a_batch_registers_all_of_them(api, acme):
    response = api.post(URL, [small_spec("one"), small_spec("two")])
    assert response.status_code == 201, response.json()
    results = response.json()["results"]
    assert [(row["pipeline"]["name"], row["created"]) for row in results] == [("one", True), ("two", True)]
    with tenant_scope(acme):
        assert Pipeline.objects.count() == 2
        assert AuditEvent.objects.filter(action="pipeline.registered").count() == 2


def test_a_pipeline_called_batch_is_reached_by_its_name(api):
    api.post("/api/v1/pipelines/", small_spec("batch"))
    assert api.get(URL).json()["name"] == "batch"
    assert api.get(URL + "/?namespace=other").status_code == 404
    assert api.patch(URL, {"archived": True}).json()["archived_at"]
    assert api.delete(URL).status_code == 202
    assert api.get(URL).status_code == 404


def test_a_batch_again_changes_nothing(api):
    api.post(URL, [small_spec("one"), small_spec("two")])
    response = api.post(URL, [small_spec("one"), small_spec("two")])
    assert response.status_code == 200
    assert [row["created"] for row in response.json()["results"]] == [False, False]


def test_a_batch_may_be_yaml(api):
    one = "- pipeline: {name: one, description: d, owner: o, environment: production, schedule: null}\n"
    response = api.post(URL, one.encode(), content_type="application/yaml")
    assert response.status_code == 201, response.json()


def test_one_error_refuses_all_and_names_its_place(api, acme):
    response = api.post(URL, [small_spec("one"), small_spec("Two"), {**small_spec("three"), "sorces": []}])
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == ["/1/pipeline/name", "/2/sorces"]
    with tenant_scope(acme):
        assert not Pipeline.objects.exists()


def test_one_conflict_refuses_all_and_names_its_place(api, acme):
    api.post(URL, [{**small_spec("one"), "version": "1"}])
    response = api.post(URL, [small_spec("zero"), {**small_spec("one", description="other"), "version": "1"}])
    assert response.status_code == 409
    assert [error["pointer"] for error in response.json()["errors"]] == ["/1/version"]
    with tenant_scope(acme):
        assert Pipeline.objects.count() == 1


def test_a_batch_names_every_pipeline_once(api):
    response = api.post(URL, [small_spec("one"), small_spec("two"), small_spec("one", description="x")])
    assert response.status_code == 400
    assert [(e["code"], e["pointer"]) for e in response.json()["errors"]] == [("duplicate", "/2/pipeline/name")]


def test_two_specs_of_a_batch_cannot_claim_one_job(api):
    job = {"openlineage": [{"namespace": "airflow", "job": "x"}]}
    response = api.post(URL, [{**small_spec("one"), **job}, {**small_spec("two"), **job}])
    assert response.status_code == 409
    assert response.json()["errors"][0]["pointer"] == "/1/openlineage/0"


def test_a_job_moves_from_one_spec_to_another_within_a_batch(api):
    job = {"openlineage": [{"namespace": "airflow", "job": "x"}]}
    api.post(URL, [{**small_spec("one"), **job}, small_spec("two")])
    assert api.post(URL, [small_spec("one"), {**small_spec("two"), **job}]).status_code == 201


def test_the_limit_is_asked_once_for_the_whole_batch(free_api, free_org):
    response = free_api.post(URL, [small_spec(f"p{n}") for n in range(4)])
    assert response.status_code == 403
    assert (response.json()["limit"], response.json()["used"]) == (3, 0)
    with tenant_scope(free_org):
        assert not Pipeline.objects.exists()
    assert free_api.post(URL, [small_spec(f"p{n}") for n in range(3)]).status_code == 201


@pytest.mark.parametrize("body", [b"{}", b"[]", b"5", b"null", b'{"specs": []}', b'""'])
def test_what_is_no_list_of_specs_is_refused(api, body):
    response = api.post(URL, body, content_type="application/json")
    assert response.status_code == 400


@pytest.mark.parametrize("item", [None, 5, "x", [], [[]], {}])
def test_an_item_that_is_no_spec_is_refused_with_its_place(api, item):
    response = api.post(URL, [small_spec(), item])
    assert response.status_code == 400
    assert all(error["pointer"].startswith("/1") for error in response.json()["errors"])


def test_a_batch_holds_at_most_500(api):
    assert api.post(URL, [small_spec(f"p{n}") for n in range(501)]).status_code == 400


def test_a_dry_run_of_a_batch_writes_nothing(api, acme):
    response = api.post(f"{URL}?dry_run=true", [small_spec("one")])
    assert response.status_code == 200
    assert response.json()["results"][0]["created"] is True
    with tenant_scope(acme):
        assert not Pipeline.objects.exists()


def test_specs_of_a_batch_share_their_datasets(business):
    api = api_of(business)
    assert api.post(URL, specs(5)).status_code == 201
    with tenant_scope(business):
        assert Dataset.objects.count() == 2
        assert LineageLink.objects.count() == 10


@pytest.mark.parametrize("count", [2, 40])
def test_a_batch_takes_as_many_statements_however_long(business, count):
    api = api_of(business)
    api.get("/api/v1/pipelines/")
    with CaptureQueriesContext(connection) as queries:
        assert api.post(URL, specs(count)).status_code == 201
    assert len(queries) == 30, [query["sql"][:90] for query in queries]
    with CaptureQueriesContext(connection) as queries:
        assert api.post(URL, specs(count)).status_code == 200
    assert len(queries) == 8
    with CaptureQueriesContext(connection) as queries:
        assert api.post(URL, specs(count, version="2", tags=["other"], owner="other")).status_code == 201
    assert len(queries) <= 34, [query["sql"][:90] for query in queries]
    with tenant_scope(business):
        assert PipelineVersion.objects.count() == 2 * count
