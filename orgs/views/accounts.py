"""Becoming somebody, coming in, going out, and proving an address."""

from __future__ import annotations

from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from orgs.actors import Actor
from orgs.forms.accounts import LoginForm, SignUpForm
from orgs.models import User
from orgs.redirects import safe_next
from orgs.services.email_confirmation import (
    ConfirmationLinkInvalid,
    confirm_email,
    send_confirmation,
    user_of_token,
)
from orgs.services.organizations import EmailTaken, SlugTaken, sign_up

THEMES = {"light", "dark"}
ONE_YEAR = 365 * 24 * 3600


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_up_page(request: HttpRequest) -> HttpResponse:
    """Account and organization in one form; then in, and on the start page."""
    if request.user.is_authenticated:
        return redirect("home")
    form = SignUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            joined = sign_up(**form.cleaned_data, visitor=Actor.visitor(request))
        except EmailTaken as refusal:
            form.add_error("email", refusal.detail)
        except SlugTaken as refusal:
            form.add_error("slug", refusal.detail)
        else:
            auth.login(request, joined.user)
            return redirect("start", slug=joined.organization.slug)
    return render(request, "orgs/sign_up.html", {"form": form}, status=400 if form.errors else 200)


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    """One answer for a wrong password, an unknown address and a closed account."""
    destination = safe_next(request, "/")
    if request.user.is_authenticated:
        return redirect(destination)
    form = LoginForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = auth.authenticate(request, username=form.cleaned_data["email"], password=form.cleaned_data["password"])
        if user is not None:
            auth.login(request, user)
            return redirect(destination)
        form.add_error(None, "The e-mail address or the password is not right.")
    context = {"form": form, "next": destination}
    return render(request, "orgs/log_in.html", context, status=400 if form.errors else 200)


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return redirect(settings.LOGOUT_REDIRECT_URL)


@never_cache
@require_http_methods(["GET", "POST"])
def confirm_email_page(request: HttpRequest, token: str) -> HttpResponse:
    """Opening the link asks, the button confirms: mail scanners open links too."""
    try:
        user = user_of_token(token) if request.method == "GET" else confirm_email(token=token)
    except ConfirmationLinkInvalid as refusal:
        return render(request, "orgs/confirm_email.html", {"problem": refusal}, status=400)
    if request.method == "POST":
        messages.success(request, f"{user.email} is confirmed.")
        return redirect("home")
    return render(request, "orgs/confirm_email.html", {"person": user, "token": token})


@login_required
@require_POST
def resend_confirmation(request: HttpRequest) -> HttpResponse:
    user = request.user
    if isinstance(user, User) and user.email_confirmed_at is None:
        if send_confirmation(user):
            messages.success(request, f"A new link is on its way to {user.email}.")
        else:
            messages.error(request, "The mail could not be sent. Try again in a few minutes.")
    return redirect(safe_next(request, "/"))


@login_required
@require_GET
def account(request: HttpRequest) -> HttpResponse:
    return render(request, "orgs/account.html")


@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Light, dark, or as the system: kept in a cookie, so that the first byte already has the right colours."""
    response = redirect(safe_next(request, "/"))
    theme = request.POST.get("theme")
    if theme in THEMES:
        response.set_cookie("dxp_theme", theme, max_age=ONE_YEAR, samesite="Lax", secure=settings.IS_HTTPS)
    else:
        response.delete_cookie("dxp_theme", samesite="Lax")
    return response
