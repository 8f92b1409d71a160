"""The physical name of a dataset: one function per connection type, after the naming rules of OpenLineage.

Declared and observed lineage meet only where both call a table the same, so these functions follow
https://openlineage.io/docs/spec/naming, and where that page is silent the names its dbt and Airflow
integrations send. The table in `docs/specs.md` lists them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

Config = Mapping[str, Any]


class DatasetName(NamedTuple):
    """What OpenLineage identifies a dataset by."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """What a spec needs to know of a connection. `namespace` replaces the OpenLineage namespace that would
    follow from `config`, for stores that others reach under another address."""

    id: str
    type: str
    config: Config = field(default_factory=dict)
    namespace: str | None = None


class NamingError(ValueError):
    """Connection and object together do not say which dataset is meant; the message is for people."""


Naming = Callable[[Config, str, str | None], DatasetName]

_NAMINGS: dict[str, Naming] = {}


def naming(connection_type: str) -> Callable[[Naming], Naming]:
    """Register the function for a connection type. A plugin uses it in its `AppConfig.ready()`."""

    def register(function: Naming) -> Naming:
        _NAMINGS[connection_type] = function
        return function

    return register


def connection_types() -> list[str]:
    return sorted(_NAMINGS)


def dataset_name(connection: ConnectionInfo, object: str) -> DatasetName:  # noqa: A002 - the spec's word
    """The dataset that `object` means on this connection. Raises `NamingError`."""
    if connection.type not in _NAMINGS:
        raise NamingError(f"There are no naming rules for connections of type {connection.type}.")
    return _NAMINGS[connection.type](connection.config, object.strip(), connection.namespace)


@naming("postgres")
def _postgres(config: Config, table: str, namespace: str | None) -> DatasetName:
    parts = _complete(config, table, ["database", "schema"], {"schema": "public"}, fold=str.lower)
    return DatasetName(namespace or f"postgres://{_address(config, 5432)}", ".".join(parts))


@naming("mysql")
def _mysql(config: Config, table: str, namespace: str | None) -> DatasetName:
    parts = _complete(config, table, ["database"])
    return DatasetName(namespace or f"mysql://{_address(config, 3306)}", ".".join(parts))


@naming("snowflake")
def _snowflake(config: Config, table: str, namespace: str | None) -> DatasetName:
    parts = _complete(config, table, ["database", "schema"], {"schema": "PUBLIC"})
    name = fold_case("snowflake", ".".join(parts))
    return DatasetName(namespace or f"snowflake://{_snowflake_account(config)}", name)


@naming("bigquery")
def _bigquery(config: Config, table: str, namespace: str | None) -> DatasetName:
    # BigQuery quotes a name part by part or as a whole; its identifiers hold no backticks.
    parts = _complete(config, table.replace("`", ""), ["project", "dataset"])
    return DatasetName(namespace or "bigquery", ".".join(parts))


@naming("redshift")
def _redshift(config: Config, table: str, namespace: str | None) -> DatasetName:
    parts = _complete(config, table, ["database", "schema"], {"schema": "public"}, fold=str.lower)
    return DatasetName(namespace or f"redshift://{_redshift_cluster(config)}", ".".join(parts))


@naming("databricks")
def _databricks(config: Config, table: str, namespace: str | None) -> DatasetName:
    parts = _complete(config, table, ["catalog", "schema"], {"schema": "default"})
    name = fold_case("databricks", ".".join(parts))
    return DatasetName(namespace or f"databricks://{_host(config)}", name)


@naming("s3")
def _s3(config: Config, key: str, namespace: str | None) -> DatasetName:
    bucket, key = _bucket_and_key(config, re.sub(r"^s3[an]://", "s3://", key), "s3")
    return DatasetName(namespace or f"s3://{bucket}", key)


@naming("gcs")
def _gcs(config: Config, key: str, namespace: str | None) -> DatasetName:
    bucket, key = _bucket_and_key(config, key, "gs")
    return DatasetName(namespace or f"gs://{bucket}", key)


@naming("kafka")
def _kafka(config: Config, topic: str, namespace: str | None) -> DatasetName:
    return DatasetName(namespace or f"kafka://{_first_broker(config)}", topic)


@naming("duckdb")
def _duckdb(config: Config, table: str, namespace: str | None) -> DatasetName:
    path = _text(config, "path")
    # DuckDB calls a database like its file.
    defaults = {"database": PurePath(path or "memory").stem, "schema": "main"}
    parts = _complete(config, table, ["database", "schema"], defaults)
    return DatasetName(namespace or f"duckdb://{path or ':memory:'}", ".".join(parts))


@naming("http")
def _http(config: Config, path: str, namespace: str | None) -> DatasetName:
    base = _required(config, "base_url")
    url = urlsplit(path if re.match(r"https?://", path) else f"{base.rstrip('/')}/{path.lstrip('/')}")
    return DatasetName(
        namespace or f"{url.scheme}://{url.netloc.rpartition('@')[2].lower()}", url.path or "/"
    )


def fold_case(connection_type: str, name: str) -> str:
    """A table name in the case its store keeps unquoted names in; other stores tell cases apart."""
    fold = {"snowflake": str.upper, "databricks": str.lower}.get(connection_type)
    return fold(name) if fold else name


_IDENTIFIER = re.compile(r'"((?:[^"]|"")+)"|`([^`]+)`|([^."`]+)')


def _complete(
    config: Config,
    table: str,
    above: list[str],
    defaults: Mapping[str, str] | None = None,
    *,
    fold: Callable[[str], str] = str,
) -> list[str]:
    """The parts of a table name, the missing first ones from the connection's config, then from defaults."""
    given = _parts(table, fold)
    if len(given) > len(above) + 1:
        raise NamingError(f"Write {'.'.join([*above, 'table'])}, not more parts.")
    lacking = above[: len(above) + 1 - len(given)]
    return [_above(config, name, defaults or {}) for name in lacking] + given


