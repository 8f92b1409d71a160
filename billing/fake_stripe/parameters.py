"""Form-encoded, nested parameters, read one by one: what no endpoint asked for is refused, as Stripe refuses it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from billing.fake_stripe.errors import Refusal

NAME = re.compile(r"[^\[\]]+(\[[^\[\]]*\])*")
MOST_FIELDS = 1000


def fields(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise Refusal(f"More than {MOST_FIELDS} parameters.") from error


def decoded(text: str) -> dict[str, Any]:
    """`items[0][price]=p&expand[]=x` as nested dictionaries and lists."""
    values: dict[str, Any] = {}
    for name, value in fields(text):
        if not NAME.fullmatch(name):
            raise Refusal(f"Invalid parameter name: {name}", param=name)
        _put(values, re.findall(r"[^\[\]]+|(?<=\[)(?=\])", name), value, whole=name)
    return {name: _with_lists(value) for name, value in values.items()}


def _put(values: dict[str, Any], path: list[str], value: str, *, whole: str) -> None:
    *parents, last = path
    for key in parents:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            raise Refusal(f"Invalid hash: {whole}", param=whole)
    if isinstance(values.get(last), dict):
        raise Refusal(f"Invalid string: {whole}", param=whole)
    values[last or str(len(values))] = value


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() for key in value):
        return [_with_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _with_lists(nested) for key, nested in value.items()}


class Parameters:
    """What a request asks for. Each reader takes its parameter out; `finish` refuses what is left."""

    def __init__(self, values: dict[str, Any], *, within: str = "") -> None:
        self.values = dict(values)
        self.within = within

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def full(self, name: str) -> str:
        return f"{self.within}[{name}]" if self.within else name

    def required(self, name: str) -> str:
        value = self.text(name)
        if not value:
            full = self.full(name)
            raise Refusal(f"Missing required param: {full}.", code="parameter_missing", param=full)
        return value

    def text(self, name: str, default: str | None = None) -> str | None:
        """The text; `""`, with which Stripe unsets a value, is None."""
        if name not in self.values:
            return default
        value = self.values.pop(name)
        if not isinstance(value, str):
            raise Refusal(f"Invalid string: {self.full(name)}", param=self.full(name))
        return value or None

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str | None:
        value = self.text(name, default)
        if value is not None and value not in choices:
            full = self.full(name)
            raise Refusal(f"Invalid {full}: must be one of {', '.join(choices)}", param=full)
        return value

    def integer(self, name: str, default: int | None = None, *, least: int | None = None) -> int | None:
        value = self.text(name)
        if value is None:
            return default
        full = self.full(name)
        if not re.fullmatch(r"-?[0-9]{1,15}", value):
            raise Refusal(f"Invalid integer: {value}", code="parameter_invalid_integer", param=full)
        if least is not None and int(value) < least:
            raise Refusal(f"This value must be greater than or equal to {least}.", param=full)
        return int(value)

    def flag(self, name: str, default: bool | None = None) -> bool | None:
        value = self.text(name)
        if value is None:
            return default
        if value not in {"true", "false"}:
            raise Refusal(f"Invalid boolean: {value}", param=self.full(name))
        return value == "true"

    def url(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and (urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).hostname):
            raise Refusal("Not a valid URL", code="url_invalid", param=self.full(name))
        return value

    def moment(self, name: str, *, now: int) -> int | None:
        """A time in seconds, or the word `now`."""
        if self.values.get(name) == "now":
            del self.values[name]
            return now
        return self.integer(name)

    def metadata(self, before: dict[str, str] | None = None) -> dict[str, str]:
        """The old metadata with the new laid over; an empty value removes its key, an empty word all of them."""
        if self.values.get("metadata") == "":
            del self.values["metadata"]
            return {}
        given = self.child("metadata").values
        if any(not isinstance(value, str) for value in given.values()):
            raise Refusal("Invalid metadata: values are strings.", param=self.full("metadata"))
        return {key: value for key, value in {**(before or {}), **given}.items() if value}

    def child(self, name: str) -> Parameters:
        value = self.values.pop(name, {})
        if not isinstance(value, dict):
            raise Refusal(f"Invalid object: {self.full(name)}", param=self.full(name))
        return Parameters(value, within=self.full(name))

    def children(self, name: str) -> list[Parameters]:
        values = self.values.pop(name, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise Refusal(f"Invalid array: {self.full(name)}", param=self.full(name))
        return [Parameters(value, within=f"{self.full(name)}[{index}]") for index, value in enumerate(values)]

    def texts(self, name: str) -> list[str]:
        values = self.values.pop(name, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise Refusal(f"Invalid array: {self.full(name)}", param=self.full(name))
        return values

    def without_effect(self, *names: str) -> None:
        """Parameters that Stripe knows and that change nothing here."""
        for name in names:
            self.values.pop(name, None)

    def finish(self) -> None:
        for name in self.values:
            full = self.full(name)
            raise Refusal(f"Received unknown parameter: {full}", code="parameter_unknown", param=full)
