"""Strict YAML: one document of the core schema of YAML 1.2 that means no more than what stands there."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from dataxpipe.problems import BodyTooLarge, Problem
from dataxpipe.requests.limits import (
    INT64,
    INTEGER_DETAIL,
    MAX_DEPTH,
    MAX_KEYS,
    NUMBER_DETAIL,
    body_text,
    check_text,
    json_pointer,
    malformed,
    shown,
    too_deep,
)

MAX_YAML_BYTES = 256 * 1024
MAX_YAML_NODES = 10_000
CORE_INTEGER = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
CORE_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")


def read_yaml(body: bytes) -> Any:
    """The value of one YAML document of at most 256 kB, by the core schema of YAML 1.2.

    So `yes`, `on`, `12:30` and `2026-01-01` are text. Anchors, aliases, tags and further documents are
    refused: nothing in the document means more than what stands there.
    """
    text = body_text(body, MAX_YAML_BYTES)
    try:
        return _Parse(text).read()
    except yaml.MarkedYAMLError as error:
        place = f" at {_place(error.problem_mark)}" if error.problem_mark else ""
        raise malformed("syntax", f"The YAML is not well-formed{place}: {error.problem}.") from None
    except yaml.YAMLError:
        raise malformed("syntax", "The YAML holds a character that YAML does not allow.") from None


class _Parse:
    """One parse over libyaml's events, which come one by one: a bomb is refused before it is built."""

    NULL = frozenset({"", "~", "null", "Null", "NULL"})
    BOOLEAN = {
        "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    }  # fmt: skip
    NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

    def __init__(self, text: str) -> None:
        self.events = yaml.parse(text, Loader=yaml.CSafeLoader)
        self.nodes = 0

    def read(self) -> Any:
        next(self.events)
        start = next(self.events)
        if isinstance(start, yaml.StreamEndEvent):
            raise malformed("empty", "The YAML holds no document.")
        self._refuse_directives(start)
        value = self._value(next(self.events), ())
        next(self.events)
        following = next(self.events)
        if not isinstance(following, yaml.StreamEndEvent):
            detail = "Send one document, without a second ---"
            raise self._refused(following, (), "multiple_documents", detail)
        return value

    def _value(self, event: yaml.Event, path: tuple[str | int, ...]) -> Any:
        self._check_node(event, path)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if len(path) >= MAX_DEPTH:
            raise too_deep(json_pointer(path))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, path)
        return self._sequence(path)

    def _sequence(self, path: tuple[str | int, ...]) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, start: yaml.Event, path: tuple[str | int, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event, path)
            if key in found:
                detail = f"The key {shown(key)} stands twice in one mapping"
                raise self._refused(event, (*path, key), "duplicate_key", detail)
            if len(found) == MAX_KEYS:
                detail = f"A mapping has more than {MAX_KEYS:,} keys"
                raise self._refused(start, path, "too_many_keys", detail)
            found[key] = self._value(next(self.events), (*path, key))
        return found

    def _key(self, event: yaml.Event, path: tuple[str | int, ...]) -> str:
        self._check_node(event, path)
        key = self._scalar(event, path) if isinstance(event, yaml.ScalarEvent) else None
        if not isinstance(key, str):
            raise self._refused(event, path, "key_not_text", "A key must be text; put it in quotes")
        return key

    def _check_node(self, event: yaml.Event, path: tuple[str | int, ...]) -> None:
        self.nodes += 1
        if self.nodes > MAX_YAML_NODES:
            detail = f"The YAML has more than {MAX_YAML_NODES:,} nodes. Send it as JSON, or split it."
            raise BodyTooLarge(detail, limit=MAX_YAML_NODES)
        if isinstance(event, yaml.AliasEvent):
            raise self._refused(event, path, "alias", "Aliases (*name) are not read; write the value out")
        if getattr(event, "anchor", None) is not None:
            raise self._refused(event, path, "anchor", "Anchors (&name) are not read; write the value out")
        if getattr(event, "tag", None) is not None:
            raise self._refused(event, path, "tag", "Tags (!name) are not read; write the plain value")

    def _scalar(self, event: yaml.ScalarEvent, path: tuple[str | int, ...]) -> Any:
        text = event.value
        if not event.implicit[0]:
            check_text(text, path)
            return text
        if text in self.NULL:
            return None
        if text in self.BOOLEAN:
            return self.BOOLEAN[text]
        if CORE_INTEGER.fullmatch(text):
            return self._integer(event, path)
        if CORE_FLOAT.fullmatch(text):
            value = float(text)
            if math.isfinite(value):
                return value
            raise self._refused(event, path, "number_range", NUMBER_DETAIL.rstrip("."))
        if self.NOT_FINITE.fullmatch(text):
            raise self._refused(event, path, "not_a_number", f"{text} cannot be stored; leave the field out")
        return text

    def _integer(self, event: yaml.ScalarEvent, path: tuple[str | int, ...]) -> int:
        text = event.value
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        # No 64-bit integer needs more characters; int() refuses more than 4,300 with a ValueError.
        if len(text) <= 66 and (value := int(text[2:] if base != 10 else text, base)) in INT64:
            return value
        raise self._refused(event, path, "integer_range", INTEGER_DETAIL.rstrip("."))

    def _refuse_directives(self, start: yaml.Event) -> None:
        if getattr(start, "tags", None):
            raise self._refused(start, (), "tag", "A %TAG directive is not read; remove it")

    def _refused(self, event: yaml.Event, path: tuple[str | int, ...], code: str, detail: str) -> Problem:
        return malformed(code, f"{detail} ({_place(event.start_mark)}).", json_pointer(path))


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"
