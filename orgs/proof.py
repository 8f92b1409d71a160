"""Step-up: what matters asks for the password or a code again, unless that was given within the last ten minutes.

    @requires(Role.ADMIN)
    @recently_proven
    @require_POST
    def revoke_api_key(request, pk): ...

    @requires(Role.ADMIN)
    @recently_proven(panels=("new", "rotate"))     # the list itself is free; `?new`, `?rotate=` and every POST ask
    def api_keys(request): ...

    @recently_proven(panels=())                    # only a POST asks

A page that asks leads on to what was wanted. A form that was sent too late is not carried out: its page opens again.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, overload
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import resolve, reverse
from django.utils import timezone
from django_htmx.http import HttpResponseClientRedirect

from dataxpipe.errors import no_such_address
from orgs.redirects import is_of_this_site

PROOF_HOLDS = datetime.timedelta(minutes=10)
PROVEN_AT = "proven_at"
# Stands in a session whose login was none: the identity provider may have let in whoever sat before the browser.
UNPROVEN = "unproven"
SAFE = {"GET", "HEAD", "OPTIONS"}

View = Callable[..., HttpResponseBase]


def prove(request: HttpRequest) -> None:
    """The person has just given the password or a code."""
    request.session[PROVEN_AT] = timezone.now().timestamp()


def is_recently_proven(request: HttpRequest) -> bool:
    """Logging in is a proof too, but not at an identity provider, of who has a password that could be asked for."""
    row = None if request.session.get(UNPROVEN) else request.session.row  # type: ignore[attr-defined]
    proofs = [request.session.get(PROVEN_AT, 0.0), row.signed_in_at.timestamp() if row else 0.0]
    return bool(timezone.now().timestamp() - max(proofs) < PROOF_HOLDS.total_seconds())


@overload
def recently_proven(view: View) -> View: ...
@overload
def recently_proven(*, panels: Sequence[str]) -> Callable[[View], View]: ...
def recently_proven(view: View | None = None, *, panels: Sequence[str] | None = None) -> View | Callable[[View], View]:
    """Guards a view; with `panels` a GET is free unless it carries one of these query parameters.

    Stands below `@requires`: who may not do it is told so, and not asked for a password first.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            is_asked = panels is None or request.method not in SAFE or any(name in request.GET for name in panels)
            if is_asked and not is_recently_proven(request):
                return _ask(request, is_act=panels is None)
            return view(request, *args, **kwargs)

        return guarded

    return decorate if view is None else decorate(view)


def _ask(request: HttpRequest, *, is_act: bool) -> HttpResponse:
    if request.method in SAFE:
        wanted = request.get_full_path()
    else:
        wanted = _page_of_form(request, is_act=is_act)
        messages.warning(request, "Nothing was changed yet. Confirm that it is you, then send the form again.")
    address = f"{reverse('prove')}?{urlencode({'next': wanted})}"
    is_htmx = bool(getattr(request, "htmx", False))
    return HttpResponseClientRedirect(address) if is_htmx else HttpResponseRedirect(address)


def _page_of_form(request: HttpRequest, *, is_act: bool) -> str:
    """The page the form stood on, if the browser tells and it is one of this site.

    A refused form stands on the address it was sent to, which may answer no GET: the page above it does.
    """
    scheme, mark, rest = request.headers.get("Referer", "").partition(f"://{request.get_host()}/")
    path = f"/{rest.partition('#')[0]}"
    if not (mark and scheme in {"http", "https"} and is_of_this_site(path)):
        return "/"
    return _page_above(request.path) if is_act and path.partition("?")[0] == request.path else path


def _page_above(path: str) -> str:
    while path != "/":
        path = path.rstrip("/").rpartition("/")[0] + "/"
        for page in (path, path.rstrip("/") or "/"):
            if resolve(page).func is not no_such_address:
                return page
    return path
