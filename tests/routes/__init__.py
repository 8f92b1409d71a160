"""Every route and method of the product: how to call it, and who may. One file per app, one line per route.

    Route("GET /api/v1/pipelines/{name}", READ_CATALOG, name=pipeline_id)
    Route("POST /api/v1/runs/", INGEST, body={"pipeline_id": pipeline_id, "status": "success"})

The line is a call that works: acme's key with every scope, or alice in the browser, gets an answer below 400. An `Id`
names a row; `tests/test_isolation.py` puts another organization's row, and one that does not exist, in its place,
wherever it stands in the path, in `query` or at any depth of `body`. `{slug}` is acme's unless said otherwise.
`tests/test_permissions.py` calls the line as everybody else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from dataxpipe.errors import no_such_address
from dataxpipe.postgres.fields import uuid7


@dataclass(frozen=True)
class Access:
    """One line of the contract's rights table. `scope` is None where no key may; `roles` is empty for everybody.

    Where `is_for_operators` a platform key may, too, or staff in the browser.
    """

    name: str
    scope: str | None = None
    roles: frozenset[str] = frozenset()
    needs_login: bool = True
    is_for_operators: bool = False


EVERY_ROLE = frozenset({"viewer", "editor", "admin", "owner"})
WRITERS = EVERY_ROLE - {"viewer"}
ADMINS = frozenset({"admin", "owner"})

READ_CATALOG = Access("read the catalog", "catalog:read", EVERY_ROLE)
PLAN = Access("plan, validate, limits", "plan:read", EVERY_ROLE)
INGEST = Access("post runs, results, events", "ingest:write", WRITERS)
WRITE_CATALOG = Access("register, edit, archive pipelines", "catalog:write", WRITERS)
WRITE_CONNECTIONS = Access("connections", "connections:write", ADMINS)
READ_ORGANIZATION = Access("read members, keys, settings, audit", "organization:read", ADMINS)
ADMINISTER = Access("delete pipelines; members, keys, settings", "organization:admin", ADMINS)
OWN = Access("billing, transfer, move, delete", None, frozenset({"owner"}))
MEMBER = Access("be a member", None, EVERY_ROLE)
SIGNED_IN = Access("be signed in")
STAFF = Access("be one of the staff", is_for_operators=True)
OPERATE = Access("operate the platform", is_for_operators=True)
CARE_FOR_PARTS = Access("make and see sub-organizations", "organization:admin", ADMINS, is_for_operators=True)
ANYBODY = Access("nothing", needs_login=False)

SCOPES = (
    "catalog:read",
    "plan:read",
    "ingest:write",
    "catalog:write",
    "connections:write",
    "organization:read",
    "organization:admin",
)


@dataclass(frozen=True)
class Id:
    """What names a row of an organization: made by `make(organization)`; `unknown` names none anywhere."""

    make: Callable[[Any], object]
    unknown: Callable[[], object] = uuid7


slug = Id(lambda organization: organization.slug, lambda: "nobody-is-called-this")


class Route:
    """A call that works. `answers` is the status it answers with, if not one below 400."""

    def __init__(
        self,
        call: str,
        access: Access,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
        answers: int | None = None,
        headers: dict[str, str] | None = None,
        prepare: Callable[[Any], None] | None = None,
        **path_ids: Any,
    ) -> None:
        self.method, self.path = call.split(" ")
        self.access = access
        self.answers = answers
        self.headers = headers or {}
        self.prepare = prepare or (lambda organization: None)
        if self.path.startswith("/o/"):
            path_ids.setdefault("slug", slug)
        self.values = {"path": path_ids, "query": query or {}, "body": body}

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def key(self) -> tuple[str, str]:
        return self.method, re.sub(r"\{\w+\}", "{}", self.path).rstrip("/")

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/api/")

    def places(self) -> list[tuple[Any, ...]]:
        """Where ids stand in the input: `("path", "name")`, `("body", 0, "pipeline_id")`."""
        return list(_places(self.values))

    def filled(self, organization: Any, replaced: dict[tuple[Any, ...], object] | None = None) -> dict[str, Any]:
        """The input with the organization's own rows, except at the places that are replaced."""
        return _filled(self.values, organization, replaced or {}, ())

    def id_at(self, place: tuple[Any, ...]) -> Id:
        value: Any = self.values
        for step in place:
            value = value[step]
        return value


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, Id):
        yield place
    elif isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(inner, (*place, step))


def _filled(value: Any, organization: Any, replaced: dict[Any, object], place: tuple[Any, ...]) -> Any:
    if place in replaced:
        return replaced[place]
    if isinstance(value, Id):
        made = value.make(organization)
        return made if isinstance(made, int) else str(made)
    if isinstance(value, dict):
        return {step: _filled(inner, organization, replaced, (*place, step)) for step, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, organization, replaced, (*place, step)) for step, inner in enumerate(value)]
    return value


def every_route() -> list[Route]:
    from tests.routes import billing, catalog, dataxpipe, orgs, platform

    return [*dataxpipe.ROUTES, *orgs.ROUTES, *platform.ROUTES, *catalog.ROUTES, *billing.ROUTES]


def resolved_routes() -> dict[tuple[str, str], str]:
    """What the URL resolver knows: (method, path with empty braces) to the view's name."""
    return {
        (method, re.sub(r"\{\w+\}", "{}", path).rstrip("/")): f"{callback.__module__}.{callback.__qualname__}"
        for path, callback in _walk(get_resolver().url_patterns, "/")
        for method in _methods(callback)
    }


def _walk(patterns: list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        path = prefix + _readable(str(pattern.pattern))
        if isinstance(pattern, URLPattern) and pattern.callback is no_such_address:
            continue
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            yield path, pattern.callback


def _readable(pattern: str) -> str:
    """`^pipelines/(?P<name>[^/]+)/?$` and `pipelines/<str:name>/` are both `pipelines/{name}/`."""
    pattern = re.sub(r"<(?:\w+:)?(\w+)>(?!\[|\\|\.)", r"{\1}", pattern) if "(?P" not in pattern else pattern
    pattern = re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))+\)", r"{\1}", pattern)
    return pattern.removeprefix("^").removesuffix("$").removesuffix(r"\Z").replace("/?", "/").replace("\\", "")


def _methods(callback: Any) -> set[str]:
    """The methods a view answers. A function that does not say (`require_GET`, …) is taken to answer GET and POST."""
    if actions := getattr(callback, "actions", None):
        return {method.upper() for method in actions} - {"HEAD", "OPTIONS"}
    if view_class := getattr(callback, "view_class", None):
        offered = {method.upper() for method in view_class.http_method_names if hasattr(view_class, method)}
        return offered - {"HEAD", "OPTIONS"}
    while callback is not None:
        names = getattr(getattr(callback, "__code__", None), "co_freevars", ())
        if "request_method_list" in names:
            declared = callback.__closure__[names.index("request_method_list")].cell_contents
            return set(declared) - {"HEAD", "OPTIONS"}
        callback = getattr(callback, "__wrapped__", None)
    return {"GET", "POST"}
