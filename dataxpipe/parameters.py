"""Query parameters of the API, checked with all defects at once."""

from __future__ import annotations

import datetime
from uuid import UUID

from django.http import QueryDict
from django.utils.dateparse import parse_datetime

from dataxpipe.problems import FieldError, ValidationFailed

MAX_TEXT = 1_000


class Query:
    """Reads parameters one by one; `require_valid()` raises what was wrong with any of them."""

    def __init__(self, parameters: QueryDict) -> None:
        self.parameters = parameters
        self.errors: list[FieldError] = []

    def text(self, name: str) -> str | None:
        return next(iter(self.texts(name)), None)

    def texts(self, name: str) -> list[str]:
        values = self.parameters.getlist(name)
        if all(_is_storable(value) for value in values):
            return values
        self.refuse(name, f"Text of 1 to {MAX_TEXT:,} characters, without NUL.")
        return []

    def choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        value = self.parameters.get(name)
        if value is not None and value not in choices:
            self.refuse(name, f"One of {', '.join(choices)}.")
            return None
        return value

    def choices(self, name: str, choices: tuple[str, ...]) -> list[str]:
        values = self.parameters.getlist(name)
        if all(value in choices for value in values):
            return values
        self.refuse(name, f"Each is one of {', '.join(choices)}.")
        return []

    def instant(self, name: str) -> datetime.datetime | None:
        text = self.parameters.get(name)
        if text is None:
            return None
        try:
            moment = parse_datetime(text)
            if moment is not None and moment.tzinfo is not None:
                return moment.astimezone(datetime.UTC)
        except (ValueError, OverflowError):
            pass
        self.refuse(name, "An RFC 3339 time with an offset, such as 2026-01-31T06:00:00Z.")
        return None

    def uuid(self, name: str) -> UUID | None:
        text = self.parameters.get(name)
        found = as_uuid(text) if text is not None else None
        if text is not None and found is None:
            self.refuse(name, "An id is needed, as the API answers it.")
        return found

    def flag(self, name: str) -> bool:
        return self.choice(name, ("true", "false")) == "true"

    def refuse(self, name: str, detail: str) -> None:
        self.errors.append(FieldError("invalid", detail, parameter=name))

    def require_valid(self) -> None:
        if self.errors:
            raise ValidationFailed("A query parameter is not valid.", errors=self.errors)


def _is_storable(text: str) -> bool:
    return 0 < len(text) <= MAX_TEXT and "\0" not in text


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
