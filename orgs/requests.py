"""What the middleware adds to a request, said for readers and for mypy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest

if TYPE_CHECKING:
    from django_htmx.middleware import HtmxDetails

    from orgs.actors import Actor
    from orgs.models import Organization, User


class OrganizationRequest(HttpRequest):
    """A request to a page under `/o/<slug>/`: a member, in the organization's scope."""

    htmx: HtmxDetails
    request_id: str
    organization: Organization
    actor: Actor
    user: User
