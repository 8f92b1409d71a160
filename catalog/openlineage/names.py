"""One identity for a job, one for a dataset, however a producer spells it.

Rules follow https://openlineage.io/docs/spec/naming and are tabled in docs/openlineage.md. Everything here is
idempotent: a normalized name normalizes to itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

NAME_LENGTH = 1_000
# A row of an index holds 2,704 bytes, and names stand in some beside ids; 1,000 characters may be 4,000 bytes.
NAME_BYTES = 2_500


def is_storable(name: str, longest: int = NAME_LENGTH) -> bool:
    return len(name) <= longest and (name.isascii() or len(name.encode(errors="replace")) <= NAME_BYTES)


def cut(name: str) -> str:
    """As much of a name as can be stored."""
    return name[:NAME_LENGTH].encode(errors="replace")[:NAME_BYTES].decode(errors="ignore")


@dataclass(frozen=True, slots=True, order=True)
class JobKey:
    """What a job, and so a pipeline or a step, is known by."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class DatasetName:
    """`namespace` and `name` identify the dataset; `raw_name` is what the producer wrote."""

    namespace: str
    name: str
    raw_name: str


Segments = list[str]
Trimmer = Callable[[Segments], Segments]

_SAME_SCHEME = {
    "s3a": "s3",
    "s3n": "s3",
    "gcs": "gs",
    "abfs": "abfss",
    "wasb": "wasbs",
    "postgresql": "postgres",
}
_DEFAULT_PORTS = {
    "postgres": 5432,
    "mysql": 3306,
    "redshift": 5439,
    "sqlserver": 1433,
    "oracle": 1521,
}
# object keys have no root; paths of file systems begin with one
_OBJECT_STORES = frozenset({"s3", "gs", "abfss", "wasbs", "oss", "cos", "minio"})
_FILE_SYSTEMS = frozenset({"file", "hdfs", "dbfs", "webhdfs", "viewfs", "alluxio", "sftp", "ftp"})
_WITHOUT_AUTHORITY = frozenset({"file", "bigquery", "pubsub"})
_CONTAINER_IN_USERINFO = frozenset({"abfss", "wasbs"})

# how each system reads an identifier without quotes; systems not named here keep the case as it is
_UPPER_CASE = frozenset({"snowflake", "oracle", "db2"})
_LOWER_CASE = frozenset({"postgres", "redshift", "hive", "awsathena", "trino", "presto", "databricks", "duckdb", "arn"})
_BACKTICKS = frozenset({"bigquery", "mysql", "databricks", "hive"})
_TO_UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_TO_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(.*)", re.DOTALL)
_QUOTED_OR_PLAIN = re.compile(r'"(?:[^"]|"")*"|[^"]+')
_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")

_YEAR, _MONTH, _DAY = r"(?:19[7-9]\d|20\d\d)", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_HOUR, _SIXTY = r"(?:[01]\d|2[0-3])", r"[0-5]\d"
_CLOCK = rf"[T_ -]?{_HOUR}(?:[:_-]?{_SIXTY}(?:[:_-]?{_SIXTY}(?:\.\d{{1,9}})?)?)?(?:Z|[+-]\d\d:?\d\d)?"
_DATE = rf"(?:{_YEAR}(?P<dash>[-_]){_MONTH}(?P=dash){_DAY}|{_YEAR}{_MONTH}{_DAY})(?:{_CLOCK})?"
_EXTENSIONS = r"(?:\.[A-Za-z][A-Za-z0-9]{0,9}){0,4}"
_DATE_SEGMENT = re.compile(rf"(?:{_DATE}|{_YEAR}-?{_MONTH}){_EXTENSIONS}")
_DATE_SUFFIX = re.compile(rf"(?P<stem>.*[^-_.\s])[-_.]{_DATE}(?P<extensions>{_EXTENSIONS})", re.DOTALL)
_YEAR_SEGMENT, _MONTH_SEGMENT = re.compile(_YEAR), re.compile(_MONTH)
_DAY_SEGMENT, _HOUR_SEGMENT = re.compile(_DAY), re.compile(_HOUR)
_PARTITION = re.compile(r"[A-Za-z_][\w.-]*=.*", re.DOTALL)
_PART_FILE = re.compile(
    r"part-(?:[rm]-)?\d{3,}.*"  # Spark, MapReduce
    r"|\d{6}_\d+(?:_copy_\d+)?"  # Hive
    r"|_SUCCESS|_started_.*|_committed_.*|_temporary|_delta_log|\.hoodie"
    r"|\*+(?:\.[A-Za-z*][\w.*]*)?",  # a glob
    re.DOTALL,
)


def trim_partitions(segments: Segments) -> Segments:
    """`country=at`, as Hive writes partitions."""
    return [segment for segment in segments if not _PARTITION.fullmatch(segment)]


def trim_dates(segments: Segments) -> Segments:
    """`2024-01-31`, `20240131T0600`, `2024-01`, `20240131.csv`, and `2024/01`, `2024/01/31`, `2024/01/31/06`.

    A year alone stays: it is as likely a name.
    """
    kept: Segments = []
    position = 0
    while position < len(segments):
        length = _dated_length(segments[position:])
        if not length:
            kept.append(segments[position])
        position += length or 1
    return kept


def trim_part_files(segments: Segments) -> Segments:
    """`part-00000-….parquet`, `000000_0`, `_SUCCESS`, `*.csv` at the end: files of one dataset."""
    kept = list(segments)
    while kept and _PART_FILE.fullmatch(kept[-1]):
        kept.pop()
    return kept


