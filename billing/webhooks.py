"""`POST /webhooks/stripe`: outside the API, without a session, believed by its signature alone."""

from __future__ import annotations

from django.core.exceptions import RequestDataTooBig
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing import gateway
from billing.gateway import EventRead
from billing.services.events import APPLIED_TYPES, apply_event, receive_event
from dataxpipe.errors import problem_page
from dataxpipe.problems import Problem
from dataxpipe.rendering import problem_of
from dataxpipe.requests import read_json
from dataxpipe.requests.limits import malformed, too_large

# Stripe's events are some kilobytes; the largest, invoices with many lines, some hundred.
MAX_WEBHOOK_BYTES = 1024**2


@csrf_exempt
@require_POST
def stripe_webhook(request: HttpRequest) -> HttpResponse:
    """200 when the event took effect, is set aside or means nothing here; anything else makes Stripe send it again."""
    try:
        body = _body(request)
        gateway.verify_webhook(body, request.headers.get("Stripe-Signature", ""))
        event = _event(body)
        if event.type not in APPLIED_TYPES:
            return JsonResponse({"received": True})
        state = apply_event(receive_event(event)).state
    except (Problem, Error) as refusal:
        problem = problem_of(refusal)
        if problem is None:
            raise
        return problem_page(request, problem)
    return JsonResponse({"received": True, "state": state})


def _body(request: HttpRequest) -> bytes:
    try:
        body = request.body
    except RequestDataTooBig as error:
        raise too_large(MAX_WEBHOOK_BYTES) from error
    if len(body) > MAX_WEBHOOK_BYTES:
        raise too_large(MAX_WEBHOOK_BYTES)
    return body


def _event(body: bytes) -> EventRead:
    document = read_json(body)
    try:
        return gateway.read_event(document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise malformed("not_an_event", "The body is not an event of Stripe's API version 1.") from error
