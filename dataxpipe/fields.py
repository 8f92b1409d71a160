"""Serializer parts that all viewsets share: shapes are checked strictly, nothing is guessed or coerced."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from django.utils import timezone
from rest_framework import serializers


class StrictSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """Refuses fields it does not know: a misspelt field would otherwise be ignored in silence."""

    default_error_messages = {"invalid": "A JSON object is needed here."}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = {name for name, field in self.fields.items() if not field.read_only}
            unknown = {
                name: [serializers.ErrorDetail(f"This field is not known here.{_hint(name, known)}", code="unknown")]
                for name in data
                if name not in known
            }
            if unknown:
                raise serializers.ValidationError(unknown | self._further_errors(data))
        return super().to_internal_value(data)

    def _further_errors(self, data: Any) -> dict[str, Any]:
        """All defects at once: those of the known fields too."""
        try:
            super().to_internal_value(data)
        except serializers.ValidationError as error:
            return dict(error.detail)  # type: ignore[arg-type]
        return {}


def _hint(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name[:100], known, n=1)
    return f" Did you mean {near[0]}?" if near else ""


class WordField(serializers.ChoiceField):
    """One of a few words; a wrong one is answered with all of them."""

    def __init__(self, choices: Any, **kwargs: Any) -> None:
        super().__init__(choices, **kwargs)
        self.error_messages["invalid_choice"] = f"One of {', '.join(map(str, self.choices))}."


class TextField(serializers.CharField):
    """Text and nothing that merely looks like it: DRF would turn 5 into "5"."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class WholeNumberField(serializers.IntegerField):
    """An integer of JSON; not "5", not 5.0, not true."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class FlagField(serializers.BooleanField):
    """true or false; not "yes", not 1."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class InstantField(serializers.DateTimeField):
    """RFC 3339 with an offset, as UTC. Without an offset nobody knows which moment is meant."""

    default_error_messages = {
        "invalid": "An instant reads 2026-03-01T06:00:00Z, with Z or an offset.",
        "no_offset": "The offset is missing: end with Z, or with +01:00 and the like.",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=datetime.UTC, **kwargs)

    def to_internal_value(self, value: Any) -> datetime.datetime:
        if not isinstance(value, str):
            self.fail("invalid")
        moment = super().to_internal_value(value)
        try:
            return moment.astimezone(datetime.UTC)
        except OverflowError:
            self.fail("invalid")

    def enforce_timezone(self, value: datetime.datetime) -> datetime.datetime:
        if timezone.is_naive(value):
            self.fail("no_offset")
        return value
