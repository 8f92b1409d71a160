"""The way out of an organization that staff entered."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from orgs.actors import Actor
from orgs.models import SupportEntry, User
from orgs.services.support import leave_organization


@login_required
@require_POST
def leave_support(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Only the own entry; left before, it is left."""
    user = cast("User", request.user)
    entry = SupportEntry.objects.filter(pk=pk, user=user).select_related("organization").first()
    if entry is None:
        raise Http404
    leave_organization(entry=entry, actor=Actor.of_staff(user, request))
    messages.success(request, f"You left {entry.organization.name}.")
    return redirect("admin:orgs_organization_change", entry.organization_id)