def trim_date_suffix(segments: Segments) -> Segments:
    """`orders_20240131.csv` is `orders.csv`; only in the last segment."""
    if not segments or not (dated := _DATE_SUFFIX.fullmatch(segments[-1])):
        return segments
    return [*segments[:-1], dated["stem"] + dated["extensions"]]


# in the order they are tried; names are those of the setting
TRIMMERS: Mapping[str, Trimmer] = {
    "part_files": trim_part_files,
    "partitions": trim_partitions,
    "dates": trim_dates,
    "date_suffix": trim_date_suffix,
}


def normalize_dataset(
    namespace: str, name: str, *, aliases: Mapping[str, str], trimmers: Iterable[str] = TRIMMERS
) -> DatasetName:
    """The dataset's identity: canonical namespace, alias, path without dates and partitions, case.

    `aliases` maps namespaces to namespaces, as connections declare them. Paths are trimmed in object stores
    and file systems only, and never to nothing.
    """
    resolved = _resolve(namespace, aliases)
    scheme = _scheme(resolved)
    if scheme in _OBJECT_STORES or scheme in _FILE_SYSTEMS:
        normalized = _normalize_path(name.strip(), scheme in _OBJECT_STORES, tuple(trimmers))
    else:
        normalized = _normalize_table(name.strip(), scheme)
    return DatasetName(resolved, normalized or name, name)


@lru_cache(maxsize=2_048)  # an organization has few namespaces, an event names them again and again
def normalize_namespace(namespace: str) -> str:
    """Scheme and host in lower case, one spelling per store, the usual port written out, no user."""
    while (spelled := _spelled(namespace)) != namespace:
        namespace = spelled
    return namespace


def _spelled(namespace: str) -> str:
    namespace = namespace.strip() or namespace
    bare = namespace.rstrip(":/").translate(_TO_LOWER)
    if bare in _WITHOUT_AUTHORITY:
        return bare
    if not (uri := _URI.fullmatch(namespace)):
        return namespace
    scheme, authority, rest = uri.groups()
    scheme = scheme.translate(_TO_LOWER)
    scheme = _SAME_SCHEME.get(scheme, scheme)
    host = _host(scheme, authority.translate(_TO_LOWER))
    if scheme in _WITHOUT_AUTHORITY and not (host or rest.strip("/")):
        return scheme
    normalized = f"{scheme}://{host}{rest.rstrip('/')}"
    return normalized if is_storable(normalized) else namespace


def _host(scheme: str, authority: str) -> str:
    if scheme not in _CONTAINER_IN_USERINFO:
        authority = authority.rpartition("@")[2]
    port = _DEFAULT_PORTS.get(scheme)
    if port and authority and not authority.endswith("]") and ":" not in authority:
        return f"{authority}:{port}"
    return authority


def _resolve(namespace: str, aliases: Mapping[str, str]) -> str:
    """Follows aliases to their end; of namespaces that are aliases of each other, the alphabet's first."""
    path: list[str] = []
    current = namespace
    while True:
        normalized = normalize_namespace(current)
        if normalized in path:
            return min(path[path.index(normalized) :])
        path.append(normalized)
        target = aliases.get(normalized) or aliases.get(current)
        if not target:
            return normalized
        current = target


def _scheme(namespace: str) -> str:
    return namespace.partition(":")[0].translate(_TO_LOWER)


def _normalize_path(name: str, is_object_store: bool, trimmers: tuple[str, ...]) -> str:
    segments = [segment.strip() for segment in name.split("/") if segment.strip()]
    trimmed = segments
    while True:
        before = trimmed
        for trimmer in trimmers:
            trimmed = TRIMMERS[trimmer](trimmed)
        if trimmed == before:
            break
    root = "" if is_object_store or not name.startswith("/") else "/"
    return (root + "/".join(trimmed or segments)) or "/"


def _normalize_table(name: str, scheme: str) -> str:
    if scheme in _BACKTICKS:
        name = name.replace("`", "").strip()
    if scheme == "bigquery":  # orders$20240131 is a partition of orders
        return name.partition("$")[0].strip() or name
    if scheme in _UPPER_CASE:
        return _folded(name, _TO_UPPER)
    if scheme in _LOWER_CASE:
        return _folded(name, _TO_LOWER)
    return name


def _folded(name: str, case: dict[int, int]) -> str:
    """Folds what stands outside quotes, and drops quotes that change nothing.

    ASCII only: a name must not grow, and PostgreSQL folds no more either.
    """

    def fold(part: re.Match[str]) -> str:
        found = part[0]
        if not found.startswith('"'):
            return found.translate(case)
        inner = found[1:-1]
        return inner if _SIMPLE.fullmatch(inner) and inner == inner.translate(case) else found

    return _QUOTED_OR_PLAIN.sub(fold, name)


def _dated_length(segments: Segments) -> int:
    """How many segments from the first on are a date: 0 to 4."""
    if _DATE_SEGMENT.fullmatch(segments[0]):
        return 1
    if len(segments) < 2 or not _YEAR_SEGMENT.fullmatch(segments[0]):
        return 0
    if not _MONTH_SEGMENT.fullmatch(segments[1]):
        return 0
    if len(segments) < 3 or not _DAY_SEGMENT.fullmatch(segments[2]):
        return 2
    return 4 if len(segments) > 3 and _HOUR_SEGMENT.fullmatch(segments[3]) else 3
