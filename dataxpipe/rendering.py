"""JSON answers by orjson, problems by RFC 9457, and how exceptions become problems."""

from __future__ import annotations

import logging
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DataError, Error, IntegrityError, InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response

from dataxpipe import problems
from dataxpipe.problems import FieldError, Problem

security_log = logging.getLogger("dataxpipe.security")

# Statement time-out, lock time-out, serialization failure, deadlock.
TOOK_TOO_LONG = {"57014", "55P03", "40001", "40P01"}


class JsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        if data is None:
            return b""
        return orjson.dumps(data, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


def problem_response(exception: Exception, context: Any) -> Response | None:
    """DRF's exception handler. What it cannot name becomes Django's 500, logged with the request id."""
    problem = problem_of(exception)
    if problem is None:
        return None
    response = Response(
        problem.as_dict(),
        status=problem.status,
        headers=problem.headers,
        content_type="application/problem+json",
    )
    response.problem = problem  # type: ignore[attr-defined]  # for what counts refusals
    return response


def problem_of(exception: Exception) -> Problem | None:
    match exception:
        case Problem():
            return exception
        case Http404():
            return problems.NotFound()
        case PermissionDenied():
            return problems.Forbidden()
        case exceptions.ValidationError():
            return _validation_failed(field_errors(exception.detail))
        case DjangoValidationError():
            return problems.ValidationFailed(" ".join(exception.messages))
        case exceptions.MethodNotAllowed():
            return problems.MethodNotAllowed(str(exception.detail))
        case exceptions.NotAcceptable():
            return problems.NotAcceptable(_offered(exception))
        case exceptions.UnsupportedMediaType():
            return problems.UnsupportedMediaType(str(exception.detail))
        case Error():
            return problem_of_database(exception)
    return None


def _offered(exception: exceptions.NotAcceptable) -> str | None:
    types = dict.fromkeys(renderer.media_type for renderer in exception.available_renderers or [])
    return f"This address answers in {' or '.join(types)}. Name it in Accept, or leave Accept out." if types else None


def _validation_failed(errors: list[FieldError]) -> Problem:
    """The first defect stands in the detail: many clients show nothing else."""
    first = f"{errors[0].pointer or 'The body'}: {errors[0].detail}"
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    return problems.ValidationFailed(first + more, errors=errors)


def problem_of_database(exception: Error) -> Problem | None:
    """SQLSTATE to problem: row security 404, conflicts 409, time-outs and lost connections 503."""
    state = getattr(exception.__cause__, "sqlstate", None) or ""
    if state == "42501":
        return _row_refused(exception)
    if state in TOOK_TOO_LONG:
        return problems.ServiceUnavailable("The request took too long or waited too long for another one.")
    match exception:
        case IntegrityError():
            return problems.Conflict("What this refers to was changed or removed meanwhile. Look again and repeat.")
        case DataError():
            return problems.ValidationFailed("A value is outside of what can be stored.")
        case OperationalError() | InterfaceError():
            return problems.ServiceUnavailable()
    return None


def _row_refused(exception: Error) -> Problem | None:
    """Row-level security refused a row of another organization: that the earlier walls let it through is logged.

    The same SQLSTATE stands for a missing right on a table, which is our fault and no answer to the caller.
    """
    diagnosis = exception.__cause__.diag  # type: ignore[union-attr]
    if diagnosis.source_function != "ExecWithCheckOptions":
        return None
    security_log.error("another organization's row was refused: %s", diagnosis.message_primary)
    return problems.NotFound()


def field_errors(detail: Any, pointer: str = "") -> list[FieldError]:
    """Flattens DRF's nested error detail into pointers."""
    if isinstance(detail, dict):
        return [
            error
            for name, inner in detail.items()
            for error in field_errors(inner, pointer if name == "non_field_errors" else f"{pointer}/{_escape(name)}")
        ]
    if isinstance(detail, list):
        if all(isinstance(item, exceptions.ErrorDetail) for item in detail):
            return [FieldError(code=item.code or "invalid", detail=str(item), pointer=pointer) for item in detail]
        return [error for index, inner in enumerate(detail) for error in field_errors(inner, f"{pointer}/{index}")]
    return [FieldError(code=getattr(detail, "code", "invalid"), detail=str(detail), pointer=pointer)]


def _escape(name: Any) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")
