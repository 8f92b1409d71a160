"""One's own data: all of it as a file, and the end of the account."""

from __future__ import annotations

from django.contrib import auth, messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from dataxpipe.problems import Conflict
from orgs.actors import Actor
from orgs.attempts import OWN_PASSWORD, limit_attempts
from orgs.forms.accounts import DeleteAccountForm
from orgs.proof import recently_proven
from orgs.services.account_deletion import delete_account, only_owner_of
from orgs.services.personal_export import export_person
from orgs.views.account import person_of


@login_required
@recently_proven
@never_cache
@require_safe
def export_account(request: HttpRequest) -> HttpResponseBase:
    response = StreamingHttpResponse(export_person(person_of(request)), content_type="application/json")
    response["Content-Disposition"] = 'attachment; filename="dataxpipe-account.json"'
    return response


@login_required
@recently_proven
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@limit_attempts(OWN_PASSWORD)
def delete_account_page(request: HttpRequest) -> HttpResponse:
    """Names what stands in the way; else asks for address and password, and deletes at once."""
    user = person_of(request)
    form = DeleteAccountForm(request.POST or None, user=user)
    problem: Conflict | None = None
    if request.method == "POST" and form.is_valid():
        try:
            delete_account(user=user, actor=Actor.of_person(user, None, request))
        except Conflict as refusal:
            problem = refusal
        else:
            auth.logout(request)
            messages.success(request, "Your account is deleted.")
            return redirect("login")
    context = {"form": form, "owned": only_owner_of(user), "problem": problem}
    status = problem.status if problem else 400 if form.errors else 200
    return render(request, "orgs/delete_account.html", context, status=status)
