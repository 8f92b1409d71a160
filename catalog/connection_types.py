"""What can be connected to, and the configuration of each type as JSON Schema (draft 2020-12).

The schema is what the API checks and what forms are made of. Three annotations of ours say how a value is
kept: `writeOnly` (a plain secret: sealed, never answered), `x-address` (says where or as whom the connection
goes, so changing it asks for the secrets again) and `x-reference` (the secret lives elsewhere: `vault/…`,
`env/…`). Further types come from plugins: `register_connection_type()` in their `AppConfig.ready()`, or the
entry point group `dataxpipe.connection_types`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from jsonschema import Draft202012Validator

from dataxpipe.problems import FieldError
from dataxpipe.requests import json_pointer

ENTRY_POINTS = "dataxpipe.connection_types"
REFERENCE = r"(vault|env)/[^\s\u0000-\u001f\u007f]{1,490}"
MAX_TEXT, MAX_SECRET = 1_000, 16_000

# A field nobody declared is kept as it comes, unless its name says that it is a secret.
_SECRET_NAME = re.compile(r"passw|passphrase|secret|token|credential|api_?key|access_?key|private_?key|sasl_jaas", re.I)
_NOT_SECRET_NAME = re.compile(r"(_id|_url|_uri|_type|_path|_name|_file|_expiry|_ttl)$", re.I)
_URL_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class ConnectionType:
    """A kind of store. `properties` are the JSON Schemas of its configuration fields, `required` their names."""

    name: str
    label: str
    properties: Mapping[str, dict[str, Any]]
    required: tuple[str, ...] = ()

    def schema(self) -> dict[str, Any]:
        """The schema of `config`; further fields may be added, flat: texts, numbers, booleans, lists of texts."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.label,
            "type": "object",
            "properties": dict(self.properties),
            "required": list(self.required),
            "additionalProperties": {
                "type": ["string", "number", "boolean", "array"],
                "maxLength": MAX_TEXT,
                "maxItems": 100,
                "items": {"type": "string", "maxLength": MAX_TEXT},
            },
            "maxProperties": 100,
        }

    def is_reference(self, field: str) -> bool:
        return field.endswith("_secret")

    def is_secret(self, field: str) -> bool:
        """A plain secret, which is sealed and never answered."""
        if field in self.properties:
            return bool(self.properties[field].get("writeOnly"))
        is_suspect = _SECRET_NAME.search(field) and not _NOT_SECRET_NAME.search(field)
        return bool(is_suspect) and not self.is_reference(field)

    def is_address(self, field: str) -> bool:
        return bool(self.properties.get(field, {}).get("x-address"))


_types: dict[str, ConnectionType] = {}


def register_connection_type(connection_type: ConnectionType) -> None:
    _types[connection_type.name] = connection_type


def connection_types() -> dict[str, ConnectionType]:
    """Every type by name, those of plugins included."""
    _load_plugins()
    return dict(sorted(_types.items()))


@cache
def _load_plugins() -> None:
    for entry_point in entry_points(group=ENTRY_POINTS):
        register_connection_type(entry_point.load())


def config_errors(connection_type: ConnectionType, config: Any) -> Iterator[FieldError]:
    """Everything wrong with a configuration, with pointers below `/config`. Values of secrets are never quoted."""
    for error in Draft202012Validator(connection_type.schema()).iter_errors(config):
        if error.validator == "required":
            for field in connection_type.required:
                if field not in error.instance:
                    yield FieldError("required", f"{field} is required.", pointer=json_pointer(["config", field]))
            continue
        path = ["config", *error.absolute_path]
        yield FieldError(str(error.validator), _sentence(error), pointer=json_pointer(path))
    if isinstance(config, dict):
        for field, value in config.items():
            yield from _value_errors(connection_type, field, value)


def _sentence(error: Any) -> str:
    label = str(error.absolute_path[0]) if error.absolute_path else "config"
    wanted = error.validator_value
    match error.validator:
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            return f"{label} must be of type {' or '.join(kinds)}."
        case "enum":
            return f"{label} must be one of {', '.join(map(str, wanted))}."
        case "maxLength" | "maxItems" | "maxProperties":
            return f"{label} is longer than {wanted:,}."
        case "minLength" | "minItems":
            return f"{label} must not be empty."
        case "minimum" | "maximum":
            return f"{label} must be {'at least' if error.validator == 'minimum' else 'at most'} {wanted:,}."
    return f"{label} is not valid."


def _value_errors(connection_type: ConnectionType, field: str, value: Any) -> Iterator[FieldError]:
    pointer = json_pointer(["config", field])
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,99}", field):
        detail = "Field names hold letters, digits and _ . - only, at most 100."
        yield FieldError("invalid", detail, pointer=pointer)
    elif connection_type.is_reference(field):
        if not isinstance(value, str) or not re.fullmatch(REFERENCE, value):
            detail = "Fields that end in _secret are references: vault/path or env/NAME."
            yield FieldError("reference", detail, pointer=pointer)
    elif connection_type.is_secret(field):
        if not isinstance(value, str):
            yield FieldError("type", f"{field} must be of type string.", pointer=pointer)
    elif any(_URL_PASSWORD.search(text) for text in (value if isinstance(value, list) else [value]) if _is_text(text)):
        detail = "A password stands in a URL. Send user and password as fields of their own."
        yield FieldError("secret_in_url", detail, pointer=pointer)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _text(title: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "type": "string", "minLength": 1, "maxLength": MAX_TEXT, **more}


