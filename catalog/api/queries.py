"""Query parameters, checked with all defects at once, and the resource that a path or a parameter names."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import QueryDict
from rest_framework.request import Request

from catalog.models import Pipeline
from dataxpipe.problems import FieldError, NotFound, ValidationFailed

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


def called_pipeline(request: Request, reference: str) -> Pipeline:
    """The pipeline a path names: by id, or by name in `?namespace=`. Somebody else's is as unknown as none."""
    return find_pipeline(reference, request.query_params.get("namespace", "default"))


def find_pipeline(reference: str, namespace: str = "default") -> Pipeline:
    found: Any = Pipeline.objects.called(reference, namespace).select_related("current_version").first()
    if found is None:
        raise NotFound("There is no such pipeline.")
    return found  # type: ignore[no-any-return]
