"""The physical name of a dataset: one function per connection type, after the naming rules of OpenLineage.

Declared and observed lineage meet only where both call a table the same, so these functions follow
https://openlineage.io/docs/spec/naming, and where that page is silent the names its dbt and Airflow
integrations send; then the name goes through the same normalization as an observed one. The table in
`docs/specs.md` lists them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from catalog.openlineage.names import TRIMMERS, DatasetName, normalize_dataset, normalize_namespace

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """What a spec needs to know of a connection. The first of `namespaces` replaces the OpenLineage namespace
    that would follow from `config`; the others are names that events use for the same store."""

    id: str
    type: str
    config: Config = field(default_factory=dict)
    namespaces: tuple[str, ...] = ()


class NamingError(ValueError):
    """Connection and object together do not say which dataset is meant; the message is for people."""


# From config, object and the namespace the connection says, to namespace and name.
Naming = Callable[[Config, str, str | None], tuple[str, str]]

_NAMINGS: dict[str, Naming] = {}


def naming(connection_type: str) -> Callable[[Naming], Naming]:
    """Register the function for a connection type. A plugin uses it in its `AppConfig.ready()`."""

    def register(function: Naming) -> Naming:
        _NAMINGS[connection_type] = function
        return function

    return register


def connection_types() -> list[str]:
    return sorted(_NAMINGS)


def dataset_name(
    connection: ConnectionInfo,
    object: str,  # noqa: A002 - the spec's word
    *,
    trimmers: Iterable[str] = TRIMMERS,
) -> DatasetName:
    """The dataset that `object` means on this connection. Raises `NamingError`.

    `trimmers` as the organization has them switched on for observed names.
    """
    if connection.type not in _NAMINGS:
        raise NamingError(f"There are no naming rules for connections of type {connection.type}.")
    own_namespace = connection.namespaces[0] if connection.namespaces else None
    namespace, name = _NAMINGS[connection.type](connection.config, object.strip(), own_namespace)
    return normalize_dataset(namespace, name, aliases={}, trimmers=trimmers)


def namespace_aliases(connections: Iterable[ConnectionInfo]) -> dict[str, str]:
    """From each further namespace of a connection to its first, for `normalize_dataset`."""
    return {
        normalize_namespace(alias): normalize_namespace(connection.namespaces[0])
        for connection in connections
        for alias in connection.namespaces[1:]
    }


@naming("postgres")
def _postgres(config: Config, table: str, namespace: str | None) -> tuple[str, str]:
    parts = _complete(config, table, ["database", "schema"], {"schema": "public"})
    return namespace or f"postgres://{_address(config, 5432)}", ".".join(parts)


@naming("mysql")
def _mysql(config: Config, table: str, namespace: str | None) -> tuple[str, str]:
    parts = _complete(config, table, ["database"])
    return namespace or f"mysql://{_address(config, 3306)}", ".".join(parts)


@naming("snowflake")
def _snowflake(config: Config, table: str, namespace: str | None) -> tuple[str, str]:
    parts = _complete(config, table, ["database", "schema"], {"schema": "PUBLIC"})
    return namespace or f"snowflake://{_snowflake_account(config)}", ".".join(parts)


@naming("bigquery")
def _bigquery(config: Config, table: str, namespace: str | None) -> tuple[str, str]:
    # Quoted part by part or as a whole; identifiers hold no backticks.
    parts = _complete(config, table.replace("`", ""), ["project", "dataset"])
    return namespace or "bigquery", ".".join(parts)


@naming("redshift")
def _redshift(config: Config, table: str, namespace: str | None) -> tuple[str, str]:
    parts = _complete(config, table, ["database", "schema"], {"schema": "public"})
    return namespace or f"redshift://{_redshift_cluster(config)}", ".".join(parts)


@naming("databricks")
def _databricks(config: Config, table: str, namespace: str | None) -> tuple[str, str]:
    parts = _complete(config, table, ["catalog", "schema"], {"schema": "default"})
    return namespace or f"databricks://{_host(config)}", ".".join(parts)


@naming("s3")
def _s3(config: Config, key: str, namespace: str | None) -> tuple[str, str]:
    bucket, key = _bucket_and_key(config, re.sub(r"^s3[an]://", "s3://", key), "s3")
    return namespace or f"s3://{bucket}", key


@naming("gcs")
def _gcs(config: Config, key: str, namespace: str | None) -> tuple[str, str]:
    bucket, key = _bucket_and_key(config, key, "gs")
    return namespace or f"gs://{bucket}", key


@naming("kafka")
def _kafka(config: Config, topic: str, namespace: str | None) -> tuple[str, str]:
    return namespace or f"kafka://{_first_broker(config)}", topic


@naming("duckdb")
def _duckdb(config: Config, table: str, namespace: str | None) -> tuple[str, str]:
    path = _text(config, "path")
    # DuckDB calls a database like its file.
    defaults = {"database": PurePath(path or "memory").stem, "schema": "main"}
    parts = _complete(config, table, ["database", "schema"], defaults)
    return namespace or f"duckdb://{path or ':memory:'}", ".".join(parts)


@naming("http")
def _http(config: Config, path: str, namespace: str | None) -> tuple[str, str]:
    base = _required(config, "base_url")
    try:
        url = urlsplit(path if re.match(r"https?://", path) else f"{base.rstrip('/')}/{path.lstrip('/')}")
    except ValueError:
        raise NamingError("base_url and object together are no web address.") from None
    return namespace or f"{url.scheme}://{url.netloc.rpartition('@')[2]}", url.path or "/"


_IDENTIFIER = re.compile(r'"((?:[^"]|"")+)"|`([^`]+)`|([^."`]+)')


def _complete(config: Config, table: str, above: list[str], defaults: Mapping[str, str] | None = None) -> list[str]:
    """The parts of a table name, the missing first ones from the connection's config, then from defaults."""
    given = _parts(table)
    if len(given) > len(above) + 1:
        raise NamingError(f"Write {'.'.join([*above, 'table'])}, not more parts.")
    lacking = above[: len(above) + 1 - len(given)]
    return [_above(config, name, defaults or {}) for name in lacking] + given


