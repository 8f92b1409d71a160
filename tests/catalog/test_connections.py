"""Creating, reading, changing and deleting connections."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.connection_types import ConnectionType, connection_types, register_connection_type
from catalog.models import Connection, Dataset, LineageLink
from catalog.spec.datasets import connection_types as named_types
from orgs.models import AuditEvent
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories import ConnectionFactory
from tests.factories.specs import connections_of_spec, pipeline_spec

URL = "/api/v1/connections/"
POSTGRES = {"host": "warehouse.example.com", "port": 5432, "database": "shop", "user": "reader"}
MINIMAL = {
    "postgres": {"host": "a"},
    "mysql": {"host": "a"},
    "snowflake": {"account": "acme-x"},
    "bigquery": {"project": "acme"},
    "redshift": {"host": "a"},
    "databricks": {"host": "a"},
    "s3": {"bucket": "a"},
    "gcs": {"bucket": "a"},
    "kafka": {"bootstrap_servers": ["a:9092"]},
    "duckdb": {},
    "http": {"base_url": "https://a.example"},
}


def body(**changes):
    return {"id": "pg-raw", "type": "postgres", "config": POSTGRES, **changes}


def pointers(response, status=400):
    assert response.status_code == status, response.json()
    return [error["pointer"] for error in response.json()["errors"]]


def test_a_connection_is_created_and_read(api):
    response = api.post(URL, body(description="The shop", namespaces=["postgres://10.0.0.5:5432"]))
    assert response.status_code == 201, response.json()
    assert response.headers["Location"] == "/api/v1/connections/pg-raw"
    connection = response.json()
    assert connection["id"] == "pg-raw"
    assert connection["config"] == POSTGRES
    assert connection["namespaces"] == ["postgres://10.0.0.5:5432"]
    assert api.get(f"{URL}pg-raw").json() == connection
    assert api.get(URL).json()["results"] == [connection]


@pytest.mark.parametrize("kind", sorted(MINIMAL))
def test_every_type_takes_a_minimal_configuration(api, kind):
    response = api.post(URL, {"id": "it", "type": kind, "config": MINIMAL[kind]})
    assert response.status_code == 201, response.json()


def test_every_type_can_name_its_datasets():
    assert sorted(connection_types()) == sorted(MINIMAL) == named_types()


def test_a_plugin_adds_a_type(api, monkeypatch):
    monkeypatch.setattr("catalog.connection_types._types", dict(connection_types()))
    text = {"type": "string"}
    register_connection_type(ConnectionType("oracle", "Oracle", {"host": text}, required=("host",)))
    assert api.post(URL, {"id": "ora", "type": "oracle", "config": {"host": "a"}}).status_code == 201
    assert pointers(api.post(URL, {"id": "two", "type": "oracle", "config": {}})) == ["/config/host"]


def test_fields_beyond_the_schema_are_kept(api):
    response = api.post(URL, body(config={**POSTGRES, "pool_size": 4, "labels": ["a", "b"]}))
    assert response.json()["config"]["pool_size"] == 4


def test_creating_is_remembered(api, acme):
    api.post(URL, body())
    with tenant_scope(acme):
        event = AuditEvent.objects.get(action="connection.created")
        assert event.target_label == "pg-raw"
        assert event.after["config"] == POSTGRES


def test_every_defect_is_told_at_once(api):
    response = api.post(URL, body(config={"port": "5432", "sslmode": "maybe", "password_secret": "hunter2"}))
    assert sorted(pointers(response)) == [
        "/config/host",
        "/config/password_secret",
        "/config/port",
        "/config/sslmode",
    ]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"id": "Pg Raw"}, "/id"),
        ({"id": ""}, "/id"),
        ({"id": 5}, "/id"),
        ({"id": "x" * 101}, "/id"),
        ({"type": "oracle"}, "/type"),
        ({"config": []}, "/config"),
        ({"config": {"host": {"deep": 1}}}, "/config/host"),
        ({"config": {"host": "a", "extra": {"deep": 1}}}, "/config/extra"),
        ({"config": {"host": "x" * 1001}}, "/config/host"),
        ({"config": {"host": "a", "port": 70_000}}, "/config/port"),
        ({"config": {"host": "a", "bad key": "x"}}, "/config/bad key"),
        ({"config": {"host": "a", "dsn": "postgres://u:pw@h/db"}}, "/config/dsn"),
        ({"namespaces": "x"}, "/namespaces"),
        ({"namespaces": [5]}, "/namespaces/0"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_what_is_no_connection_is_refused(api, acme, changes, pointer):
    assert pointer in pointers(api.post(URL, body(**changes)))
    with tenant_scope(acme):
        assert not Connection.objects.exists()


@pytest.mark.parametrize("raw", [b"[]", b"5", b"", b'{"id": "a\\u0000"}', b'{"id": "\\ud800"}'])
def test_what_is_no_object_is_refused(api, raw):
    assert api.post(URL, raw, content_type="application/json").status_code == 400


def test_an_id_is_taken_once(api):
    api.post(URL, body())
    response = api.post(URL, body())
    assert response.status_code == 409
    assert response.json()["type"].endswith("/problems/connection-exists")


def test_two_organizations_use_the_same_id(api, globex_api):
    assert api.post(URL, body()).status_code == 201
    assert globex_api.post(URL, body()).status_code == 201


def test_the_free_plan_holds_two(free_api):
    for name in ("one", "two"):
        assert free_api.post(URL, body(id=name)).status_code == 201
    response = free_api.post(URL, body(id="three"))
    assert response.status_code == 403
    problem = response.json()
    assert problem["type"].endswith("/problems/plan-limit-reached")
    assert (problem["limit"], problem["used"]) == (2, 2)


def test_a_change_is_merged_into_the_configuration(api, acme):
    api.post(URL, body())
    response = api.patch(f"{URL}pg-raw", {"config": {"schema": "public", "database": None}, "description": "New"})
    assert response.status_code == 200
    config = {key: value for key, value in POSTGRES.items() if key != "database"}
    assert response.json()["config"] == {**config, "schema": "public"}
    assert response.json()["description"] == "New"
    with tenant_scope(acme):
        event = AuditEvent.objects.get(action="connection.updated")
        assert event.before["config"] == POSTGRES
        assert event.after["config"]["schema"] == "public"


def test_a_change_that_changes_nothing_is_not_remembered(api, acme):
    api.post(URL, body())
    assert api.patch(f"{URL}pg-raw", {"config": {"port": 5432}}).status_code == 200
    with tenant_scope(acme):
        assert not AuditEvent.objects.filter(action="connection.updated").exists()


def test_type_and_id_never_change(api):
    api.post(URL, body())
    assert sorted(pointers(api.patch(f"{URL}pg-raw", {"id": "other", "type": "mysql"}))) == ["/id", "/type"]


def test_declared_lineage_follows_a_connection_that_moves(api, acme):
    connections_of_spec(acme)
    api.post("/api/v1/pipelines/", pipeline_spec())
    response = api.patch(f"{URL}pg-raw", {"config": {"host": "new.example.com"}})
    assert response.status_code == 200, response.json()
    with tenant_scope(acme):
        read = LineageLink.objects.valid().get(direction="reads").dataset
        assert read.namespace == "postgres://new.example.com:5432"
        assert Dataset.objects.filter(namespace="postgres://pg.example.com:5432").exists()


def test_a_change_after_which_specs_would_not_name_their_datasets_is_refused(api, acme):
    connections_of_spec(acme)
    api.post("/api/v1/pipelines/", pipeline_spec())
    response = api.patch(f"{URL}pg-raw", {"config": {"database": None}})
    assert response.status_code == 409
    assert "orders_sync" in response.json()["detail"]
    assert api.get(f"{URL}pg-raw").json()["config"]["database"] == "shop"


def test_a_connection_is_deleted(api, acme):
    api.post(URL, body())
    assert api.delete(f"{URL}pg-raw").status_code == 204
    assert api.get(f"{URL}pg-raw").status_code == 404
    with tenant_scope(acme):
        assert AuditEvent.objects.get(action="connection.deleted").before["config"] == POSTGRES


def test_a_connection_that_a_current_spec_names_stays(api, acme):
    connections_of_spec(acme)
    api.post("/api/v1/pipelines/", pipeline_spec())
    response = api.delete(f"{URL}pg-raw")
    assert response.status_code == 409
    assert response.json()["type"].endswith("/problems/connection-in-use")
    assert response.json()["pipelines"] == [{"namespace": "default", "name": "orders_sync"}]
    without = pipeline_spec(version="2", sources=[], transforms=[], targets=[], checks=[])
    assert api.post("/api/v1/pipelines/", without).status_code == 201
    assert api.delete(f"{URL}pg-raw").status_code == 204


def test_unknown_and_foreign_connections_are_answered_alike(api, globex_api):
    api.post(URL, body())
    for method in ("get", "patch", "delete"):
        arguments = [{}] if method == "patch" else []
        foreign = getattr(globex_api, method)(f"{URL}pg-raw", *arguments)
        unknown = getattr(globex_api, method)(f"{URL}nothing", *arguments)
        assert (foreign.status_code, foreign.json()) == (unknown.status_code, unknown.json())
        assert foreign.status_code == 404
    assert api.get(f"{URL}pg-raw").status_code == 200


def test_writing_needs_its_own_scope(acme):
    api = api_of(acme, scopes=["catalog:read", "catalog:write"])
    assert api.post(URL, body()).status_code == 403
    assert api.get(URL).status_code == 200


def test_a_list_asks_for_one_type(api, acme):
    ConnectionFactory(organization=acme, slug="one", type="mysql")
    ConnectionFactory(organization=acme, slug="two", type="postgres")
    assert [row["id"] for row in api.get(f"{URL}?type=mysql").json()["results"]] == ["one"]
    assert api.get(f"{URL}?type=oracle").status_code == 400


@pytest.mark.parametrize("count", [1, 50])
def test_a_page_takes_two_queries_however_long(api, acme, count):
    # 1 the key with its organization  2-4 the scope  5 connections  6 which secrets are set  7-8 the scope's end
    ConnectionFactory.create_batch(count, organization=acme)
    api.get(URL)
    with CaptureQueriesContext(connection) as queries:
        assert len(api.get(f"{URL}?limit=500").json()["results"]) == count
    assert len(queries) == 8, [query["sql"][:90] for query in queries]
