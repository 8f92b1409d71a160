"""Coming in by the identity provider: there, and back again."""

from __future__ import annotations

import logging

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from orgs.oidc import FAILURES, OidcBackend, OidcRequestView, is_configured
from orgs.redirects import safe_next
from orgs.views.sign_in import enter

STATES, NEXT = "oidc_states", "oidc_login_next"

logger = logging.getLogger(__name__)


@never_cache
@require_safe
def oidc_login(request: HttpRequest) -> HttpResponse:
    if not is_configured():
        raise Http404
    try:
        response: HttpResponse = OidcRequestView.as_view()(request)
    except FAILURES:
        return _failed(request)
    request.session[NEXT] = safe_next(request, "/")
    return response


@never_cache
@require_safe
def oidc_callback(request: HttpRequest) -> HttpResponse:
    """A state is good for one answer; what the provider says is believed only as its signed token."""
    if not is_configured():
        raise Http404
    states = request.session.get(STATES, {})
    state = states.pop(request.GET.get("state", ""), None)
    request.session[STATES] = states
    if state is None or "code" not in request.GET:
        return _failed(request)
    try:
        user = OidcBackend().authenticate(request, nonce=state["nonce"], code_verifier=state["code_verifier"])
    except FAILURES:
        return _failed(request)
    if user is None:
        return _failed(request)
    return enter(request, user, request.session.pop(NEXT, "/"), is_new=user.last_login is None)


def _failed(request: HttpRequest) -> HttpResponse:
    logger.warning("a login by the identity provider failed", exc_info=True)
    messages.error(request, "That did not work. Try again, or ask whoever runs the identity provider.")
    return redirect("login")
