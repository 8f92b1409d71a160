"""Whose CI tokens are exchanged for keys: trusted, changed and removed by admins."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from dataxpipe.pagination import paginate
from dataxpipe.problems import Conflict, NotFound, ValidationFailed
from orgs.forms.trusted_publishers import TrustedPublisherForm
from orgs.models import TrustedPublisher
from orgs.permissions import Role, requires
from orgs.proof import recently_proven
from orgs.requests import OrganizationRequest
from orgs.services.trusted_publishers import Trust, create_publisher, delete_publisher, update_publisher


@requires(Role.ADMIN)
@recently_proven(panels=("new", "change", "delete"))
@require_http_methods(["GET", "HEAD", "POST"])
def trusted_publishers(request: OrganizationRequest) -> HttpResponse:
    """The list; `?new`, `?change=` and `?delete=` open a panel beside it; a POST trusts one more."""
    if request.method == "POST":
        return _saved(request, None)
    for panel in ("change", "delete"):
        if panel in request.GET:
            chosen = _publisher(request, request.GET[panel])
            return _page(request, panel=panel, chosen=chosen, form=TrustedPublisherForm(trust=Trust.of(chosen)))
    if "new" in request.GET:
        return _page(request, panel="new", form=TrustedPublisherForm())
    return _page(request)


@requires(Role.ADMIN)
@recently_proven
@require_POST
def change_trusted_publisher(request: OrganizationRequest, pk: str) -> HttpResponse:
    return _saved(request, _publisher(request, pk))


@requires(Role.ADMIN)
@recently_proven
@require_POST
def delete_trusted_publisher(request: OrganizationRequest, pk: str) -> HttpResponse:
    publisher = _publisher(request, pk)
    delete_publisher(publisher=publisher, actor=request.actor)
    messages.success(request, f"Tokens of {publisher.name} are not trusted any more.")
    return redirect("trusted_publishers", slug=request.organization.slug)


def _saved(request: OrganizationRequest, chosen: TrustedPublisher | None) -> HttpResponse:
    form = TrustedPublisherForm(request.POST)
    if form.is_valid():
        try:
            if chosen is None:
                create_publisher(trust=form.trust(), actor=request.actor, created_by=request.user)
            else:
                update_publisher(publisher=chosen, trust=form.trust(), actor=request.actor)
        except (ValidationFailed, Conflict) as refusal:
            form.add_refusals(refusal)
        else:
            messages.success(request, f"Tokens of {form.cleaned_data['name']} are trusted.")
            return redirect("trusted_publishers", slug=request.organization.slug)
    return _page(request, panel="change" if chosen else "new", chosen=chosen, form=form, status=400)


def _page(request: OrganizationRequest, *, status: int = 200, **context: Any) -> HttpResponse:
    parameters = QueryDict(mutable=True)
    if cursor := request.GET.get("cursor"):
        parameters["cursor"] = cursor
    page = paginate(
        request.organization.trusted_publishers.all(),
        order=["-created_at", "-id"],
        parameters=parameters,
        owner=request.organization.pk,
        path=reverse("trusted_publishers", kwargs={"slug": request.organization.slug}),
    )
    context |= {"nav": "settings", "page": page, "base_url": settings.BASE_URL}
    return render(request, "orgs/trusted_publishers.html", context, status=status)


def _publisher(request: OrganizationRequest, pk: str) -> TrustedPublisher:
    publisher = request.organization.trusted_publishers.named(pk).first()
    if publisher is None:
        raise NotFound("No trusted publisher of this organization has this id.")
    return publisher
