"""Registering one pipeline: what a spec makes, what registering it again does, and what is refused."""

from __future__ import annotations

import datetime
import zoneinfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import (
    Check,
    DatasetColumn,
    Pipeline,
    PipelineJob,
    PipelineOwner,
    PipelineTag,
    PipelineVersion,
    Step,
)
from orgs.models import AuditEvent
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories import PipelineFactory
from tests.factories.specs import connections_of_spec, pipeline_spec, small_spec

URL = "/api/v1/pipelines/"


@pytest.fixture(autouse=True)
def connections(acme):
    connections_of_spec(acme)


def test_a_spec_makes_a_pipeline(api):
    response = api.post(URL, pipeline_spec())
    assert response.status_code == 201, response.json()
    body = response.json()
    assert body["created"] is True
    pipeline = body["pipeline"]
    assert pipeline["name"] == "orders_sync"
    assert pipeline["namespace"] == "default"
    assert pipeline["owner"] == "commerce-data@example.com"
    assert pipeline["owners"] == [{"name": "commerce-data@example.com", "origin": "spec"}]
    assert pipeline["tags"] == ["ecommerce", "pii"]
    assert pipeline["version"] == "1.0.0"
    assert pipeline["health"] == "never_run"
    assert pipeline["last_run"] is None
    assert pipeline["archived_at"] is None
    assert body["version"]["number"] == 1


def test_the_answer_is_what_reading_gives(api):
    registered = api.post(URL, pipeline_spec()).json()["pipeline"]
    assert api.get(f"{URL}orders_sync").json() == registered
    assert api.get(f"{URL}{registered['id']}/").json() == registered


def test_a_flat_document_is_accepted(api):
    spec = pipeline_spec()
    flat = {**{key: value for key, value in spec.items() if key != "pipeline"}, **spec["pipeline"]}
    assert api.post(URL, flat).status_code == 201


def test_the_path_works_without_its_slash(api):
    assert api.post("/api/v1/pipelines", small_spec()).status_code == 201


def test_tags_owner_steps_checks_and_columns_are_written(api, acme):
    spec = pipeline_spec(openlineage=[{"namespace": "airflow", "job": "orders_sync"}])
    assert api.post(URL, spec).status_code == 201
    with tenant_scope(acme):
        assert sorted(PipelineTag.objects.values_list("tag", flat=True)) == ["ecommerce", "pii"]
        assert list(PipelineOwner.objects.values_list("owner", flat=True)) == ["commerce-data@example.com"]
        assert list(Step.objects.values_list("name", "kind", "code_ref")) == [
            ("orders_clean", "sql", "transforms/orders_clean.sql")
        ]
        check = Check.objects.select_related("dataset").get()
        assert (check.check_id, check.origin, check.dataset.name) == (
            "order_id_not_null",
            "spec",
            "acme.analytics.orders_clean",
        )
        assert DatasetColumn.objects.count() == 3
        assert DatasetColumn.objects.get(name="email").tags == ["pii"]
        assert list(PipelineJob.objects.values_list("namespace", "name")) == [("airflow", "orders_sync")]


def test_the_next_start_follows_from_schedule_and_time_zone(api):
    pipeline = api.post(URL, pipeline_spec()).json()["pipeline"]
    expected = datetime.datetime.fromisoformat(pipeline["next_expected_at"])
    assert expected > timezone.now()
    assert expected.astimezone(zoneinfo.ZoneInfo("Europe/Vienna")).hour == 6


def test_registering_is_remembered_with_the_key(api, acme):
    api.post(URL, pipeline_spec())
    with tenant_scope(acme):
        event = AuditEvent.objects.get(action="pipeline.registered")
        assert event.actor_id == str(api.api_key.pk)
        assert event.target_label == "orders_sync"
        assert event.after["version"] == "1.0.0"


def test_the_same_spec_again_changes_nothing(api, acme):
    first = api.post(URL, pipeline_spec()).json()
    again = api.post(URL, pipeline_spec())
    assert again.status_code == 200
    assert again.json() == {**first, "created": False}
    with tenant_scope(acme):
        assert PipelineVersion.objects.count() == 1
        assert AuditEvent.objects.filter(action__startswith="pipeline.").count() == 1


def test_tag_order_and_white_space_make_no_new_version(api):
    api.post(URL, pipeline_spec())
    same = pipeline_spec(tags=["PII", "ecommerce"], description="  Sync orders ")
    assert api.post(URL, same).status_code == 200


def test_where_a_spec_comes_from_is_not_its_content(api, acme):
    api.post(URL, pipeline_spec(source={"commit": "aaa"}))
    assert api.post(URL, pipeline_spec(source={"commit": "bbb"})).status_code == 200


