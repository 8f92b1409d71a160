"""The first pass over a spec: its structure, by the JSON Schema beside this file.

The schema is the single truth, for editors as for us; here its findings become sentences with pointers.
"""

from __future__ import annotations

import copy
import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators

from catalog.spec.datasets import connection_types
from dataxpipe.problems import FieldError
from dataxpipe.requests import json_pointer

ORGANIZATION_KEYS = frozenset({"organization", "organization_id", "org", "org_id", "tenant", "tenant_id"})
KINDS = {
    "string": "text",
    "array": "a list",
    "object": "an object",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


@cache
def spec_schema() -> dict[str, Any]:
    """The schema as it is written; read-only."""
    schema: dict[str, Any] = json.loads(Path(__file__).with_name("schema.json").read_text("utf-8"))
    return schema


def published_schema() -> dict[str, Any]:
    """The schema for editors, `/api/v1/schemas/pipeline.json`: with the connection types of this server."""
    schema = copy.deepcopy(spec_schema())
    schema["$defs"]["connection_type"]["enum"] = connection_types()
    return schema


def root_keys() -> frozenset[str]:
    return frozenset(spec_schema()["properties"])


def pipeline_keys() -> frozenset[str]:
    return frozenset(spec_schema()["properties"]["pipeline"]["properties"])


def structure_errors(document: Any) -> Iterator[FieldError]:
    """What the schema finds in a spec in its wrapped form, lazily: a hopeless document costs no more than
    the errors that are taken."""
    for error in _validator().iter_errors(document):
        path = list(error.absolute_path)
        code, detail = _SENTENCES[str(error.validator)](error, path)
        yield FieldError(code, detail, pointer=json_pointer(path))


@cache
def _validator() -> Any:
    """The draft's validator, but safe with foreign input and with one error per missing or unknown key."""
    own = {
        "pattern": _pattern,
        "items": _items,
        "required": _required,
        "additionalProperties": _additional_properties,
    }
    extended: Any = validators.extend(Draft202012Validator, own)  # type: ignore[no-untyped-call]
    schema = spec_schema()
    return extended(_inlined(schema, schema["$defs"]))


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """With what `$ref` names in its place, the keys beside it going first: looking them up anew for every value
    takes half of the time. No definition refers to itself."""
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    beside = {key: _inlined(value, definitions) for key, value in schema.items() if key not in ("$ref", "$defs")}
    if "$ref" not in schema:
        return beside
    return {**_inlined(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions), **beside}


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    # `$` of Python's re also matches before a last newline, that of JSON Schema does not.
    if isinstance(instance, str) and not re.fullmatch(pattern, instance):
        yield ValidationError("pattern")


def _items(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, list) and len(instance) <= schema["maxItems"]:
        for index, item in enumerate(instance):
            yield from validator.descend(item, items, path=index)


def _required(_: Any, required: list[str], instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for key in required:
            if key not in instance:
                yield ValidationError("required", path=[key])


def _additional_properties(_: Any, __: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for key in instance:
            if key not in schema["properties"]:
                yield ValidationError("unknown", path=[key])


Sentence = tuple[str, str]
Place = list[str | int]


def _required_sentence(error: Any, path: Place) -> Sentence:
    about = error.schema["properties"][path[-1]].get("description", "")
    return "required", f"{_label(path)} is required. {about}".rstrip()


def _unknown_sentence(error: Any, path: Place) -> Sentence:
    key = str(path[-1])
    if key.lower() in ORGANIZATION_KEYS:
        return "organization_in_spec", (
            f"A spec never names an organization; the credential that sends it does. Remove {quoted(key)}."
        )
    known = error.schema["properties"]
    if len(path) == 1 and key in pipeline_keys():
        return "unknown_field", f"{quoted(key)} belongs under pipeline. Indent it there."
    if path[0] == "pipeline" and len(path) == 2 and key in root_keys():
        return (
            "unknown_field",
            f"{quoted(key)} belongs beside pipeline, not inside. Move it to the top level.",
        )
    hint = did_you_mean(key, known) or f"Known here: {', '.join(known)}."
    return "unknown_field", f"{quoted(key)} is not known here. {hint}"


def _type_sentence(error: Any, path: Place) -> Sentence:
    wanted = error.validator_value
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    detail = f"{_label(path)} must be {' or '.join(KINDS[name] for name in names)}, not {_kind(error.instance)}."
    if "string" in names and isinstance(error.instance, (bool, int, float)):
        detail += f' Put it in quotes: "{json.dumps(error.instance)}".'
    if error.instance is None:
        detail += " Give it a value, or leave the key out."
    return "wrong_type", detail


def _enum_sentence(error: Any, path: Place) -> Sentence:
    choices = error.validator_value
    value = quoted(error.instance) if isinstance(error.instance, str) else _kind(error.instance)
    hint = did_you_mean(error.instance, choices)
    return "invalid_choice", f"{value} is not one of {', '.join(choices)}. {hint}".rstrip()


def _pattern_sentence(error: Any, path: Place) -> Sentence:
    value, pattern = error.instance, error.validator_value
    lower = re.sub(r"[^a-z0-9_.-]+", "_", value[:300].lower()).strip("_.-")
    hint = f" Did you mean {quoted(lower)}?" if lower and "a-z" in pattern and re.fullmatch(pattern, lower) else ""
    return "invalid_format", (
        f"{quoted(value)} is no valid {_label(path)}. {error.schema['patternErrorMessage']}{hint}"
    )


def _length_sentence(error: Any, path: Place) -> Sentence:
    if error.validator == "minLength":
        return "too_short", f"{_label(path)} must not be empty."
    return (
        "too_long",
        f"{_label(path)} has {len(error.instance):,} characters; {error.validator_value:,} are the most.",
    )


def _count_sentence(error: Any, path: Place) -> Sentence:
    if error.validator == "minItems":
        return "too_few", f"{_label(path)} needs at least {error.validator_value}."
    return (
        "too_many",
        f"{_label(path)} has {len(error.instance):,} entries; {error.validator_value:,} are the most.",
    )


def _range_sentence(error: Any, path: Place) -> Sentence:
    bound = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than"}[str(error.validator)]
    return "out_of_range", f"{_label(path)} must be {bound} {error.validator_value:,}."


_SENTENCES: dict[str, Callable[[Any, Place], Sentence]] = {
    "required": _required_sentence,
    "additionalProperties": _unknown_sentence,
    "type": _type_sentence,
    "enum": _enum_sentence,
    "pattern": _pattern_sentence,
    "minLength": _length_sentence,
    "maxLength": _length_sentence,
    "minItems": _count_sentence,
    "maxItems": _count_sentence,
    "minimum": _range_sentence,
    "maximum": _range_sentence,
    "exclusiveMinimum": _range_sentence,
}


def _label(path: Place) -> str:
    """The innermost key: what the person typed."""
    names = [part for part in path if isinstance(part, str)]
    if not names:
        return "The spec"
    return f"entry of {names[-1][:60]}" if isinstance(path[-1], int) else names[-1][:60]


def _kind(value: Any) -> str:
    for name, types in (
        ("boolean", bool),
        ("integer", int),
        ("number", float),
        ("string", str),
        ("array", list),
    ):
        if isinstance(value, types):
            return KINDS[name]
    return "null" if value is None else "an object"


def quoted(text: Any) -> str:
    """Foreign text inside a sentence of ours: quoted, short, on one line."""
    text = str(text)
    shown = json.dumps(text if len(text) <= 60 else text[:57] + "...", ensure_ascii=False)
    return shown.encode("utf-8", "replace").decode()


def did_you_mean(wrong: Any, known: Iterable[str]) -> str:
    """The nearest known word. Of many long ones only some are tried, those with the same first letter first:
    a comparison costs the square of the length, and a refused spec asks up to 200 times."""
    if not isinstance(wrong, str) or not 0 < len(wrong) <= 64:
        return ""
    alike = [word for word in known if abs(len(word) - len(wrong)) <= 2 + len(wrong) // 4]
    alike.sort(key=lambda word: word[:1].lower() != wrong[0].lower())
    near = difflib.get_close_matches(wrong.lower(), alike[: 100_000 // len(wrong) ** 2], n=1)
    return f"Did you mean {quoted(near[0])}?" if near else ""