def _address(title: str, **more: Any) -> dict[str, Any]:
    return _text(title, **{"x-address": True, **more})


def _choice(title: str, *values: str) -> dict[str, Any]:
    return {"title": title, "type": "string", "enum": list(values)}


def _port(default: int) -> dict[str, Any]:
    return {
        "title": "Port",
        "type": "integer",
        "minimum": 1,
        "maximum": 65_535,
        "default": default,
        "x-address": True,
    }


def _secret(field: str, title: str) -> dict[str, dict[str, Any]]:
    """A secret in its two forms: sent once and sealed, or a reference to where it is kept."""
    description = "Where the secret is kept: vault/path or env/NAME."
    reference = _text(f"{title} (reference)", description=description, **{"x-reference": True})
    return {
        field: {"title": title, "type": "string", "minLength": 1, "maxLength": MAX_SECRET, "writeOnly": True},
        f"{field}_secret": reference,
    }


_LOGIN = {"user": _address("User"), **_secret("password", "Password")}
_SSL_MODE = _choice("TLS", "disable", "allow", "prefer", "require", "verify-ca", "verify-full")

for _type in (
    ConnectionType(
        "postgres",
        "PostgreSQL",
        {
            "host": _address("Host", examples=["warehouse.example.com"]),
            "port": _port(5432),
            "database": _text("Database"),
            "schema": _text("Schema", default="public"),
            **_LOGIN,
            "sslmode": _SSL_MODE,
        },
        required=("host",),
    ),
    ConnectionType(
        "mysql",
        "MySQL",
        {"host": _address("Host"), "port": _port(3306), "database": _text("Database"), **_LOGIN},
        required=("host",),
    ),
    ConnectionType(
        "snowflake",
        "Snowflake",
        {
            "account": _address("Account", examples=["acme-analytics"]),
            "database": _text("Database"),
            "schema": _text("Schema", default="PUBLIC"),
            "warehouse": _text("Warehouse"),
            "role": _text("Role"),
            **_LOGIN,
            **_secret("private_key", "Private key"),
        },
        required=("account",),
    ),
    ConnectionType(
        "bigquery",
        "BigQuery",
        {
            "project": _address("Project"),
            "dataset": _text("Dataset"),
            "location": _text("Location", examples=["EU"]),
            **_secret("credentials_json", "Service account key"),
        },
        required=("project",),
    ),
    ConnectionType(
        "redshift",
        "Redshift",
        {
            "host": _address("Host"),
            "port": _port(5439),
            "cluster_identifier": _text("Cluster"),
            "region": _text("Region"),
            "database": _text("Database"),
            "schema": _text("Schema", default="public"),
            **_LOGIN,
            "sslmode": _SSL_MODE,
        },
        required=("host",),
    ),
    ConnectionType(
        "databricks",
        "Databricks",
        {
            "host": _address("Workspace host"),
            "http_path": _text("HTTP path"),
            "catalog": _text("Catalog"),
            "schema": _text("Schema", default="default"),
            **_secret("token", "Access token"),
        },
        required=("host",),
    ),
    ConnectionType(
        "s3",
        "Amazon S3",
        {
            "bucket": _text("Bucket"),
            "region": _text("Region"),
            "endpoint_url": _address("Endpoint"),
            "role_arn": _address("Role"),
            "access_key_id": _address("Access key id"),
            **_secret("secret_access_key", "Secret access key"),
        },
        required=("bucket",),
    ),
    ConnectionType(
        "gcs",
        "Google Cloud Storage",
        {
            "bucket": _text("Bucket"),
            "project": _address("Project"),
            **_secret("credentials_json", "Service account key"),
        },
        required=("bucket",),
    ),
    ConnectionType(
        "kafka",
        "Kafka",
        {
            "bootstrap_servers": {
                "title": "Brokers",
                "type": ["string", "array"],
                "minLength": 1,
                "maxLength": MAX_TEXT,
                "minItems": 1,
                "maxItems": 100,
                "items": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
                "x-address": True,
            },
            "security_protocol": _choice("Security", "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
            "sasl_mechanism": _text("SASL mechanism", examples=["SCRAM-SHA-512"]),
            **_LOGIN,
        },
        required=("bootstrap_servers",),
    ),
    ConnectionType(
        "duckdb",
        "DuckDB",
        {
            "path": _text("File", description="Empty for a database in memory.", **{"x-address": True}),
            "database": _text("Database"),
            "schema": _text("Schema", default="main"),
            **_secret("token", "MotherDuck token"),
        },
    ),
    ConnectionType(
        "http",
        "HTTP",
        {
            "base_url": _address("Base URL", pattern="^https?://"),
            "auth": _choice("Authentication", "none", "basic", "bearer"),
            **_LOGIN,
            **_secret("token", "Bearer token"),
        },
        required=("base_url",),
    ),
):
    register_connection_type(_type)