def test_a_new_version_replaces_what_the_old_one_said(api, acme):
    api.post(URL, pipeline_spec())
    newer = pipeline_spec(version="1.1.0", tags=["finance"], owner="finance@example.com", checks=[])
    newer["transforms"][0] |= {"id": "orders_clean_2"}
    response = api.post(URL, newer)
    assert response.status_code == 201
    assert response.json()["created"] is False
    assert response.json()["pipeline"]["version"] == "1.1.0"
    assert response.json()["version"]["number"] == 2
    with tenant_scope(acme):
        assert list(PipelineTag.objects.values_list("tag", flat=True)) == ["finance"]
        assert list(PipelineOwner.objects.values_list("owner", flat=True)) == ["finance@example.com"]
        assert Step.objects.get(name="orders_clean").ended_at is not None
        assert Step.objects.get(name="orders_clean_2").ended_at is None
        assert Check.objects.get().ended_at is not None
        event = AuditEvent.objects.get(action="pipeline.version_registered")
        assert (event.before["version"], event.after["version"]) == ("1.0.0", "1.1.0")


def test_a_check_that_comes_back_is_declared_again(api, acme):
    api.post(URL, pipeline_spec())
    api.post(URL, pipeline_spec(version="2", checks=[]))
    api.post(URL, pipeline_spec(version="3"))
    with tenant_scope(acme):
        assert Check.objects.get().ended_at is None


def test_a_pipeline_observed_before_is_adopted(api, acme):
    observed = PipelineFactory(
        organization=acme,
        name="orders_sync",
        origin="openlineage",
        description="",
        owner="dag-owner",
        owners=[{"name": "dag-owner", "origin": "facet"}],
        environment="",
        schedule=None,
        is_provisional=True,
        last_run_status="success",
    )
    response = api.post(URL, pipeline_spec())
    assert response.status_code == 201
    pipeline = response.json()["pipeline"]
    assert pipeline["id"] == str(observed.pk)
    assert response.json()["created"] is False
    assert [entry["name"] for entry in pipeline["owners"]] == ["commerce-data@example.com", "dag-owner"]
    with tenant_scope(acme):
        adopted = Pipeline.objects.get()
        assert (adopted.origin, adopted.is_provisional) == ("spec", False)


def test_what_a_person_said_goes_before_the_spec(api, acme):
    PipelineFactory(
        organization=acme, name="orders_sync", environment="", owners=[{"name": "alice", "origin": "person"}]
    )
    pipeline = api.post(URL, pipeline_spec()).json()["pipeline"]
    assert pipeline["owner"] == "alice"
    assert [entry["origin"] for entry in pipeline["owners"]] == ["person", "spec"]


@pytest.mark.parametrize("nobody", ["airflow", "root", "Default"])
def test_what_orchestrators_put_in_is_no_owner(api, nobody):
    assert api.post(URL, pipeline_spec(owner=nobody)).json()["pipeline"]["owner"] == ""


def test_the_namespace_of_the_request_is_that_of_the_spec(api):
    response = api.post(f"{URL}?namespace=staging", small_spec())
    assert response.json()["pipeline"]["namespace"] == "staging"
    assert api.get(f"{URL}small").status_code == 404
    assert api.get(f"{URL}small?namespace=staging").status_code == 200


def test_the_same_name_lives_in_two_namespaces(api):
    api.post(URL, small_spec())
    assert api.post(URL, small_spec(namespace="staging", environment="staging")).json()["created"] is True


def test_another_namespace_in_the_request_than_in_the_spec_is_refused(api):
    response = api.post(f"{URL}?namespace=a", small_spec(namespace="b"))
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/pipeline/namespace"


def test_a_dry_run_answers_as_if_and_writes_nothing(api, acme):
    response = api.post(f"{URL}?dry_run=true", pipeline_spec())
    assert response.status_code == 200
    assert response.json()["created"] is True
    assert response.json()["pipeline"]["version"] == "1.0.0"
    with tenant_scope(acme):
        assert not Pipeline.objects.exists()
        assert not AuditEvent.objects.exists()


def test_every_error_comes_at_once(api, acme):
    spec = pipeline_spec(schedule="61 * * * *", timezone="Mars/Phobos", ownr="x")
    del spec["pipeline"]["description"]
    spec["sources"][0]["connection_ref"] = "nowhere"
    spec["checks"][0]["dataset"] = "nothing"
    response = api.post(URL, spec)
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    pointers = {error["pointer"] for error in response.json()["errors"]}
    assert pointers == {
        "/pipeline/description",
        "/pipeline/schedule",
        "/pipeline/timezone",
        "/ownr",
        "/sources/0/connection_ref",
        "/checks/0/dataset",
    }
    with tenant_scope(acme):
        assert not Pipeline.objects.exists()


def test_a_connection_of_another_type_is_refused(api):
    spec = pipeline_spec()
    spec["sources"][0]["type"] = "mysql"
    response = api.post(URL, spec)
    assert [(e["code"], e["pointer"]) for e in response.json()["errors"]] == [
        ("connection_mismatch", "/sources/0/type")
    ]


def test_another_organizations_connection_is_as_unknown_as_none(globex_api):
    response = globex_api.post(URL, pipeline_spec())
    assert response.status_code == 400
    assert {error["code"] for error in response.json()["errors"]} == {"unknown_connection"}


