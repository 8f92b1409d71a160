"""Confirming that it is still the same person: asked before what matters (`orgs.proof`)."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from orgs.forms.proof import ProofForm
from orgs.models import User
from orgs.proof import prove
from orgs.redirects import safe_next
from orgs.services.passwords import PasswordWrong, require_password


@login_required
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def prove_page(request: HttpRequest) -> HttpResponse:
    """Asks for the password and goes on to what was wanted."""
    destination = safe_next(request, "/")
    form = ProofForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            require_password(cast("User", request.user), form.cleaned_data["password"])
        except PasswordWrong as refusal:
            form.add_error("password", refusal.detail)
        else:
            prove(request)
            return redirect(destination)
    context = {"form": form, "next": destination}
    return render(request, "orgs/prove.html", context, status=400 if form.errors else 200)
