"""What the middleware adds to a request, said for readers and for mypy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from django.http import HttpRequest

if TYPE_CHECKING:
    from django_htmx.middleware import HtmxDetails

    from orgs.actors import Actor
    from orgs.models import Organization, User


View = TypeVar("View", bound=Callable[..., Any])


def opens_own_scopes(view: View) -> View:
    """The middleware enters no scope for this view, because it speaks with others before it writes."""
    view.opens_own_scopes = True  # type: ignore[attr-defined]
    return view


def exports(view: View) -> View:
    """A form that only takes data out: a suspended organization may send it."""
    view.is_export = True  # type: ignore[attr-defined]
    return view


class OrganizationRequest(HttpRequest):
    """A request to a page under `/o/<slug>/`: a member, in the organization's scope."""

    htmx: HtmxDetails
    request_id: str
    organization: Organization
    actor: Actor
    user: User
