"""Who is in an organization: invited, given another role, removed, and leaving by oneself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from dataxpipe.pagination import paginate
from dataxpipe.problems import Conflict, Forbidden, NotFound
from orgs.forms.members import InviteForm, RoleForm
from orgs.models import Invitation, Membership
from orgs.permissions import Role, requires
from orgs.proof import recently_proven
from orgs.redirects import safe_next
from orgs.requests import OrganizationRequest
from orgs.services import invitations, members
from orgs.services.email_confirmation import EmailNotConfirmed, require_confirmed_email

PANELS = ("change", "remove", "transfer")


@requires(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def members_page(request: OrganizationRequest) -> HttpResponse:
    """The list; `?invite`, `?change=`, `?remove=` and `?transfer=` open a panel beside it; a POST invites."""
    if request.method == "POST":
        return _invite(request)
    if "invite" in request.GET:
        return _page(request, panel="invite", form=InviteForm(held=_held(request), initial={"role": "viewer"}))
    for panel in PANELS:
        if panel in request.GET:
            chosen = _member(request, request.GET[panel])
            form = RoleForm(held=_held(request), initial={"role": chosen.role})
            return _page(request, panel=panel, chosen=chosen, form=form)
    return _page(request)


@requires(Role.ADMIN)
@require_POST
def change_role(request: OrganizationRequest, pk: str) -> HttpResponse:
    chosen, form = _member(request, pk), RoleForm(request.POST, held=_held(request))
    if not form.is_valid():
        return _page(request, panel="change", chosen=chosen, form=form, status=400)
    role = form.chosen()
    return _done(
        request,
        lambda: members.change_role(membership=chosen, role=role, actor=request.actor),
        f"{chosen.user.email} is {role.value} now.",
    )


@requires(Role.ADMIN)
@require_POST
def remove_member(request: OrganizationRequest, pk: str) -> HttpResponse:
    chosen = _member(request, pk)
    return _done(
        request,
        lambda: members.remove_member(membership=chosen, actor=request.actor),
        f"{chosen.user.email} is not a member any more.{_keys_left_behind(request, chosen)}",
    )


@requires(Role.OWNER)
@recently_proven
@require_POST
def transfer_ownership(request: OrganizationRequest, pk: str) -> HttpResponse:
    chosen = _member(request, pk)
    return _done(
        request,
        lambda: members.transfer_ownership(membership=chosen, owner=request.user, actor=request.actor),
        f"The organization is {chosen.user.email}'s now, and you are an admin.",
    )


@requires(Role.VIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: OrganizationRequest) -> HttpResponse:
    if request.method != "POST":
        return render(request, "orgs/leave.html")
    try:
        members.leave_organization(user=request.user, actor=request.actor)
    except members.LastOwner as refusal:
        return render(request, "orgs/leave.html", {"problem": refusal}, status=409)
    messages.success(request, f"You have left {request.organization.name}.")
    return redirect("organizations")


@requires(Role.ADMIN)
@require_POST
def resend_invitation(request: OrganizationRequest, pk: str) -> HttpResponse:
    invitation = _invitation(request, pk)
    return _done(
        request,
        lambda: invitations.resend_invitation(invitation=invitation, actor=request.actor),
        f"A new link goes to {invitation.email}; the one before has ended.",
    )


@requires(Role.ADMIN)
@require_POST
def revoke_invitation(request: OrganizationRequest, pk: str) -> HttpResponse:
    invitation = _invitation(request, pk)
    return _done(
        request,
        lambda: invitations.revoke_invitation(invitation=invitation, actor=request.actor),
        f"The invitation of {invitation.email} is revoked.",
    )


def _invite(request: OrganizationRequest) -> HttpResponse:
    form = InviteForm(request.POST, held=_held(request))
    if form.is_valid():
        email = form.cleaned_data["email"]
        try:
            require_confirmed_email(request.user)
            invitations.invite_member(email=email, role=form.chosen(), actor=request.actor, invited_by=request.user)
        except (Conflict, EmailNotConfirmed) as refusal:
            form.add_error("email", refusal.detail)
        else:
            messages.success(request, f"An invitation goes to {email}.")
            return redirect("members", slug=request.organization.slug)
    return _page(request, panel="invite", form=form, status=400)


def _done(request: OrganizationRequest, change: Callable[[], Any], told: str) -> HttpResponse:
    """A refusal that explains itself is shown above the list; what is not allowed stays an error."""
    try:
        change()
    except Conflict as refusal:
        messages.error(request, refusal.detail)
    else:
        messages.success(request, told)
    if not _is_still_admin(request):
        return redirect("home")
    return redirect(safe_next(request, reverse("members", kwargs={"slug": request.organization.slug})))


def _keys_left_behind(request: OrganizationRequest, leaver: Membership) -> str:
    """Keys belong to the organization and go on, but whoever made one has seen it."""
    count = request.organization.api_keys.usable().filter(created_by=leaver.user).count()
    if not count:
        return ""
    keys = "1 API key they made still works" if count == 1 else f"{count} API keys they made still work"
    return f" {keys}: rotate what they knew."


def _is_still_admin(request: OrganizationRequest) -> bool:
    """Who lowers or removes themselves is not led to a page that refuses them."""
    own = request.organization.memberships.filter(user=request.user).first()
    return own is not None and Role(own.role).rank >= Role.ADMIN.rank


def _page(request: OrganizationRequest, *, status: int = 200, **context: Any) -> HttpResponse:
    parameters = QueryDict(mutable=True)
    if cursor := request.GET.get("cursor"):
        parameters["cursor"] = cursor
    page = paginate(
        request.organization.memberships.select_related("user"),
        order=["created_at", "id"],
        parameters=parameters,
        owner=request.organization.pk,
        path=reverse("members", kwargs={"slug": request.organization.slug}),
    )
    is_owner = request.actor.role is Role.OWNER
    context |= {
        "nav": "settings",
        "page": page,
        "invitations": request.organization.invitations.open().order_by("-created_at"),
        "is_owner": is_owner,
    }
    return render(request, "orgs/members.html", context, status=status)


def _held(request: OrganizationRequest) -> Role:
    if request.actor.role is None:
        raise Forbidden("This needs a member.")
    return request.actor.role


def _member(request: OrganizationRequest, pk: str) -> Membership:
    membership = request.organization.memberships.named(pk).select_related("user").first()
    if membership is None:
        raise NotFound("No member of this organization has this id.")
    return membership


def _invitation(request: OrganizationRequest, pk: str) -> Invitation:
    invitation = request.organization.invitations.named(pk).first()
    if invitation is None:
        raise NotFound("No invitation of this organization has this id.")
    return invitation
