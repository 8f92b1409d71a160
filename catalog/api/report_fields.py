"""Fields of what orchestrators report: runs and check results."""

from __future__ import annotations

import datetime
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from dataxpipe.fields import InstantField, TextField, WholeNumberField

EARLIEST = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
LATEST = datetime.datetime(2200, 1, 1, tzinfo=datetime.UTC)
CLOCK_SKEW = datetime.timedelta(hours=24)
MAX_LABELS = 64
MAX_COUNT = 2**63 - 1


class PlannedField(InstantField):
    """An instant from 1970 to 2200, past or to come."""

    default_error_messages = {"range": "The time lies before 1970 or after 2199."}

    def to_internal_value(self, value: Any) -> datetime.datetime:
        moment = super().to_internal_value(value)
        if not EARLIEST <= moment < LATEST:
            self.fail("range")
        return moment


class HappenedField(PlannedField):
    """An instant that is not to come, give or take a day of clocks that differ."""

    default_error_messages = {"ahead": "The time lies more than 24 hours ahead; is a clock wrong?"}

    def to_internal_value(self, value: Any) -> datetime.datetime:
        moment = super().to_internal_value(value)
        if moment > timezone.now() + CLOCK_SKEW:
            self.fail("ahead")
        return moment


class CountField(WholeNumberField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_value=MAX_COUNT, **kwargs)


class UrlField(TextField):
    """http or https with a host; anything else could run when it is clicked."""

    default_error_messages = {"scheme": "A URL that begins with http:// or https:// is needed."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=2000, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            parts = urlsplit(text)
            is_fit = parts.scheme in ("http", "https") and bool(parts.hostname) and text.isprintable()
        except ValueError:
            is_fit = False
        if not is_fit or " " in text:
            self.fail("scheme")
        return text


class TriggerField(serializers.RegexField):
    """A word such as `scheduled`, `manual` or `backfill`, in lower case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(r"\A[a-z0-9][a-z0-9_.:-]{0,29}\Z", **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data.lower())


@extend_schema_field({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}})
class LabelsField(serializers.Field):  # type: ignore[type-arg]
    """Up to 64 names with texts, numbers, booleans or null."""

    default_error_messages = {
        "invalid": "Labels are an object of names and values.",
        "many": f"At most {MAX_LABELS} labels.",
        "name": "A label's name has 1 to 63 characters.",
        "value": "A label's value is text of at most 255 characters, a number, true, false or null.",
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        if len(data) > MAX_LABELS:
            self.fail("many")
        errors = {name: self._defect(name, value) for name, value in data.items()}
        if found := {name: [error] for name, error in errors.items() if error}:
            raise serializers.ValidationError(found)
        return data

    def to_representation(self, value: Any) -> Any:
        return value

    def _defect(self, name: str, value: Any) -> serializers.ErrorDetail | None:
        if not 1 <= len(name) <= 63:
            return serializers.ErrorDetail(str(self.error_messages["name"]), code="name")
        is_small = value is None or isinstance(value, int | float) or (isinstance(value, str) and len(value) <= 255)
        return None if is_small else serializers.ErrorDetail(str(self.error_messages["value"]), code="value")


@extend_schema_field({"type": ["string", "number"]})
class MeasureField(serializers.Field):  # type: ignore[type-arg]
    """A number or a text, kept as text."""

    default_error_messages = {"invalid": "A number, or text of at most 200 characters, is needed."}

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, bool) or not isinstance(data, str | int | float) or len(str(data)) > 200:
            self.fail("invalid")
        return str(data)

    def to_representation(self, value: Any) -> Any:
        return value
