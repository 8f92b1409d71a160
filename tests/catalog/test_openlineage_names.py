"""One dataset has one name, whoever speaks of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.openlineage.names import NAME_LENGTH, TRIMMERS, normalize_dataset, normalize_namespace


def name_of(namespace: str, name: str, **aliases: str) -> str:
    return normalize_dataset(namespace, name, aliases=aliases).name


@pytest.mark.parametrize(
    ("path", "trimmed"),
    [
        ("warehouse/orders/dt=2024-01-01/part-00000-9f.snappy.parquet", "warehouse/orders"),
        ("/warehouse/orders/year=2024/month=01/day=31", "warehouse/orders"),
        ("orders/country=at/file.csv", "orders/file.csv"),
        ("orders/2024/01/31/", "orders"),
        ("orders/2024/01/31/06/data.json", "orders/data.json"),
        ("orders/2024/01", "orders"),
        ("orders/2024-01-31/data.json", "orders/data.json"),
        ("orders/20240131", "orders"),
        ("orders/20240131T060000Z", "orders"),
        ("orders/2024-01-31T06:00:00+00:00", "orders"),
        ("orders/202401", "orders"),
        ("orders/20240131.csv.gz", "orders"),
        ("orders/part-r-00003", "orders"),
        ("orders/000000_0", "orders"),
        ("orders/_SUCCESS", "orders"),
        ("orders/*.csv", "orders"),
        ("orders/_delta_log", "orders"),
        ("exports/orders_20240131.csv", "exports/orders.csv"),
        ("exports/orders-2024-01-31.csv.gz", "exports/orders.csv.gz"),
        ("exports/orders_20240131_060000.csv", "exports/orders.csv"),
        ("exports/orders.20240131", "exports/orders"),
    ],
)
def test_partitions_dates_and_part_files_are_trimmed_from_paths(path, trimmed):
    assert name_of("s3://lake", path) == trimmed


@pytest.mark.parametrize(
    "path",
    [
        "orders/2024",
        "orders/2024/report.csv",
        "orders/v2/orders.csv",
        "orders/20241331",
        "orders/12345678",
        "orders/part-time.csv",
        "orders/1999_hits.csv",
        "orders/orders_v20.csv",
        "2024-01-31.csv",
        "dt=2024-01-01/part-00000",
        "orders/01/31",
    ],
)
def test_what_may_be_a_name_stays(path):
    assert name_of("s3://lake", path) == path


def test_paths_of_file_systems_keep_their_root_and_object_keys_have_none():
    assert name_of("file", "/data/orders/dt=2024-01-01") == "/data/orders"
    assert name_of("hdfs://nn:8020", "/data//orders/") == "/data/orders"
    assert name_of("gs://lake", "/orders/") == "orders"
    assert name_of("gs://lake", "/") == "/"


def test_trimmers_can_be_switched_off_one_by_one():
    path = "orders/dt=2024-01-01/2024-01-01/part-00000"
    all_but_dates = [name for name in TRIMMERS if name != "dates"]
    found = normalize_dataset("s3://lake", path, aliases={}, trimmers=all_but_dates)
    assert found.name == "orders/2024-01-01"
    assert normalize_dataset("s3://lake", path, aliases={}, trimmers=()).name == path


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        ("postgres://db:5432", "shop.public.dt=2024"),
        ("kafka://broker:9092", "orders_20240131"),
        ("bigquery", "acme.shop.events_20240131"),
        ("airflow", "/orders/2024/01/31"),
    ],
)
def test_only_paths_are_trimmed(namespace, name):
    assert name_of(namespace, name) == name


@pytest.mark.parametrize(
    ("namespace", "name", "expected"),
    [
        ("snowflake://acme-eu1", "analytics.public.Orders", "ANALYTICS.PUBLIC.ORDERS"),
        ("snowflake://acme-eu1", 'ANALYTICS.PUBLIC."Orders"', 'ANALYTICS.PUBLIC."Orders"'),
        ("snowflake://acme-eu1", 'analytics."PUBLIC"."ORDERS"', "ANALYTICS.PUBLIC.ORDERS"),
        ("snowflake://acme-eu1", 'a.b."MY.TABLE"', 'A.B."MY.TABLE"'),
        ("postgres://db:5432", "Shop.Public.ORDERS", "shop.public.orders"),
        ("postgres://db:5432", 'shop.public."Orders"', 'shop.public."Orders"'),
        ("redshift://c.eu:5439", "DEV.PUBLIC.ORDERS", "dev.public.orders"),
        ("trino://t:8080", "Hive.Shop.Orders", "hive.shop.orders"),
        ("oracle://db:1521", "xe.shop.orders", "XE.SHOP.ORDERS"),
        ("awsathena://athena.eu-west-1.amazonaws.com", "Cat.Db.T", "cat.db.t"),
        ("bigquery", "`acme-prod`.Shop.Orders", "acme-prod.Shop.Orders"),
        ("bigquery", "acme.shop.orders$20240131", "acme.shop.orders"),
        ("mysql://db:3306", "shop.Orders", "shop.Orders"),
        ("kafka://broker:9092", "Orders.V1", "Orders.V1"),
        ("s3://lake", "Orders/Daily", "Orders/Daily"),
        ("food_delivery", "Public.Orders", "Public.Orders"),
    ],
)
def test_case_follows_the_system(namespace, name, expected):
    assert name_of(namespace, name) == expected


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [
        ("s3a://lake", "s3://lake"),
        ("S3://Lake/", "s3://lake"),
        ("gcs://lake", "gs://lake"),
        ("postgresql://DB.acme.test", "postgres://db.acme.test:5432"),
        ("postgres://etl:secret@db:6543", "postgres://db:6543"),
        ("mysql://db", "mysql://db:3306"),
        ("abfs://Container@acme.dfs.core.windows.net", "abfss://container@acme.dfs.core.windows.net"),
        ("bigquery://", "bigquery"),
        ("file:///", "file"),
        ("file://", "file"),
        ("file", "file"),
        ("file://host", "file://host"),
        ("Airflow Prod", "Airflow Prod"),
        ("redshift://[::1]", "redshift://[::1]"),
        ("snowflake://ACME-EU1", "snowflake://acme-eu1"),
    ],
)
def test_namespaces_have_one_spelling(namespace, expected):
    assert normalize_namespace(namespace) == expected


def test_an_alias_of_a_connection_gives_its_namespace():
    aliases = {"postgres://10.0.0.7:5432": "postgres://db.acme.test", "warehouse": "snowflake://acme-eu1"}
    found = normalize_dataset("postgresql://10.0.0.7", "Shop.public.orders", aliases=aliases)
    assert (found.namespace, found.name) == ("postgres://db.acme.test:5432", "shop.public.orders")
    assert found.raw_name == "Shop.public.orders"
    assert normalize_dataset("warehouse", "a.b.c", aliases=aliases).name == "A.B.C"


def test_aliases_of_aliases_are_followed_and_circles_end():
    assert normalize_dataset("a", "t", aliases={"a": "b", "b": "c"}).namespace == "c"
    circle = {"b": "c", "c": "b", "a": "c"}
    assert {normalize_dataset(start, "t", aliases=circle).namespace for start in "abc"} == {"b"}


schemes = st.sampled_from(
    [
        "s3",
        "s3a",
        "gs",
        "file",
        "hdfs",
        "postgres",
        "postgresql",
        "snowflake",
        "bigquery",
        "oracle",
        "trino",
        "abfs",
        "X",
    ]
)
namespaces = (
    st.tuples(schemes, st.sampled_from(["://", ":", ":/", ":///"]), st.text("aB:@/[]. ", max_size=6)).map("".join)
    | schemes
    | st.text(min_size=1, max_size=8)
)
segments = st.sampled_from(
    [
        "orders",
        "2024",
        "01",
        "31",
        "dt=1",
        "2024-01-31",
        "part-00000",
        "a_20240131.csv",
        " ",
        "*.csv",
        '"A"',
        '"',
        "`",
        "$",
        ".",
    ]
)
names = st.lists(segments | st.text('aB1_-."`$= /', max_size=6), min_size=1, max_size=7).map("/".join) | st.lists(
    segments, min_size=1, max_size=5
).map("".join)


@given(namespaces, names, st.dictionaries(namespaces, namespaces, max_size=3))
def test_a_normalized_name_normalizes_to_itself(namespace, name, aliases):
    once = normalize_dataset(namespace, name, aliases=aliases)
    twice = normalize_dataset(once.namespace, once.name, aliases=aliases)
    assert (twice.namespace, twice.name) == (once.namespace, once.name)


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_name_is_never_empty_and_never_grows(namespace, name):
    found = normalize_dataset(namespace, name, aliases={})
    assert found.namespace
    assert 1 <= len(found.name) <= max(len(name), 1)
    assert found.raw_name == name


def test_a_namespace_stays_within_its_column():
    namespace = "postgres://" + "h" * (NAME_LENGTH - 13)
    assert normalize_namespace(namespace) == namespace
