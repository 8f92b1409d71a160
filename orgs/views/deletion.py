"""The danger zone of the settings, and the page of an organization that is being deleted."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orgs.forms.organizations import DeleteOrganizationForm
from orgs.models import OrganizationStatus
from orgs.permissions import Role, requires
from orgs.proof import recently_proven
from orgs.requests import OrganizationRequest, opens_own_scopes
from orgs.services.deletion import UNDO_FOR, DeletionIsFinal, HasSubOrganizations, is_final, undo_deletion
from orgs.services.deletion import request_deletion as delete_organization
from orgs.tenancy import tenant_scope


@opens_own_scopes
@requires(Role.OWNER)
@recently_proven(panels=())
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def danger_zone(request: OrganizationRequest) -> HttpResponse:
    """Deleting asks for the organization's address, typed."""
    organization = request.organization
    form = DeleteOrganizationForm(request.POST or None, organization=organization)
    if request.method == "POST" and form.is_valid():
        try:
            delete_organization(organization=organization, actor=request.actor)
        except HasSubOrganizations as refusal:
            form.add_error(None, refusal.detail)
        else:
            return redirect("deletion", slug=organization.slug)
    context = {"nav": "settings", "form": form, "days": UNDO_FOR.days}
    with tenant_scope(organization):
        return render(request, "orgs/danger_zone.html", context, status=400 if form.errors else 200)


@requires(Role.VIEWER)
@never_cache
@require_safe
def deletion(request: OrganizationRequest) -> HttpResponse:
    """Where every page of an organization leads that is being deleted."""
    if request.organization.status != OrganizationStatus.DELETING:
        return redirect(request.organization)
    return render(request, "orgs/deletion.html", {"is_final": is_final(request.organization)})


@requires(Role.OWNER)
@require_POST
def undo(request: OrganizationRequest) -> HttpResponse:
    try:
        organization = undo_deletion(organization=request.organization, actor=request.actor)
    except DeletionIsFinal as refusal:
        messages.error(request, refusal.detail)
        return redirect("deletion", slug=request.organization.slug)
    messages.success(
        request,
        f"{organization.name} is not deleted. Everything is there as before, on the {organization.plan.label} plan: "
        "a subscription ended when the deletion began.",
    )
    return redirect(organization)
