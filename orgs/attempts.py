"""How often one may try to log in, sign up, ask for mails or accept, before one has to wait.

Counted are all forms that are sent, by address, by account from that address, and by account from anywhere, alike
whether the account exists or not. So that strangers who use up the last of these do not lock the owner out, a browser
from which somebody logged in before has a count of its own (device cookies, as OWASP describes them).
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from dataxpipe.errors import problem_page
from dataxpipe.problems import RateLimited
from orgs.actors import client_address
from orgs.counters import count_in_window, uncount_in_window
from orgs.models import User
from orgs.sessions import FIRST_STEP

MINUTES, HOURS = 60, 3600
BROWSER_COOKIE = "__Host-dxp_browser" if settings.IS_HTTPS else "dxp_browser"
BROWSER_KNOWN_FOR = 180 * 24 * HOURS
SALT = "dataxpipe.known-browser"

View = Callable[..., HttpResponse]


class TooManyAttempts(RateLimited):
    slug = "too-many-attempts"
    title = "Too many attempts"
    about = (
        "Forms that could be used to guess are limited by address and by account, whether the account exists or not; "
        "the exchange of tokens and reports of leaked keys by address. "
        "`Retry-After` says when to try again."
    )


@dataclass(frozen=True, slots=True)
class Pace:
    limit: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Kind:
    """What is tried, and how often; an account is an e-mail address, a person, or the token of a mailed link."""

    name: str
    by_address: Pace
    by_account_here: Pace
    by_account: Pace


LOGIN = Kind("login", Pace(100, 10 * MINUTES), Pace(10, 10 * MINUTES), Pace(50, HOURS))
SIGN_UP = Kind("sign_up", Pace(20, HOURS), Pace(5, HOURS), Pace(10, HOURS))
RESET = Kind("reset", Pace(20, HOURS), Pace(5, HOURS), Pace(10, HOURS))
MAILED_LINK = Kind("mailed_link", Pace(60, HOURS), Pace(10, 10 * MINUTES), Pace(30, HOURS))
MAIL_AGAIN = Kind("mail_again", Pace(60, HOURS), Pace(5, HOURS), Pace(10, HOURS))
LOGIN_CODE = Kind("login_code", Pace(100, 10 * MINUTES), Pace(20, 10 * MINUTES), Pace(50, HOURS))
OWN_PASSWORD = Kind("own_password", Pace(100, 10 * MINUTES), Pace(10, 10 * MINUTES), Pace(30, HOURS))
# No guess, but each takes an address for good.
NEW_ORGANIZATION = Kind("new_organization", Pace(60, HOURS), Pace(20, HOURS), Pace(20, HOURS))
KNOWN_BROWSER = Pace(20, 10 * MINUTES)


@dataclass(frozen=True, slots=True)
class _Count:
    name: str
    owner: str
    pace: Pace


def limit_attempts(kind: Kind, *, field: str = "") -> Callable[[View], View]:
    """For views with a form. The account is a field of the form, the token of the path, or else the person.

    The person is who is logged in, or has shown the first of two factors.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method != "POST":
                return view(request, *args, **kwargs)
            account = _digest(_account(request, field, kwargs.get("token", "")))
            counts = list(_counts(kind, request, account))
            try:
                require_pace(counts)
            except TooManyAttempts as refusal:
                return problem_page(request, refusal)
            was_in = request.user.is_authenticated
            response = view(request, *args, **kwargs)
            if kind is LOGIN and response.status_code == 302:
                _uncount(counts)  # who knows the password did not guess
            if request.user.is_authenticated and not was_in:
                know_browser(request, response, request.user)
            return response

        return limited

    return decorate


def limit_address(name: str, request: HttpRequest, pace: Pace) -> None:
    """For what costs something before anything is known of who asks. Raises `TooManyAttempts`."""
    require_pace([_Count(f"{name}_from", _digest(_network(request)), pace)])


def require_pace(counts: list[_Count]) -> None:
    """Counts in order, up to the first that is used up. Raises `TooManyAttempts`."""
    for count in counts:
        usage = count_in_window(count.name, count.owner, limit=count.pace.limit, seconds=count.pace.seconds)
        if usage is not None and usage.is_over:
            raise TooManyAttempts(
                "This was tried too often.",
                headers={"Retry-After": str(usage.wait_seconds)},
                retry_after_seconds=usage.wait_seconds,
            )


def _counts(kind: Kind, request: HttpRequest, account: str) -> Iterator[_Count]:
    """The narrowest first: who is refused there does not use up what others share."""
    if kind is LOGIN and (browser := known_browser(request, account)):
        yield _Count("login_of_browser", browser, KNOWN_BROWSER)
        return
    address = _network(request)
    yield _Count(f"{kind.name}_here", _digest(f"{address} {account}"), kind.by_account_here)
    yield _Count(f"{kind.name}_from", _digest(address), kind.by_address)
    yield _Count(f"{kind.name}_of", account, kind.by_account)


def known_browser(request: HttpRequest, account: str) -> str | None:
    """Its name, if somebody logged into this account from it."""
    try:
        known = signing.loads(request.COOKIES.get(BROWSER_COOKIE, ""), salt=SALT, max_age=BROWSER_KNOWN_FOR)
    except signing.BadSignature:
        return None
    return str(known["browser"]) if known["account"] == account else None


def is_known_browser(request: HttpRequest, user: User) -> bool:
    return known_browser(request, _digest(user.email)) is not None


def know_browser(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """For whoever has just proved to be the user: by logging in, or by a link that was mailed."""
    account = _digest(user.email)
    known = {"account": account, "browser": known_browser(request, account) or secrets.token_hex(8)}
    response.set_cookie(
        BROWSER_COOKIE,
        signing.dumps(known, salt=SALT),
        max_age=BROWSER_KNOWN_FOR,
        secure=settings.IS_HTTPS,
        httponly=True,
        samesite="Lax",
    )


def _uncount(counts: list[_Count]) -> None:
    for count in counts:
        uncount_in_window(count.name, count.owner, seconds=count.pace.seconds)


def _account(request: HttpRequest, field: str, token: str) -> str:
    if field:
        return User.objects.normalize_email(request.POST.get(field, "").strip())
    first_step = request.session.get(FIRST_STEP) or {}
    return token or f"person {request.user.pk or first_step.get('user')}"


def _network(request: HttpRequest) -> str:
    """An IPv6 network of 64 bits is one customer's."""
    address = client_address(request)
    if address is None or ":" not in address:
        return address or "unknown"
    return str(ipaddress.ip_network(f"{address}/64", strict=False))


def _digest(text: str) -> str:
    """What was typed is not kept, and may be of any length."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]
