"""Becoming somebody, coming in, going out, and proving an address."""

from __future__ import annotations

from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from orgs.actors import Actor
from orgs.attempts import LOGIN, MAIL_AGAIN, MAILED_LINK, OWN_PASSWORD, RESET, SIGN_UP, know_browser, limit_attempts
from orgs.forms.accounts import (
    ChangeEmailForm,
    ChangePasswordForm,
    ForgotPasswordForm,
    LoginForm,
    ResetPasswordForm,
    SignUpForm,
)
from orgs.models import User
from orgs.redirects import safe_next
from orgs.services.email_change import (
    EmailChangeLinkInvalid,
    EmailInUse,
    change_email,
    change_of_token,
    request_email_change,
)
from orgs.services.email_confirmation import (
    ConfirmationLinkInvalid,
    confirm_email,
    send_confirmation,
    user_of_token,
)
from orgs.services.organizations import EmailTaken, SlugTaken, sign_up
from orgs.services.passwords import (
    PasswordWrong,
    ResetLinkInvalid,
    change_password,
    request_reset,
    reset_password,
    user_of_reset,
)
from orgs.views.account import account_page, person_of
from orgs.views.sign_in import enter

THEMES = {"light", "dark"}
ONE_YEAR = 365 * 24 * 3600


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@limit_attempts(SIGN_UP, field="email")
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
            return enter(request, joined.user, reverse("start", kwargs={"slug": joined.organization.slug}), is_new=True)
    return render(request, "orgs/sign_up.html", {"form": form}, status=400 if form.errors else 200)


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@limit_attempts(LOGIN, field="email")
def log_in(request: HttpRequest) -> HttpResponse:
    """One answer for a wrong password, an unknown address and a closed account."""
    destination = safe_next(request, "/")
    if request.user.is_authenticated:
        return redirect(destination)
    form = LoginForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = auth.authenticate(request, username=form.cleaned_data["email"], password=form.cleaned_data["password"])
        if user is not None:
            return enter(request, user, destination)
        form.add_error(None, "The e-mail address or the password is not right.")
    context = {"form": form, "next": destination, "oidc_name": settings.OIDC_ISSUER and settings.OIDC_NAME}
    return render(request, "orgs/log_in.html", context, status=400 if form.errors else 200)


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return redirect(settings.LOGOUT_REDIRECT_URL)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limit_attempts(MAILED_LINK)
def confirm_email_page(request: HttpRequest, token: str) -> HttpResponse:
    """Opening the link asks, the button confirms: mail scanners open links too."""
    try:
        user = confirm_email(token=token) if request.method == "POST" else user_of_token(token)
    except ConfirmationLinkInvalid as refusal:
        return render(request, "orgs/confirm_email.html", {"problem": refusal}, status=400)
    if request.method == "POST":
        messages.success(request, f"{user.email} is confirmed.")
        return redirect("home")
    return render(request, "orgs/confirm_email.html", {"person": user, "token": token})


@login_required
@require_POST
@limit_attempts(MAIL_AGAIN)
def resend_confirmation(request: HttpRequest) -> HttpResponse:
    user = request.user
    if isinstance(user, User) and user.email_confirmed_at is None:
        if send_confirmation(user):
            messages.success(request, f"A new link is on its way to {user.email}.")
        else:
            messages.error(request, "The mail could not be sent. Try again in a few minutes.")
    return redirect(safe_next(request, "/"))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limit_attempts(RESET, field="email")
def forgot_password(request: HttpRequest) -> HttpResponse:
    """One answer, whether the address has an account or not."""
    form = ForgotPasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        request_reset(email=form.cleaned_data["email"])
        return render(request, "orgs/forgot_password.html", {"sent_to": form.cleaned_data["email"]})
    return render(request, "orgs/forgot_password.html", {"form": form}, status=400 if form.errors else 200)


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@limit_attempts(MAILED_LINK)
def reset_password_page(request: HttpRequest, token: str) -> HttpResponse:
    """The link asks for the new password; then one logs in with it."""
    try:
        user = user_of_reset(token)
        form = ResetPasswordForm(request.POST or None, user=user)
        if request.method == "POST" and form.is_valid():
            visitor = Actor.visitor(request)
            reset_password(token=token, password=form.cleaned_data["password"], visitor=visitor)
            messages.success(request, "The new password is set. Log in with it.")
            response = redirect("login")
            know_browser(request, response, user)
            return response
    except ResetLinkInvalid as refusal:
        return render(request, "orgs/reset_password.html", {"problem": refusal}, status=400)
    context = {"form": form, "person": user, "token": token}
    return render(request, "orgs/reset_password.html", context, status=400 if form.errors else 200)


@login_required
@never_cache
@sensitive_post_parameters("current", "password")
@require_POST
@limit_attempts(OWN_PASSWORD)
def change_password_page(request: HttpRequest) -> HttpResponse:
    """This session goes on, all others end."""
    form = ChangePasswordForm(request.POST, user=person_of(request))
    if form.is_valid():
        try:
            user = change_password(
                user=person_of(request),
                session_key=request.session.session_key,
                actor=Actor.of_person(person_of(request), None, request),
                **form.cleaned_data,
            )
        except PasswordWrong as refusal:
            form.add_error("current", refusal.detail)
        else:
            auth.update_session_auth_hash(request, user)
            messages.success(request, "The password is changed. You are logged out everywhere else.")
            return redirect("account")
    return account_page(request, password_form=form)


@login_required
@never_cache
@sensitive_post_parameters("current")
@require_POST
@limit_attempts(OWN_PASSWORD)
def request_email_change_page(request: HttpRequest) -> HttpResponse:
    form = ChangeEmailForm(request.POST)
    if form.is_valid():
        email = form.cleaned_data["email"]
        try:
            is_sent = request_email_change(user=person_of(request), email=email, password=form.cleaned_data["current"])
        except PasswordWrong as refusal:
            form.add_error("current", refusal.detail)
        else:
            if is_sent:
                messages.success(request, f"Open the link that is on its way to {email}. Until then nothing changes.")
            else:
                messages.error(request, "The mail could not be sent. Try again in a few minutes.")
            return redirect("account")
    return account_page(request, email_form=form)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limit_attempts(MAILED_LINK)
def change_email_page(request: HttpRequest, token: str) -> HttpResponse:
    """Opening the link asks, the button changes: mail scanners open links too."""
    try:
        if request.method == "POST":
            user = change_email(token=token, visitor=Actor.visitor(request))
            messages.success(request, f"Your address is {user.email} now.")
            return redirect("home")
        user, email = change_of_token(token)
    except (EmailChangeLinkInvalid, EmailInUse) as refusal:
        return render(request, "orgs/change_email.html", {"problem": refusal}, status=refusal.status)
    return render(request, "orgs/change_email.html", {"person": user, "email": email, "token": token})


@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Light, dark, or as the system: kept in a cookie, so that the first byte already has the right colours."""
    response = redirect(safe_next(request, "/"))
    theme = request.POST.get("theme")
    if theme in THEMES:
        response.set_cookie(
            settings.THEME_COOKIE_NAME, theme, max_age=ONE_YEAR, samesite="Lax", secure=settings.IS_HTTPS
        )
    else:
        response.delete_cookie(settings.THEME_COOKIE_NAME, samesite="Lax")
    return response
