"""The organization's name, address and choices."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from orgs.forms.organizations import OrganizationForm, SlugForm
from orgs.permissions import Role, requires
from orgs.requests import OrganizationRequest
from orgs.services.email_confirmation import EmailNotConfirmed, require_confirmed_email
from orgs.services.organizations import SlugTaken, rename_slug, update_organization
from orgs.services.second_factor import SecondFactorMissing


@requires(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def general(request: OrganizationRequest) -> HttpResponse:
    organization = request.organization
    form = OrganizationForm(request.POST or None, organization=organization)
    if request.method == "POST" and form.is_valid():
        try:
            update_organization(
                organization=organization,
                actor=request.actor,
                name=form.cleaned_data["name"],
                settings=form.settings(),
            )
        except SecondFactorMissing as refusal:
            form.add_error("require_second_factor", refusal.detail)
        else:
            messages.success(request, "The settings are saved.")
            return redirect("settings", slug=organization.slug)
    return _general_page(request, form, SlugForm(initial={"slug": organization.slug}))


@requires(Role.ADMIN)
@require_POST
def rename(request: OrganizationRequest) -> HttpResponse:
    """A new address reaches everybody in the organization, so whoever sets it has a confirmed e-mail."""
    form = SlugForm(request.POST)
    if form.is_valid():
        try:
            require_confirmed_email(request.user)
            organization = rename_slug(
                organization=request.organization, slug=form.cleaned_data["slug"], actor=request.actor
            )
        except (SlugTaken, EmailNotConfirmed) as refusal:
            form.add_error("slug", refusal.detail)
        else:
            messages.success(request, f"The address is /o/{organization.slug}/ now.")
            return redirect("settings", slug=organization.slug)
    return _general_page(request, OrganizationForm(organization=request.organization), form)


def _general_page(request: OrganizationRequest, form: OrganizationForm, slug_form: SlugForm) -> HttpResponse:
    status = 400 if form.errors or slug_form.errors else 200
    context = {"nav": "settings", "form": form, "slug_form": slug_form}
    return render(request, "orgs/settings.html", context, status=status)
