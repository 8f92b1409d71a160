"""Confirming that it is still the same person: asked before what matters (`orgs.proof`)."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from orgs.actors import Actor
from orgs.attempts import OWN_PASSWORD, limit_attempts
from orgs.forms.proof import ProofForm
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
    """Asks for the password or a code and goes on to what was wanted."""
    user, destination = cast("User", request.user), safe_next(request, "/")
    has_password = user.has_usable_password()
    form = ProofForm(request.POST or None, has_password=has_password, has_second_factor=user.has_second_factor)
    if request.method == "POST" and form.is_valid() and _is_right(request, user, form):
        prove(request)
        return redirect(destination)
    context = {"form": form, "next": destination, "has_password": has_password}
    return render(request, "orgs/prove.html", context, status=400 if form.errors else 200)


def _is_right(request: HttpRequest, user: User, form: ProofForm) -> bool:
    password, code = form.cleaned_data.get("password"), form.cleaned_data.get("code")
    try:
        if password:
            require_password(user, password)
        else:
            require_code(user=user, code=code or "", actor=Actor.of_person(user, None, request))
    except PasswordWrong as refusal:
        form.add_error("password", refusal.detail)
    except (CodeWrong, TooManyWrongCodes) as refusal:
        form.add_error("code", refusal.detail)
    return not form.errors
