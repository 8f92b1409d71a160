"""Strict JSON (RFC 8259): what two parsers could understand differently is refused, duplicate keys first."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from dataxpipe.problems import FieldError, MalformedBody
from dataxpipe.requests.limits import (
    INT64,
    INTEGER_DETAIL,
    MAX_DEPTH,
    MAX_ERRORS,
    MAX_KEYS,
    NUMBER_DETAIL,
    body_text,
    check_text,
    json_pointer,
    malformed,
    shown,
    too_deep,
)

MAX_JSON_BYTES = 10 * 1024 * 1024

_SUSPECT_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


def read_json(body: bytes) -> Any:
    """The value of a JSON text (RFC 8259) of at most 10 MiB."""
    text = body_text(body, MAX_JSON_BYTES)
    value = _Parse().read(text)
    _refuse_depth(value)
    if _SUSPECT_ESCAPE.search(text):
        _refuse_unstorable_text(value)
    return value


class _Refused:
    """Stands in a parsed document for a number that may not be there, until its pointer is known."""


class _Defect(NamedTuple):
    """What is wrong with an object of the document (or with a stand-in), and the key in it that is meant."""

    place: object
    code: str
    detail: str
    key: str | None = None


class _Parse:
    """One parse. The C scanner calls back for objects and numbers; what may not be there is collected with
    the object or the stand-in it concerns, because the scanner does not know where it is. Pointers are looked
    up afterwards by identity, so that only refused bodies pay for them.
    """

    def __init__(self) -> None:
        self.defects: list[_Defect] = []
        self.decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=self._integer,
            parse_float=self._float,
            parse_constant=self._constant,
        )

    def read(self, text: str) -> Any:
        try:
            value = self.decoder.decode(text)
        except RecursionError:
            raise too_deep(None) from None
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, column {error.colno}"
            raise malformed("syntax", f"The JSON is not well-formed at {place}: {error.msg}.") from None
        if self.defects:
            raise self._refusal(value)
        return value

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(pairs) > MAX_KEYS:
            detail = f"An object has {len(pairs):,} keys; {MAX_KEYS:,} are the most."
            self._note(_Defect(found, "too_many_keys", detail))
        elif len(found) != len(pairs):
            key = _first_repeated(pairs)
            detail = f"The key {shown(key)} stands twice in one object."
            self._note(_Defect(found, "duplicate_key", detail, key))
        return found

    def _integer(self, digits: str) -> Any:
        # 20 characters hold every 64-bit integer; int() refuses more than 4,300 with a ValueError.
        if len(digits) <= 20 and (value := int(digits)) in INT64:
            return value
        return self._refuse("integer_range", INTEGER_DETAIL)

    def _float(self, digits: str) -> Any:
        value = float(digits)
        return value if math.isfinite(value) else self._refuse("number_range", NUMBER_DETAIL)

    def _constant(self, name: str) -> Any:
        return self._refuse("not_a_number", f"{name} is not JSON. Use null, or leave the field out.")

    def _refuse(self, code: str, detail: str) -> _Refused:
        stand_in = _Refused()
        self._note(_Defect(stand_in, code, detail))
        return stand_in

    def _note(self, defect: _Defect) -> None:
        if len(self.defects) < MAX_ERRORS:
            self.defects.append(defect)

    def _refusal(self, value: Any) -> MalformedBody:
        _refuse_depth(value)
        pointers = self._pointers(value)
        errors = []
        for place, code, detail, key in self.defects:
            pointer = pointers.get(id(place))
            if pointer is not None and key is not None:
                pointer += json_pointer([key])
            errors.append(FieldError(code, detail, pointer=pointer))
        return MalformedBody(errors[0].detail, errors=errors)

    def _pointers(self, value: Any) -> dict[int, str]:
        """By identity. A part that a repeated key has displaced is in the document no more and has none."""
        wanted = {id(defect.place) for defect in self.defects}
        return {id(node): json_pointer(path) for path, node in _walk(value) if id(node) in wanted}


def _first_repeated(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    return next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]


def _refuse_depth(value: Any) -> None:
    # Level by level: a comprehension over containers costs a fifth of a recursive walk.
    level = [value] if type(value) in (dict, list) else []
    for _ in range(MAX_DEPTH):
        if not level:
            return
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
    if level:
        raise too_deep(_deepest_pointer(value))


def _deepest_pointer(value: Any) -> str:
    """Of the first container one level too deep."""
    return next(
        json_pointer(path) for path, node in _walk(value) if len(path) == MAX_DEPTH and type(node) in (dict, list)
    )


def _refuse_unstorable_text(value: Any) -> None:
    for path, node in _walk(value):
        if type(node) is str:
            check_text(node, path)
        elif type(node) is dict:
            for key in node:
                check_text(key, path)


def _walk(value: Any) -> Iterator[tuple[list[str | int], Any]]:
    """Every node, the root first, with its path: one list that changes while walking.

    A stack of iterators, neither recursion nor a list of all nodes: the body may be deep or 10 MiB of `[]`.
    """
    path: list[str | int] = []
    yield path, value
    pending = [_children(value)]
    while pending:
        for key, child in pending[-1]:
            path.append(key)
            yield path, child
            if type(child) is dict or type(child) is list:
                pending.append(_children(child))
                break
            path.pop()
        else:
            pending.pop()
            if path:
                path.pop()


def _children(node: Any) -> Iterator[tuple[str | int, Any]]:
    if type(node) is dict:
        return iter(node.items())
    return enumerate(node) if type(node) is list else iter(())
