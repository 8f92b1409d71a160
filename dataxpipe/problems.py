"""Refusals: named exceptions that become `application/problem+json` (RFC 9457) or an error page.

A service raises a `Problem`; one place each for the API and for HTML turns it into an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One defect of the input.

    `pointer` is an RFC 6901 JSON pointer into the body, `parameter` the name of a query parameter;
    `code` is stable and meant for programs, `detail` a sentence meant for people.
    """

    code: str
    detail: str
    pointer: str | None = None
    parameter: str | None = None

    def as_dict(self) -> dict[str, str]:
        place = {"parameter": self.parameter} if self.parameter is not None else {"pointer": self.pointer or ""}
        return {**place, "code": self.code, "detail": self.detail}


class Problem(Exception):
    """A refusal with an HTTP status. Subclasses name it; `about` is the text of its page at `/problems/<slug>`."""

    do_not_call_in_templates: ClassVar[bool] = True  # pages list the classes themselves

    status: ClassVar[int] = 400
    slug: ClassVar[str] = "bad-request"
    title: ClassVar[str] = "Bad request"
    about: ClassVar[str] = "The request could not be understood. The detail says which part and why."

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Iterable[FieldError] = (),
        headers: dict[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        self.detail = detail or self.title
        self.errors = list(errors)
        self.headers = headers or {}
        self.extensions = extensions
        super().__init__(self.detail)

    @property
    def type(self) -> str:
        return f"/problems/{self.slug}"

    def as_dict(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [error.as_dict() for error in self.errors]
        return body | self.extensions


def problem_types() -> Iterator[type[Problem]]:
    """Every named problem, for the pages under `/problems/` and for the test that each is documented."""
    pending = [Problem]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(current.__subclasses__())


class ValidationFailed(Problem):
    slug = "validation-failed"
    title = "The input is not valid"
    about = "One or more fields were refused. `errors` names each with a JSON pointer or a query parameter."


class MalformedBody(Problem):
    slug = "malformed-body"
    title = "The body cannot be read"
    about = (
        "The body is not well-formed JSON or YAML, or holds what neither may hold here: duplicate keys, NUL, "
        "lone surrogates, more than 32 levels, YAML aliases or tags."
    )


class UnknownParameter(Problem):
    slug = "unknown-parameter"
    title = "A query parameter is not known"
    about = (
        "The API refuses query parameters it does not know, because a misspelt filter would silently return everything."
    )


class CursorInvalid(Problem):
    slug = "cursor-invalid"
    title = "The cursor is not valid here"
    about = "A cursor belongs to one organization, one ordering and one set of filters. Start again without `cursor`."


class CredentialInQuery(Problem):
    slug = "credential-in-query"
    title = "A credential stands in the URL"
    about = "URLs end up in logs and histories. Send the key in `X-API-KEY`, and rotate the one that was sent."


class NotAuthenticated(Problem):
    status = 401
    slug = "not-authenticated"
    title = "A valid credential is needed"
    about = "Send an API key in `X-API-KEY`, or as `Authorization: Bearer`. Expired and revoked keys are refused alike."

    def __init__(self, detail: str | None = None, **kwargs: Any) -> None:
        headers = {"WWW-Authenticate": 'Bearer realm="dataxpipe"'} | kwargs.pop("headers", {})
        super().__init__(detail, headers=headers, **kwargs)


class Forbidden(Problem):
    status = 403
    slug = "forbidden"
    title = "This is not allowed"
    about = "The credential is valid but lacks the right. `required` names the scope or role."


class PlanLimitReached(Problem):
    status = 403
    slug = "plan-limit-reached"
    title = "The plan has no room left"
    about = (
        "The organization's plan allows no more of this. `limit`, `used` and `plan` say how many; "
        "`upgrade_url` leads to a larger plan."
    )


class OrganizationSuspended(Problem):
    status = 403
    slug = "organization-suspended"
    title = "The organization is suspended"
    about = "Reading and exporting still work; everything else waits until the organization is active again."


class OrganizationDeleting(Problem):
    status = 403
    slug = "organization-deleting"
    title = "The organization is being deleted"
    about = "For 14 days an owner can undo it under the organization's address; until then nothing else is answered."


class NotFound(Problem):
    status = 404
    slug = "not-found"
    title = "There is nothing here"
    about = "The address is unknown, or belongs to another organization: both are answered alike."


class MethodNotAllowed(Problem):
    status = 405
    slug = "method-not-allowed"
    title = "The method is not offered here"
    about = "`Allow` lists the methods of this address."


class NotAcceptable(Problem):
    status = 406
    slug = "not-acceptable"
    title = "None of the accepted media types is offered"
    about = "`Accept` asks for a media type this address cannot produce."


class Conflict(Problem):
    status = 409
    slug = "conflict"
    title = "The change conflicts with what is there"
    about = "What the request assumes is no longer, or not yet, true. The detail says what stands in the way."


class BodyTooLarge(Problem):
    status = 413
    slug = "body-too-large"
    title = "The body is too large"
    about = "Bodies may hold 10 MiB (YAML specs 256 kB), also after decompression."


class UnsupportedMediaType(Problem):
    status = 415
    slug = "unsupported-media-type"
    title = "The media type is not supported"
    about = "Send `application/json`, or `application/yaml` where a spec is expected; `Content-Encoding` may be gzip."


class IdempotencyKeyReused(Problem):
    status = 422
    slug = "idempotency-key-reused"
    title = "The idempotency key was used for another request"
    about = "An `Idempotency-Key` is remembered for 24 hours together with its body. Use a new one for a new request."


class OrganizationMoving(Problem):
    status = 423
    slug = "organization-moving"
    title = "The organization is being moved"
    about = (
        "Its data are on their way to another database. Reading works; repeat a change after `Retry-After` seconds. "
        "OpenLineage events are accepted meanwhile and applied afterwards."
    )


class RateLimited(Problem):
    status = 429
    slug = "rate-limited"
    title = "Too many requests"
    about = "What is allowed in this stretch of time is used up. `Retry-After` says when the next begins."


class ServiceUnavailable(Problem):
    status = 503
    slug = "service-unavailable"
    title = "Not available at the moment"
    about = "The database is busy, restarting, or the request took too long. Nothing was changed; repeat it."

    def __init__(self, detail: str | None = None, **kwargs: Any) -> None:
        headers = {"Retry-After": "1"} | kwargs.pop("headers", {})
        super().__init__(detail, headers=headers, **kwargs)