def test_a_spec_names_no_organization(api):
    response = api.post(URL, {**small_spec(), "organization": "globex"})
    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "organization_in_spec"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"5", 400),
        (b"null", 400),
        (b'"text"', 400),
        (b'{"pipeline": []}', 400),
        (b'{"pipeline": {"name": 5}}', 400),
        (b'{"pipeline": {"name": "a\\u0000b"}}', 400),
        (b'{"pipeline": {"name": "\\ud800"}}', 400),
        (b'{"pipeline": {"name": 99999999999999999999999}}', 400),
        (b'{"pipeline": NaN}', 400),
        (b'{"pipeline": {}, "pipeline": {}}', 400),
        (b"[" * 40 + b"]" * 40, 400),
        (b'{"sources": [' + b"1," * 2000 + b"1]}", 400),
        (b'"' + b"x" * (10 * 1024 * 1024) + b'"', 413),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_cannot_be_a_spec_is_refused_and_leaves_nothing(api, acme, body, status):
    response = api.post(URL, body, content_type="application/json")
    assert response.status_code == status, response.content[:300]
    assert response.headers["Content-Type"] == "application/problem+json"
    with tenant_scope(acme):
        assert not Pipeline.objects.exists()


@pytest.mark.parametrize("name", ["", "Orders", "a b", "-x", "a" * 201, "orders\n"])
def test_names_that_are_none(api, name):
    response = api.post(URL, small_spec(name))
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/pipeline/name"


def test_an_owner_that_is_too_long_is_refused_with_its_pointer(api):
    response = api.post(URL, small_spec(owner="x" * 255))
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/pipeline/owner"


def test_an_unknown_query_parameter_is_refused(api):
    response = api.post(f"{URL}?dryrun=true", small_spec())
    assert response.status_code == 400
    assert response.json()["errors"][0]["parameter"] == "dryrun"


def test_a_flag_is_true_or_false(api):
    response = api.post(f"{URL}?dry_run=yes", small_spec())
    assert response.status_code == 400
    assert response.json()["errors"][0]["parameter"] == "dry_run"


def test_a_key_of_some_namespaces_registers_in_no_other(acme):
    api = api_of(acme, allowed_namespaces=["staging"])
    response = api.post(URL, small_spec())
    assert response.status_code == 403
    assert response.json()["type"].endswith("/problems/namespace-not-allowed")
    assert response.json()["allowed"] == ["staging"]
    assert api.post(f"{URL}?namespace=staging", small_spec()).status_code == 201


def test_a_key_of_some_namespaces_changes_no_other(acme):
    PipelineFactory(organization=acme, name="orders")
    api = api_of(acme, allowed_namespaces=["staging"])
    for change in ({"archived": True}, {"archived": False}, {"description": "x"}):
        assert api.patch(f"{URL}orders", change).status_code == 403
    assert api.delete(f"{URL}orders").status_code == 403
    assert api.get(f"{URL}orders").status_code == 200


def test_a_job_belongs_to_one_pipeline(api):
    job = {"namespace": "airflow", "job": "orders"}
    api.post(URL, {**small_spec("one"), "openlineage": [job]})
    response = api.post(URL, {**small_spec("two"), "openlineage": [job]})
    assert response.status_code == 409
    assert response.json()["errors"][0]["pointer"] == "/openlineage/0"
    assert "one" in response.json()["detail"]


def test_a_job_that_a_spec_gives_up_is_free(api, acme):
    job = {"namespace": "airflow", "job": "orders"}
    api.post(URL, {**small_spec("one"), "openlineage": [job]})
    api.post(URL, small_spec("one"))
    assert api.post(URL, {**small_spec("two"), "openlineage": [job]}).status_code == 201
    with tenant_scope(acme):
        assert PipelineJob.objects.get().pipeline.name == "two"


def test_registering_an_unchanged_pipeline_takes_few_queries(api):
    # 1 the key with its organization  2-4 the scope (savepoint, settings of the outer transaction, binding)
    # 5 the spec's connections  6 the pipeline with its current version  7-8 the end of the scope
    api.post(URL, pipeline_spec())
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert api.post(URL, pipeline_spec()).status_code == 200
    assert len(queries) == 8, [query["sql"][:90] for query in queries]


def test_registering_a_new_pipeline_takes_few_queries(api):
    # 1 the key  2-4 the scope  5 connections  6 the pipeline  7 whether anything is at risk  8-9 the room  10 the
    # pipeline again, locked  11-14 pipeline, version, discovery, and who owns and tags it (15)  16 steps
    # 17-19 datasets  20 aliases  21-22 columns  23 checks  24-25 links and column links  26-29 audit, mark and
    # lineage version  30-31 the end of the scope
    api.get(URL)
    with CaptureQueriesContext(connection) as queries:
        assert api.post(URL, pipeline_spec()).status_code == 201
    assert len(queries) == 31, [query["sql"][:90] for query in queries]
