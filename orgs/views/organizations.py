"""Choosing an organization, and making another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from orgs.actors import Actor
from orgs.attempts import NEW_ORGANIZATION, limit_attempts
from orgs.forms.accounts import NewOrganizationForm
from orgs.middleware import memberships
from orgs.permissions import Role
from orgs.services.organizations import SlugTaken, create_organization, suggest_slugs

if TYPE_CHECKING:
    from orgs.models import User


@login_required
@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """On to the organization one was in last, or the only one; else choose, or make the first."""
    slugs = [membership.organization.slug for membership in memberships(request)]
    last = request.session.get("organization")
    if last in slugs:
        return redirect(f"/o/{last}/")
    if len(slugs) == 1:
        return redirect(f"/o/{slugs[0]}/")
    return redirect("organizations" if slugs else "new_organization")


@login_required
@never_cache
@require_safe
def organizations(request: HttpRequest) -> HttpResponse:
    return render(request, "orgs/organizations.html", {"memberships": memberships(request)})


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limit_attempts(NEW_ORGANIZATION)
def new_organization(request: HttpRequest) -> HttpResponse:
    form = NewOrganizationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["organization_name"]
        slug = form.cleaned_data["slug"] or suggest_slugs(name)[0]
        owner = cast("User", request.user)
        actor = Actor.of_person(owner, Role.OWNER, request)
        try:
            organization = create_organization(name=name, slug=slug, owner=owner, actor=actor)
        except SlugTaken as refusal:
            form.add_error("slug", refusal.detail)
        else:
            return redirect("start", slug=organization.slug)
    return render(request, "orgs/organization_new.html", {"form": form}, status=400 if form.errors else 200)
