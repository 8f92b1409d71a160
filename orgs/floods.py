"""Refusing a flood before it costs anything: what was refused again and again is refused from memory for a moment.

A refusal over the limit asks for the key and the counter, two to three milliseconds of work. Whoever sends the same
request all the same, many times a second, is answered in front of Django, for half a second: shorter than the second
that clients wait after a 503, so that none of them is turned away who would find room.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from dataxpipe.problems import Problem
from orgs.actors import Actor
from orgs.models import Organization
from orgs.services.refusals import REMEMBERED_STATUSES, count_refusal

REFUSALS_OF_A_FLOOD = 10
REMEMBERED_SECONDS = 0.5
REMEMBERED_AT_MOST = 1_000
CREDENTIALS = ("HTTP_X_API_KEY", "HTTP_AUTHORIZATION")
REASONS = {429: "429 Too Many Requests", 503: "503 Service Unavailable"}

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(slots=True)
class _Flood:
    """One credential's request that was refused; often enough, it is refused from memory until `until`."""

    organization_id: int
    actor: Actor
    problem: Problem
    headers: list[tuple[str, str]]
    counted_until: float
    refusals: int = 0
    until: float = 0.0


_floods: dict[bytes, _Flood] = {}
_lock = threading.Lock()


def note_refusal(
    environ: dict[str, Any], *, organization: Organization, actor: Actor, problem: Problem, headers: dict[str, str]
) -> None:
    """After a refusal over a limit; `headers` are what the answer tells about limits."""
    name, now = _name(environ), time.monotonic()
    if name is None:
        return
    told = list({**problem.headers, **headers}.items())
    with _lock:
        flood = _floods.get(name)
        if flood is None or now > flood.counted_until:
            if len(_floods) >= REMEMBERED_AT_MOST:
                _floods.clear()
            flood = _floods[name] = _Flood(organization.pk, actor, problem, told, counted_until=now + 1)
        flood.actor, flood.problem, flood.headers = actor, problem, told
        flood.refusals += 1
        if flood.refusals >= REFUSALS_OF_A_FLOOD:
            flood.until = now + REMEMBERED_SECONDS
            # Who goes on then, and is over the limit still, is refused from memory at once.
            flood.counted_until = flood.until + REMEMBERED_SECONDS


def forget_floods() -> None:
    with _lock:
        _floods.clear()


def refusing_floods(application: Application) -> Application:
    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        flood = _floods.get(_name(environ) or b"") if _floods else None
        if flood is None or flood.until < time.monotonic():
            return application(environ, start_response)
        return _refuse(flood, environ, start_response)

    return answer


def _refuse(flood: _Flood, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    problem = flood.problem
    if problem.status in REMEMBERED_STATUSES:
        count_refusal(
            organization_id=flood.organization_id, actor=flood.actor, problem=problem, path=environ["PATH_INFO"]
        )
    body = orjson.dumps(problem.as_dict())
    own = [
        ("Content-Type", "application/problem+json"),
        ("Content-Length", str(len(body))),
        ("X-Request-ID", uuid.uuid4().hex),
    ]
    start_response(REASONS[problem.status], own + flood.headers)
    return [body]


def _name(environ: dict[str, Any]) -> bytes | None:
    """Of the credential with method, path and organization; without a credential nobody is over a limit."""
    credential = next((environ[name] for name in CREDENTIALS if name in environ), "")
    if not credential:
        return None
    organization = environ.get("HTTP_X_ORGANIZATION", "")
    request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {organization} {credential}"
    return hashlib.sha256(request.encode(errors="replace")).digest()