def _parts(table: str, fold: Callable[[str], str]) -> list[str]:
    """The identifiers of a dotted name; quotes keep dots and case."""
    parts, position = [], 0
    while match := _IDENTIFIER.match(table, position):
        double, back, plain = match.groups()
        parts.append(fold(plain.strip()) if plain else (double or back).replace('""', '"'))
        position = match.end() + 1
        if table[match.end() : position] not in {".", ""}:
            break
    if position != len(table) + 1 or not all(parts):
        raise NamingError("The object is no table name: write the parts with a dot between them.")
    return parts


def _above(config: Config, name: str, defaults: Mapping[str, str]) -> str:
    value = _text(config, name) or defaults.get(name)
    if not value:
        raise NamingError(
            f"The connection has no {name}. Write it before the table, or set it on the connection."
        )
    return value


def _text(config: Config, key: str) -> str:
    value = config.get(key)
    return str(value).strip() if isinstance(value, (str, int)) else ""


def _required(config: Config, key: str) -> str:
    if value := _text(config, key):
        return value
    raise NamingError(f"The connection has no {key}.")


def _host(config: Config) -> str:
    host = re.sub(r"^https?://", "", _required(config, "host")).rstrip("/").lower()
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _address(config: Config, default_port: int) -> str:
    return f"{_host(config)}:{_text(config, 'port') or default_port}"


def _snowflake_account(config: Config) -> str:
    """`organization-account` as it is; a locator with region and cloud, which default as Snowflake's do."""
    account = _required(config, "account").lower().removesuffix(".snowflakecomputing.com")
    if "-" in account.partition(".")[0]:
        return account
    locator, *place = account.split(".")
    region, cloud = [*place, "us-west-1", "aws"][:2] if not place else [*place, "aws"][:2]
    return f"{locator}.{region}.{cloud}"


_REDSHIFT_HOST = re.compile(
    r"(?P<cluster>[^.]+)\.[^.]+\.(?P<region>[^.]+)\.redshift(?:-serverless)?\.amazonaws\.com"
)


def _redshift_cluster(config: Config) -> str:
    """`cluster.region:port`, from the config or from the host that AWS gives a cluster."""
    port = _text(config, "port") or "5439"
    cluster, region = _text(config, "cluster_identifier"), _text(config, "region")
    if cluster and region:
        return f"{cluster}.{region}:{port}"
    host = _host(config)
    if found := _REDSHIFT_HOST.fullmatch(host):
        return f"{found['cluster']}.{found['region']}:{port}"
    return f"{host}:{port}"


def _bucket_and_key(config: Config, object_: str, scheme: str) -> tuple[str, str]:
    bucket = _text(config, "bucket")
    if object_.startswith(f"{scheme}://"):
        bucket, _, object_ = object_.removeprefix(f"{scheme}://").partition("/")
    if not bucket:
        raise NamingError(
            f"The connection has no bucket. Write {scheme}://bucket/path, or set it on the connection."
        )
    return bucket, object_.strip("/") or "/"


def _first_broker(config: Config) -> str:
    brokers = config.get("bootstrap_servers")
    first = str(brokers[0]) if isinstance(brokers, list) and brokers else _text(config, "bootstrap_servers")
    first = first.partition(",")[0].strip().rpartition("://")[2].lower()
    if not first:
        raise NamingError("The connection has no bootstrap_servers.")
    return first if re.search(r":\d+$", first) else f"{first}:9092"
