"""Coming in, in one step or two: whoever has a second factor shows it after the password."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import auth
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from orgs.actors import Actor
from orgs.attempts import LOGIN_CODE, is_known_browser, limit_attempts
from orgs.forms.second_factor import CodeForm
from orgs.models import User
from orgs.proof import UNPROVEN
from orgs.redirects import safe_next
from orgs.services.new_sign_in import announce_sign_in
from orgs.services.passwords import credential_state
from orgs.services.second_factor import CodeWrong, TooManyWrongCodes, require_code
from orgs.sessions import FIRST_STEP

BACKEND = "django.contrib.auth.backends.ModelBackend"
SECOND_STEP_WITHIN = 600


def enter(
    request: HttpRequest, user: User, destination: str, *, is_new: bool = False, is_proof: bool = True
) -> HttpResponse:
    """Logs in who has just proved to be this person, or asks for the second factor first, which is always a proof."""
    if not user.has_second_factor:
        _log_in(request, user, getattr(user, "backend", BACKEND), is_new=is_new, is_proof=is_proof)
        return redirect(destination)
    request.session[FIRST_STEP] = {
        "user": user.pk,
        "state": credential_state(user),
        "backend": getattr(user, "backend", BACKEND),
        "at": timezone.now().timestamp(),
    }
    return redirect(f"{reverse('login_code')}?{urlencode({'next': destination})}")


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
@limit_attempts(LOGIN_CODE)
def login_code(request: HttpRequest) -> HttpResponse:
    """The second step; without a first one it is the first. `?recovery` asks for a recovery code."""
    destination = safe_next(request, "/")
    user = _who_took_first_step(request)
    if user is None:
        return redirect(f"{reverse('login')}?{urlencode({'next': destination})}")
    form = CodeForm(request.POST or None, is_recovery="recovery" in request.GET)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            require_code(user=user, code=form.cleaned_data["code"], actor=Actor.of_person(user, None, request))
        except (CodeWrong, TooManyWrongCodes) as refusal:
            form.add_error("code", refusal.detail)
            status = refusal.status
        else:
            backend = request.session.pop(FIRST_STEP)["backend"]
            _log_in(request, user, backend)
            return redirect(destination)
    context = {"form": form, "next": destination, "person": user, "is_recovery": form.is_recovery}
    return render(request, "orgs/login_code.html", context, status=max(status, 400 if form.errors else 200))


def _log_in(request: HttpRequest, user: User, backend: str, *, is_new: bool = False, is_proof: bool = True) -> None:
    """A browser that this person never logged in from is told by mail; the first one of all is no news."""
    if not is_new and not is_known_browser(request, user):
        announce_sign_in(user=user, actor=Actor.of_person(user, None, request))
    auth.login(request, user, backend=backend)
    request.session[UNPROVEN] = not is_proof


def _who_took_first_step(request: HttpRequest) -> User | None:
    """The person of the first step, unless that is long ago or the password was changed since."""
    step = request.session.get(FIRST_STEP)
    if step is None or timezone.now().timestamp() - step["at"] > SECOND_STEP_WITHIN:
        return None
    user = User.objects.filter(pk=step["user"], is_active=True).first()
    if user is None or not constant_time_compare(credential_state(user), step["state"]):
        return None
    return user
