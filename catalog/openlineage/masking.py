"""What must never be stored: secrets in events, and code where an organization keeps it to itself.

Everything here copies what it changes and returns the rest as it was.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import orjson

MASK = "***"

_SECRET_KEY = re.compile(r"password|passwd|secret|token|api[_-]?key|authorization", re.IGNORECASE | re.ASCII)
# an organization's or a platform's API key: 43 characters of chance and 6 of checksum
_API_KEY = re.compile(r"dxp_(?:platform_)?[0-9A-Za-z]{49}")
# without the scheme before «://», which would be searched from every letter of a long text
_URL_PASSWORD = re.compile(r"://([^\s/?#:@]*):([^\s/?#]+)@")
_ORACLE_PASSWORD = re.compile(r"(jdbc:oracle:\w{1,10}:[^\s/@:]{1,128}/)([^\s@]+)@", re.IGNORECASE | re.ASCII)
_URL_PARAMETER = re.compile(
    r"([?&;][\w.-]{0,40}(?:password|passwd|pwd|secret|token|api[_-]?key|authorization)[\w.-]{0,40}=)([^&;\s\"']+)",
    re.IGNORECASE | re.ASCII,
)
_HINTS: tuple[bytes, ...] = (
    *(b"passw", b"secret", b"token", b"apikey", b"api_key", b"api-key", b"authorization"),
    *(b"pwd", b"dxp_", b"jdbc:oracle"),
)
_URL_HINT = re.compile(_URL_PASSWORD.pattern.encode())
# (facet, member) whose keys name columns or tasks, not settings: a column `password_hash` keeps its lineage
_KEYED_BY_NAME = frozenset(
    {
        ("columnLineage", "fields"),
        ("dataQualityMetrics", "columnMetrics"),
        ("dataQuality", "columnMetrics"),
        ("airflow", "tasks"),
        ("airflow", "taskTree"),
        ("airflow", "taskGroups"),
        ("airflowState", "tasksState"),
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret that was masked: where (JSON pointer), and why.

    For an API key its SHA-256, under which keys are stored, so that its organization can be told.
    """

    pointer: str
    kind: Literal["key", "api_key", "url"]
    api_key_sha256: bytes | None = None


def mask(document: Any) -> tuple[Any, tuple[Finding, ...]]:
    """The JSON document without secrets, and what was found; the same object when there was nothing.

    Masked: texts and numbers under keys that speak of secrets, at any depth; the `value` beside a `name` that
    does; API keys of this product in any text; passwords in URLs and JDBC strings.
    """
    if not _may_hold_secrets(document):
        return document, ()
    found: list[Finding] = []
    return _masked(document, "", (), found), tuple(found)


def redact_sources(event: dict[str, Any], store_sql: bool, store_source_code: bool) -> dict[str, Any]:
    """The event's document without SQL texts, or without source code, or without both."""
    dropped = set() if store_source_code else {"sourceCode", "unknownSourceAttribute"}
    if not store_sql:
        dropped.add("sql")
    if not dropped:
        return event

    def redact(facets: dict[str, Any]) -> dict[str, Any]:
        kept = {name: facet for name, facet in facets.items() if name not in dropped}
        return kept if store_sql else {name: _without_contents(facet) for name, facet in kept.items()}

    return _with_facets(event, redact)


def _may_hold_secrets(document: Any) -> bool:
    """Searching the bytes costs a twentieth of walking the document, and most events hold nothing."""
    try:
        body = orjson.dumps(document).lower()
    except orjson.JSONEncodeError:  # what no JSON reader of ours lets through is walked
        return True
    return any(hint in body for hint in _HINTS) or _URL_HINT.search(body) is not None


