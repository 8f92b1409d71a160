"""Coming in by the identity provider: there, and back again."""

from __future__ import annotations

import logging

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dataxpipe.errors import problem_page
from orgs.attempts import Pace, TooManyAttempts, limit_address
from orgs.oidc import FAILURES, OidcBackend, OidcRequestView, is_configured
from orgs.redirects import safe_next
from orgs.views.sign_in import enter

# By address: each start keeps a session until it is answered.
STARTS = Pace(100, 600)
STATES, NEXT = "oidc_states", "oidc_login_next"

logger = logging.getLogger(__name__)


@never_cache
@require_safe
def oidc_login(request: HttpRequest) -> HttpResponse:
    if not is_configured():
        raise Http404
    try:
        limit_address("oidc_login", request, STARTS)
    except TooManyAttempts as refusal:
        return problem_page(request, refusal)
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
    destination, is_proof = request.session.pop(NEXT, "/"), not user.has_usable_password()
    return enter(request, user, destination, is_new=user.last_login is None, is_proof=is_proof)


def _failed(request: HttpRequest) -> HttpResponse:
    logger.warning("a login by the identity provider failed", exc_info=True)
    messages.error(request, "That did not work. Try again, or ask whoever runs the identity provider.")
    return redirect("login")
