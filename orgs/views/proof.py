"""Confirming that it is still the same person: asked before what matters (`orgs.proof`)."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from orgs.actors import Actor
from orgs.attempts import OWN_PASSWORD, limit_attempts
from orgs.forms.proof import PasswordForm
from orgs.forms.second_factor import CodeForm
from orgs.models import User
from orgs.proof import prove
from orgs.redirects import safe_next
from orgs.services.passwords import PasswordWrong, require_password
from orgs.services.second_factor import CodeWrong, TooManyWrongCodes, require_code


@login_required
@never_cache
@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "HEAD", "POST"])
@limit_attempts(OWN_PASSWORD)
def prove_page(request: HttpRequest) -> HttpResponse:
    """Asks for the password, with `?code` for a code of the second factor, and goes on to what was wanted."""
    user, destination = cast("User", request.user), safe_next(request, "/")
    has_password, has_second_factor = user.has_usable_password(), user.has_second_factor
    is_code = has_second_factor and ("code" in request.GET or not has_password)
    form = (CodeForm if is_code else PasswordForm)(request.POST or None)
    if request.method == "POST" and form.is_valid() and _is_right(request, user, form):
        prove(request)
        return redirect(destination)
    context = {
        "form": form,
        "next": destination,
        "has_password": has_password,
        "has_second_factor": has_second_factor,
        "is_code": is_code,
    }
    return render(request, "orgs/prove.html", context, status=400 if form.errors else 200)


def _is_right(request: HttpRequest, user: User, form: Form) -> bool:
    try:
        if "code" in form.cleaned_data:
            require_code(user=user, code=form.cleaned_data["code"], actor=Actor.of_person(user, None, request))
        else:
            require_password(user, form.cleaned_data["password"])
    except (PasswordWrong, CodeWrong, TooManyWrongCodes) as refusal:
        form.add_error("code" if "code" in form.cleaned_data else "password", refusal.detail)
    return not form.errors
