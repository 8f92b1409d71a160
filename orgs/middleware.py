"""What surrounds every request: the content security policy, and the organization of HTML pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from dataxpipe.errors import problem_page
from dataxpipe.problems import Forbidden, NotFound, Problem
from dataxpipe.rendering import problem_of
from orgs.actors import Actor
from orgs.fair_share import fair_share
from orgs.models import Membership, Organization, OrganizationStatus, User
from orgs.permissions import Role
from orgs.services.organizations import organization_once_called
from orgs.services.refusals import REMEMBERED_STATUSES, count_refusal
from orgs.services.support import current_entry
from orgs.standing import require_standing
from orgs.tenancy import roll_back, tenant_scope

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

GetResponse = Callable[[HttpRequest], HttpResponse]


class ContentSecurityPolicyMiddleware:
    """No inline script or style anywhere; user text stays text."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_documentation = request.path.startswith("/api/docs")
        policy = settings.CONTENT_SECURITY_POLICY_DOCS if is_documentation else settings.CONTENT_SECURITY_POLICY
        response.setdefault("Content-Security-Policy", policy)
        return response


class RefusalMiddleware:
    """Counts refusals of whoever is known to an organization, after its scope has ended."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        organization, actor = getattr(request, "organization", None), getattr(request, "actor", None)
        problem = getattr(response, "problem", None)
        if response.status_code in REMEMBERED_STATUSES and organization and actor and problem:
            count_refusal(organization_id=organization.pk, actor=actor, problem=problem, path=request.path)
        return response


class OrganizationMiddleware:
    """Runs every view under `/o/<slug>/` inside its organization's scope, for members only.

    Strangers get the same 404 as for a slug that does not exist. Any answer from 400 on has written nothing.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: Any, kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or "slug" not in kwargs or not match.route.startswith("o/"):
            return None
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        try:
            return self._inside_organization(request, view, args, kwargs)
        except (Problem, Http404, Error) as refusal:
            # Named here and not by Django's handlers, which show a page of their own while DEBUG is on.
            problem = problem_of(refusal)
            if problem is None:
                raise
            return problem_page(request, problem)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A refusal by a service on a page outside of organizations that has no words of its own for it."""
        return problem_page(request, exception) if isinstance(exception, Problem) else None

    def _inside_organization(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: Any, kwargs: dict[str, Any]
    ) -> HttpResponse:
        slug = kwargs.pop("slug")
        membership = next((m for m in memberships(request) if m.organization.slug == slug), None)
        if membership is None and not self._entered(request, slug):
            return self._at_new_address(request, slug)
        if membership is not None:
            if request.session.get("organization") != slug:
                request.session["organization"] = slug
            request.organization = membership.organization  # type: ignore[attr-defined]
            request.actor = Actor.of_person(request.user, Role(membership.role), request)  # type: ignore[attr-defined, arg-type]
        organization: Organization = request.organization  # type: ignore[attr-defined]
        if response := self._refused_by_standing(request, view, organization):
            return response
        if organization.requires_second_factor and not cast("User", request.user).has_second_factor:
            return redirect_to_login(request.get_full_path(), reverse("second_factor"))
        if getattr(view, "opens_own_scopes", False):
            with fair_share.turn(organization.pk):
                return view(request, *args, **kwargs)
        with fair_share.turn(organization.pk), tenant_scope(organization):
            response = view(request, *args, **kwargs)
            if hasattr(response, "render") and callable(response.render):
                response = response.render()
            if response.status_code >= 400:
                roll_back()
        return response

    def _entered(self, request: HttpRequest, slug: str) -> bool:
        """Staff who entered look at pages as viewers; without an entry they are strangers like others."""
        user = cast("User", request.user)
        entry = current_entry(user, slug) if user.is_staff else None
        if entry is None:
            return False
        if request.method not in SAFE_METHODS:
            raise Forbidden("Support only looks: whoever entered an organization changes nothing in it.")
        request.support_entry, request.organization = entry, entry.organization  # type: ignore[attr-defined]
        request.actor = Actor.of_staff(user, request, role=Role.VIEWER)  # type: ignore[attr-defined]
        return True

    def _refused_by_standing(
        self, request: HttpRequest, view: Callable[..., HttpResponse], organization: Organization
    ) -> HttpResponse | None:
        """Every page of an organization that is being deleted leads to the one that tells so, and undoes it."""
        if organization.status == OrganizationStatus.DELETING:
            if _url_name(request) in {"deletion", "undo_deletion"}:
                return None
            if request.method in SAFE_METHODS:
                return HttpResponseRedirect(reverse("deletion", kwargs={"slug": organization.slug}))
        exports = getattr(view, "is_export", False)
        require_standing(organization, changes=request.method not in SAFE_METHODS, exports=exports)
        return None

    def _at_new_address(self, request: HttpRequest, slug: str) -> HttpResponse:
        """A renamed organization's old address leads its members on; strangers are told nothing."""
        organization = organization_once_called(slug, [m.organization for m in memberships(request)])
        if organization is None:
            raise NotFound
        rest = request.get_full_path().removeprefix(f"/o/{slug}")
        return HttpResponseRedirect(f"/o/{organization.slug}{rest}", preserve_request=True)


def _url_name(request: HttpRequest) -> str | None:
    return request.resolver_match.url_name if request.resolver_match else None


def memberships(request: Any) -> list[Membership]:
    """The person's memberships with their organizations, loaded once a request, outside any scope."""
    if not request.user.is_authenticated:
        return []
    if not hasattr(request, "_memberships"):
        loaded = request.user.memberships.select_related("organization__parent").order_by("organization__slug")
        request._memberships = list(loaded)
    return cast("list[Membership]", request._memberships)
