"""Ending one's own sessions: elsewhere one is logged out at the next request."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from dataxpipe.problems import NotFound
from orgs.actors import Actor
from orgs.services import sessions
from orgs.views.account import person_of


@login_required
@require_POST
def end_session(request: HttpRequest, handle: str) -> HttpResponse:
    user = person_of(request)
    try:
        ended = sessions.end_session(user=user, handle=handle, actor=Actor.of_person(user, None, request))
    except NotFound as refusal:
        messages.error(request, refusal.detail)
    else:
        messages.success(request, f"{ended.device} is logged out.")
    return redirect("account")


@login_required
@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    user = person_of(request)
    count = sessions.end_other_sessions(
        user=user, session_key=request.session.session_key, actor=Actor.of_person(user, None, request)
    )
    messages.success(request, "You are logged out everywhere else." if count else "You were logged in nowhere else.")
    return redirect("account")
