"""One's own second factor: set up, moved to another device, switched off; recovery codes stand in one answer only."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from orgs.actors import Actor
from orgs.forms.second_factor import EnableForm
from orgs.models import Organization, SecondFactor, User
from orgs.proof import recently_proven
from orgs.redirects import safe_next
from orgs.services import second_factor as factors
from orgs.views.account import person_of


@login_required
@recently_proven
@never_cache
@sensitive_post_parameters("code", "candidate")
@require_http_methods(["GET", "HEAD", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """What is set up; without one, and with `?move`, the set-up. A POST confirms it by a code."""
    user = person_of(request)
    if request.method == "POST":
        return _enable(request)
    factor = SecondFactor.objects.filter(user=user).first()
    if factor is None or "move" in request.GET:
        return _set_up(request, factors.new_candidate(user), None)
    context = {"factor": factor, "reasons": factors.who_needs_second_factor(user)}
    return render(request, "orgs/second_factor.html", context)


@login_required
@recently_proven
@never_cache
@require_POST
def renew_recovery_codes(request: HttpRequest) -> HttpResponse:
    user = person_of(request)
    try:
        codes = factors.renew_recovery_codes(user=user, actor=Actor.of_person(user, None, request))
    except factors.CodeWrong as refusal:
        messages.error(request, refusal.detail)
        return redirect("second_factor")
    return _recovery_codes(request, codes)


@login_required
@recently_proven
@require_POST
def disable_second_factor(request: HttpRequest) -> HttpResponse:
    user = person_of(request)
    try:
        factors.disable_second_factor(user=user, actor=Actor.of_person(user, None, request))
    except factors.SecondFactorNeeded as refusal:
        messages.error(request, refusal.detail)
        return redirect("second_factor")
    messages.success(request, "The second factor is off. Your password alone lets you in.")
    return redirect("account")


def _enable(request: HttpRequest) -> HttpResponse:
    user, form = person_of(request), EnableForm(request.POST)
    try:
        candidate = factors.candidate_of(form.data.get("candidate", ""), user)
    except factors.SetupExpired as refusal:
        messages.error(request, f"{refusal.title}. {refusal.detail}")
        return _set_up(request, factors.new_candidate(user), None, status=400)
    if form.is_valid():
        try:
            codes = factors.enable_second_factor(
                user=user,
                candidate=candidate,
                code=form.cleaned_data["code"],
                session_key=request.session.session_key,
                actor=Actor.of_person(user, None, request),
            )
        except factors.CodeWrong as refusal:
            form.add_error("code", refusal.detail)
        else:
            return _recovery_codes(request, codes)
    return _set_up(request, candidate, form, status=400)


def _set_up(
    request: HttpRequest, candidate: factors.Candidate, form: EnableForm | None, *, status: int = 200
) -> HttpResponse:
    user = person_of(request)
    context: dict[str, Any] = {
        "candidate": candidate,
        "form": form or EnableForm(initial={"candidate": candidate.token}),
        "next": safe_next(request, reverse("account")),
        "is_move": user.has_second_factor,
        "required_by": [organization for organization in _seen_by(user) if organization.requires_second_factor],
    }
    return render(request, "orgs/second_factor_setup.html", context, status=status)


def _seen_by(user: User) -> QuerySet[Organization]:
    """The organizations of a person, and those that one of the staff has entered."""
    entered = user.support_entries.open().values("organization")
    return Organization.objects.filter(Q(memberships__user=user) | Q(pk__in=entered)).order_by("slug").distinct()


def _recovery_codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    context = {"codes": "\n".join(codes), "next": safe_next(request, reverse("account"))}
    return render(request, "orgs/recovery_codes.html", context)
