"""The rights table (contract: who may do what) in code, for people by role and for API keys by scope."""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.http.response import HttpResponseBase

from dataxpipe.problems import Forbidden

if TYPE_CHECKING:
    from orgs.actors import Actor
    from orgs.requests import OrganizationRequest


class Role(enum.Enum):
    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def label(self) -> str:
        return self.value.capitalize()

    @property
    def rank(self) -> int:
        return list(Role).index(self)


class Right(enum.Enum):
    """A thing that can be allowed. The value is what problems and the audit name."""

    READ_CATALOG = "catalog:read"
    PLAN = "plan:read"
    INGEST = "ingest:write"
    WRITE_CATALOG = "catalog:write"
    WRITE_CONNECTIONS = "connections:write"
    READ_ORGANIZATION = "organization:read"
    ADMINISTER = "organization:admin"
    OWN = "owner"
    OPERATE = "platform"


LEAST_ROLE = {
    Right.READ_CATALOG: Role.VIEWER,
    Right.PLAN: Role.VIEWER,
    Right.INGEST: Role.EDITOR,
    Right.WRITE_CATALOG: Role.EDITOR,
    Right.WRITE_CONNECTIONS: Role.ADMIN,
    Right.READ_ORGANIZATION: Role.ADMIN,
    Right.ADMINISTER: Role.ADMIN,
    Right.OWN: Role.OWNER,
}

# Owning takes a person, operating the platform one of its staff or a platform key.
SCOPES = tuple(right.value for right in Right if right not in {Right.OWN, Right.OPERATE})
PRESETS = {
    "orchestrator": ("ingest:write",),
    "ci": ("plan:read", "catalog:read", "catalog:write"),
    "full": SCOPES,
}
# What a first key is for: registering pipelines and reporting about them.
EVERYDAY_SCOPES = ("ingest:write", "plan:read", "catalog:read", "catalog:write")


def role_may(role: Role, right: Right) -> bool:
    return right in LEAST_ROLE and role.rank >= LEAST_ROLE[right].rank


def require(actor: Actor, right: Right) -> None:
    """Raises `Forbidden`, naming what is missing."""
    if not actor.may(right):
        raise Forbidden(
            f"This needs {_needed(right, actor.kind)}.",
            required=LEAST_ROLE[right].value if actor.kind == "person" and right in LEAST_ROLE else right.value,
        )


def _needed(right: Right, actor_kind: str) -> str:
    if right is Right.OPERATE:
        return "a platform key"
    if actor_kind == "api_key":
        return "an owner in the browser" if right is Right.OWN else f"a key with the scope {right.value}"
    return f"the role {LEAST_ROLE[right].value}"


View = Callable[..., HttpResponseBase]


def requires(role: Role) -> Callable[[View], View]:
    """Every page under `/o/<slug>/` carries it: members below the role get 403. The role stands on the view."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: OrganizationRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            held = request.actor.role
            if held is None or held.rank < role.rank:
                raise Forbidden(f"This needs the role {role.value}.", required=role.value)
            return view(request, *args, **kwargs)

        guarded.required_role = role  # type: ignore[attr-defined]
        return guarded

    return decorate


class HasScope:
    """DRF permission: the viewset says which right an action needs in `rights`, and nothing is allowed by default."""

    def has_permission(self, request: Any, view: Any) -> bool:
        if request.method == "OPTIONS":
            return True
        require(request.auth, view.right())
        return True

    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        return True
