"""Declared datasets are called as OpenLineage calls them, by connection type."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.openlineage.names import normalize_dataset
from catalog.spec.datasets import (
    ConnectionInfo,
    NamingError,
    connection_types,
    dataset_name,
    namespace_aliases,
    naming,
)


def name(type_, object_, *namespaces, **config):
    found = dataset_name(ConnectionInfo("c", type_, config, namespaces), object_)
    return found.namespace, found.name


PG = {"host": "DB.acme.internal", "database": "shop"}
SF = {"account": "acme-eu", "database": "dwh"}


@pytest.mark.parametrize(
    ("type_", "config", "object_", "expected"),
    [
        ("postgres", PG, "ecommerce.orders", ("postgres://db.acme.internal:5432", "shop.ecommerce.orders")),
        (
            "postgres",
            PG | {"port": 6432},
            "orders",
            ("postgres://db.acme.internal:6432", "shop.public.orders"),
        ),
        (
            "postgres",
            PG | {"schema": "raw"},
            "Orders",
            ("postgres://db.acme.internal:5432", "shop.raw.orders"),
        ),
        (
            "postgres",
            PG,
            'other."My.Schema"."a""b"',
            ("postgres://db.acme.internal:5432", 'other."My.Schema"."a""b"'),
        ),
        ("postgres", {"host": "::1", "database": "d"}, "t", ("postgres://[::1]:5432", "d.public.t")),
        ("mysql", PG, "Orders", ("mysql://db.acme.internal:3306", "shop.Orders")),
        ("mysql", PG, "`crm`.`Leads`", ("mysql://db.acme.internal:3306", "crm.Leads")),
        ("snowflake", SF, "orders", ("snowflake://acme-eu", "DWH.PUBLIC.ORDERS")),
        ("snowflake", SF, "raw.shop.orders", ("snowflake://acme-eu", "RAW.SHOP.ORDERS")),
        (
            "snowflake",
            SF | {"account": "xy12345"},
            "t",
            ("snowflake://xy12345.us-west-1.aws", "DWH.PUBLIC.T"),
        ),
        (
            "snowflake",
            SF | {"account": "XY1.eu-west-1"},
            "t",
            ("snowflake://xy1.eu-west-1.aws", "DWH.PUBLIC.T"),
        ),
        (
            "snowflake",
            SF | {"account": "xy1.west-europe.azure.snowflakecomputing.com"},
            "t",
            ("snowflake://xy1.west-europe.azure", "DWH.PUBLIC.T"),
        ),
        ("bigquery", {"project": "acme"}, "analytics.orders", ("bigquery", "acme.analytics.orders")),
        ("bigquery", {"project": "acme", "dataset": "x"}, "Orders", ("bigquery", "acme.x.Orders")),
        ("bigquery", {}, "`other-project.x.y`", ("bigquery", "other-project.x.y")),
        (
            "redshift",
            {"cluster_identifier": "dwh", "region": "eu-west-1", "database": "d"},
            "s.T",
            ("redshift://dwh.eu-west-1:5439", "d.s.t"),
        ),
        (
            "redshift",
            {"host": "dwh.abc.eu-west-1.redshift.amazonaws.com", "port": 5440, "database": "d"},
            "t",
            ("redshift://dwh.eu-west-1:5440", "d.public.t"),
        ),
        ("redshift", PG, "t", ("redshift://db.acme.internal:5439", "shop.public.t")),
        (
            "databricks",
            {"host": "https://adb-1.azuredatabricks.net/", "catalog": "Main"},
            "Sales.Orders",
            ("databricks://adb-1.azuredatabricks.net", "main.sales.orders"),
        ),
        ("s3", {"bucket": "lake"}, "/raw/Orders/", ("s3://lake", "raw/Orders")),
        ("s3", {"bucket": "lake"}, "s3a://other/raw", ("s3://other", "raw")),
        ("s3", {"bucket": "lake"}, "/", ("s3://lake", "/")),
        ("gcs", {}, "gs://lake/raw/x.csv", ("gs://lake", "raw/x.csv")),
        ("kafka", {"bootstrap_servers": "K1:9093,k2:9093"}, "orders.v1", ("kafka://k1:9093", "orders.v1")),
        ("kafka", {"bootstrap_servers": ["k1"]}, "orders", ("kafka://k1:9092", "orders")),
        (
            "duckdb",
            {"path": "/data/shop.duckdb"},
            "orders",
            ("duckdb:///data/shop.duckdb", "shop.main.orders"),
        ),
        ("duckdb", {}, "orders", ("duckdb://:memory:", "memory.main.orders")),
        (
            "http",
            {"base_url": "https://u:p@API.acme.com/v1"},
            "orders?x=1",
            ("https://api.acme.com", "/v1/orders"),
        ),
        ("http", {"base_url": "https://a"}, "http://b:8080/x", ("http://b:8080", "/x")),
    ],
)
def test_names_follow_openlineage(type_, config, object_, expected):
    assert name(type_, object_, **config) == expected


def test_every_type_of_the_contract_has_a_name():
    assert set(connection_types()) >= {
        "postgres",
        "mysql",
        "snowflake",
        "bigquery",
        "redshift",
        "databricks",
        "s3",
        "gcs",
        "kafka",
        "duckdb",
        "http",
    }


@pytest.mark.parametrize(
    ("type_", "config", "object_"),
    [
        ("postgres", {"database": "d"}, "t"),
        ("postgres", {"host": "h"}, "t"),
        ("postgres", PG, "a.b.c.d"),
        ("postgres", PG, "a..b"),
        ("postgres", PG, "."),
        ("postgres", PG, 'a"b'),
        ("postgres", PG, '"a'),
        ("postgres", PG | {"host": None}, "t"),
        ("mysql", PG, "a.b.c"),
        ("snowflake", {"database": "d"}, "t"),
        ("bigquery", {"project": "p"}, "t"),
        ("databricks", PG, "a.b"),
        ("s3", {}, "x"),
        ("gcs", {}, "x"),
        ("kafka", {}, "x"),
        ("kafka", {"bootstrap_servers": []}, "x"),
        ("http", {}, "x"),
        ("http", {"base_url": "https://["}, "x"),
        ("oracle", PG, "x"),
    ],
)
def test_what_is_not_enough_to_name_a_dataset_says_so(type_, config, object_):
    with pytest.raises(NamingError, match=r"\.$"):
        name(type_, object_, **config)


def test_a_connection_may_say_its_namespace():
    assert name("postgres", "s.t", "postgres://proxy:5432", database="d") == (
        "postgres://proxy:5432",
        "d.s.t",
    )
    assert name("snowflake", "a.b.c", "snowflake://other") == ("snowflake://other", "A.B.C")


def test_further_namespaces_are_aliases_of_the_first():
    connections = [
        ConnectionInfo("a", "postgres", namespaces=("postgres://DB", "postgresql://replica", "db")),
        ConnectionInfo("b", "postgres"),
    ]
    assert namespace_aliases(connections) == {
        "postgres://replica:5432": "postgres://db:5432",
        "db": "postgres://db:5432",
    }


@pytest.mark.parametrize(
    ("type_", "config", "object_", "namespace", "observed"),
    [
        ("postgres", PG, "Ecommerce.Orders", "postgresql://db.acme.internal", "shop.ecommerce.orders"),
        ("snowflake", SF, "raw.orders", "snowflake://ACME-EU", "dwh.raw.orders"),
        ("s3", {"bucket": "lake"}, "raw/orders/dt=2026-01-01", "s3a://lake", "raw/orders/part-00000.parquet"),
        ("bigquery", {"project": "acme"}, "x.orders", "bigquery", "acme.x.orders$20260101"),
        ("duckdb", {"path": "/a.duckdb"}, "Orders", "duckdb:///a.duckdb", "a.main.orders"),
    ],
)
def test_declared_and_observed_datasets_meet(type_, config, object_, namespace, observed):
    seen = normalize_dataset(namespace, observed, aliases={})
    assert name(type_, object_, **config) == (seen.namespace, seen.name)


def test_a_plugin_may_add_a_type(monkeypatch):
    monkeypatch.setattr("catalog.spec.datasets._NAMINGS", {})
    naming("sheet")(lambda config, object_, namespace: ("sheet", object_))
    assert connection_types() == ["sheet"]
    assert name("sheet", "x") == ("sheet", "x")


configs = st.dictionaries(
    st.sampled_from(["host", "port", "database", "schema", "account", "base_url", "bootstrap_servers", "bucket"]),
    st.text() | st.integers() | st.none() | st.lists(st.none() | st.text(), max_size=2) | st.sampled_from(["http://["]),
)


@given(st.sampled_from(connection_types()), configs, st.text(min_size=1))
def test_any_connection_and_object_have_a_name_or_say_why_not(type_, config, object_):
    with contextlib.suppress(NamingError):
        namespace, found = name(type_, object_, **config)
        assert isinstance(namespace, str)
        assert found