def _parts(table: str) -> list[str]:
    """The identifiers of a dotted name, without quotes they do not need: most producers send none."""
    parts, position = [], 0
    while match := _IDENTIFIER.match(table, position):
        double, back, plain = match.groups()
        quoted_part = f'"{double}"' if double and ("." in double or '"' in double) else double
        parts.append(plain.strip() if plain else quoted_part or back)
        position = match.end() + 1
        if table[match.end() : position] not in {".", ""}:
            break
    if position != len(table) + 1 or not all(parts):
        raise NamingError("The object is no table name: write the parts with a dot between them.")
    return parts


def _above(config: Config, name: str, defaults: Mapping[str, str]) -> str:
    value = _text(config, name) or defaults.get(name)
    if not value:
        raise NamingError(f"The connection has no {name}. Write it before the table, or set it on the connection.")
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


_REDSHIFT_HOST = re.compile(r"(?P<cluster>[^.]+)\.[^.]+\.(?P<region>[^.]+)\.redshift(?:-serverless)?\.amazonaws\.com")


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
        raise NamingError(f"The connection has no bucket. Write {scheme}://bucket/path, or set it on the connection.")
    return bucket, object_.strip("/") or "/"


def _first_broker(config: Config) -> str:
    brokers = config.get("bootstrap_servers")
    first = str(brokers[0]) if isinstance(brokers, list) and brokers else _text(config, "bootstrap_servers")
    first = first.partition(",")[0].strip().rpartition("://")[2].lower()
    if not first:
        raise NamingError("The connection has no bootstrap_servers.")
    return first if re.search(r":\d+$", first) else f"{first}:9092"
