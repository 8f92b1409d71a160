"""Opening the link of an invitation: join with the account that has the address, or make one for it."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from orgs.actors import Actor
from orgs.attempts import MAILED_LINK, limit_attempts
from orgs.forms.members import JoinForm
from orgs.models import Invitation, User
from orgs.services.invitations import (
    InvitationForSomebodyElse,
    InvitationInvalid,
    accept_invitation,
    invitation_of_token,
    join,
)
from orgs.services.organizations import EmailTaken
from orgs.views.sign_in import enter


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@limit_attempts(MAILED_LINK)
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Opening the link asks, the button joins: mail scanners open links too."""
    try:
        found = invitation_of_token(token)
        if request.user.is_authenticated:
            return _for_person(request, found, token)
        if User.objects.filter(email=found.email).exists():
            return _page(request, found, token, has_account=True)
        return _for_newcomer(request, found, token)
    except InvitationInvalid as refusal:
        return render(request, "orgs/invitation.html", {"problem": refusal}, status=404)


def _for_person(request: HttpRequest, found: Invitation, token: str) -> HttpResponse:
    person = cast("User", request.user)
    if request.method != "POST":
        return _page(request, found, token, is_other=person.email != found.email)
    try:
        organization = accept_invitation(token=token, user=person, visitor=Actor.visitor(request))
    except InvitationForSomebodyElse:
        return _page(request, found, token, is_other=True, status=403)
    messages.success(request, f"You are a member of {organization.name} now.")
    return redirect("start", slug=organization.slug)


def _for_newcomer(request: HttpRequest, found: Invitation, token: str) -> HttpResponse:
    form = JoinForm(request.POST or None, email=found.email)
    if request.method == "POST" and form.is_valid():
        try:
            user, organization = join(token=token, visitor=Actor.visitor(request), **form.cleaned_data)
        except EmailTaken:
            return _page(request, found, token, has_account=True, status=409)
        return enter(request, user, reverse("start", kwargs={"slug": organization.slug}), is_new=True)
    return _page(request, found, token, form=form, status=400 if form.errors else 200)


def _page(request: HttpRequest, found: Invitation, token: str, *, status: int = 200, **context: object) -> HttpResponse:
    context |= {"invitation": found, "token": token}
    return render(request, "orgs/invitation.html", context, status=status)
