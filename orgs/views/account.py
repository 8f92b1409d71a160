"""The page of one's own account: who one is, how one comes in, where one is logged in."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from orgs.actors import Actor
from orgs.forms.accounts import ChangeEmailForm, ChangeNameForm, ChangePasswordForm
from orgs.models import SecondFactor, User
from orgs.services.profile import change_name


@login_required
@never_cache
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    return account_page(request)


@login_required
@never_cache
@require_POST
def change_name_page(request: HttpRequest) -> HttpResponse:
    form = ChangeNameForm(request.POST)
    if not form.is_valid():
        return account_page(request, name_form=form)
    user = person_of(request)
    change_name(user=user, name=form.cleaned_data["name"], actor=Actor.of_person(user, None, request))
    messages.success(request, "Your name is changed.")
    return redirect("account")


def account_page(request: HttpRequest, **forms: Form) -> HttpResponse:
    """With the forms that were refused in place of empty ones."""
    user = person_of(request)
    context = {
        "name_form": ChangeNameForm(initial={"name": user.name}),
        "password_form": ChangePasswordForm(user=user),
        "email_form": ChangeEmailForm(),
        **forms,
        "second_factor": SecondFactor.objects.filter(user=user).first(),
        "sessions": user.sessions.running().order_by("-last_seen_at"),
        "own_key": request.session.session_key,
    }
    is_refused = any(form.errors for form in forms.values())
    return render(request, "orgs/account.html", context, status=400 if is_refused else 200)


def person_of(request: HttpRequest) -> User:
    return cast("User", request.user)