def _masked(value: Any, pointer: str, path: tuple[str, ...], found: list[Finding]) -> Any:
    if isinstance(value, str):
        return _masked_text(value, pointer, found)
    if isinstance(value, dict):
        return _masked_object(value, pointer, path, found)
    if isinstance(value, list):
        items = [_masked(item, f"{pointer}/{index}", (), found) for index, item in enumerate(value)]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def _masked_object(value: dict[str, Any], pointer: str, path: tuple[str, ...], found: list[Finding]) -> dict[str, Any]:
    are_names = path[-2:] in _KEYED_BY_NAME
    name = value.get("name")
    names_secret = isinstance(name, str) and "value" in value and _SECRET_KEY.search(name) is not None
    changed: dict[str, Any] = {}
    is_changed = False
    for key, member in value.items():
        place = f"{pointer}/{_escaped(key)}"
        new_key = _masked_text(key, place, found) if "dxp_" in key else key
        if (names_secret and key == "value") or (not are_names and _SECRET_KEY.search(key)):
            new = _blanked(member, place, found)
        else:
            new = _masked(member, place, (*path[-1:], key), found)
        changed[new_key] = new
        is_changed = is_changed or new is not member or new_key is not key
    return changed if is_changed else value


def _blanked(value: Any, pointer: str, found: list[Finding]) -> Any:
    """Every text and number below is masked; the shape stays, for readers of the facet."""
    if isinstance(value, dict):
        return {key: _blanked(member, f"{pointer}/{_escaped(key)}", found) for key, member in value.items()}
    if isinstance(value, list):
        return [_blanked(item, f"{pointer}/{index}", found) for index, item in enumerate(value)]
    if value is None or isinstance(value, bool) or value in ("", MASK):
        return value
    if isinstance(value, str) and (keys := _API_KEY.findall(value)):
        found.extend(_api_key(pointer, key) for key in keys)
    else:
        found.append(Finding(pointer, "key"))
    return MASK


def _masked_text(value: str, pointer: str, found: list[Finding]) -> str:
    masked = value
    if "dxp_" in value:
        found.extend(_api_key(pointer, key) for key in _API_KEY.findall(value))
        masked = _API_KEY.sub(MASK, masked)
    if "://" in masked or "jdbc:" in masked:
        without = _URL_PASSWORD.sub(rf"://\1:{MASK}@", masked)
        without = _ORACLE_PASSWORD.sub(rf"\1{MASK}@", without)
        without = _URL_PARAMETER.sub(rf"\1{MASK}", without)
        if without != masked:
            found.append(Finding(pointer, "url"))
            masked = without
    return masked if masked != value else value


def _api_key(pointer: str, key: str) -> Finding:
    return Finding(pointer, "api_key", hashlib.sha256(key.encode()).digest())


def _escaped(key: str) -> str:
    """RFC 6901. A key that is itself a secret must not come back in a finding."""
    return _API_KEY.sub(MASK, key).replace("~", "~0").replace("/", "~1")


def _with_facets(event: dict[str, Any], redact: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    changed = dict(event)
    for part in ("run", "job", "dataset"):
        changed[part] = _redacted_part(event.get(part), redact)
    for side in ("inputs", "outputs"):
        if isinstance(event.get(side), list):
            changed[side] = [_redacted_part(dataset, redact) for dataset in event[side]]
    return {key: value for key, value in changed.items() if key in event}


def _redacted_part(part: Any, redact: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    if not isinstance(part, dict):
        return part
    changed = dict(part)
    for member in ("facets", "inputFacets", "outputFacets"):
        if isinstance(part.get(member), dict):
            changed[member] = redact(part[member])
    return changed


def _without_contents(facet: Any) -> Any:
    """Tests and assertions carry their query as `content`."""
    if not isinstance(facet, dict):
        return facet
    changed = dict(facet)
    for member in ("tests", "assertions"):
        if isinstance(facet.get(member), list):
            changed[member] = [
                {key: value for key, value in entry.items() if key != "content"} if isinstance(entry, dict) else entry
                for entry in facet[member]
            ]
    return changed
