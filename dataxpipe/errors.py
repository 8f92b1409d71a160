"""Refusals as pages: what happened, what to do, and the request id."""

from __future__ import annotations

import sys
from typing import Any

from django.db import Error
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect, JsonResponse
from django.template.loader import render_to_string
from django.urls import resolve
from django.utils.http import escape_leading_slashes
from django.views.decorators.csrf import csrf_exempt

from dataxpipe.problems import Forbidden, NotFound, Problem
from dataxpipe.rendering import problem_of_database


class InternalError(Problem):
    status = 500
    slug = "internal-error"
    title = "Something broke on our side"
    about = "The fault was logged under the request id in `X-Request-ID`. Nothing was changed."


def problem_page(request: HttpRequest, problem: Problem) -> HttpResponse:
    """The problem as a page; as JSON under `/api/`, where programs ask."""
    if request.path.startswith(("/api/", "/webhooks/")):
        response: HttpResponse = JsonResponse(
            problem.as_dict(), status=problem.status, content_type="application/problem+json"
        )
    else:
        context = {"problem": problem, "request_id": getattr(request, "request_id", "")}
        # The context processors ask for the person, and the database may be what is broken.
        reader = request if problem.status < 500 else None
        page = render_to_string([f"{problem.status}.html", "error.html"], context, reader)
        response = HttpResponse(page, status=problem.status)
    for name, value in problem.headers.items():
        response[name] = value
    response.problem = problem  # type: ignore[attr-defined]  # for what counts refusals
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_page(request, Problem("The request could not be understood."))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_page(request, Forbidden())


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return problem_page(request, NotFound())


@csrf_exempt  # else a program that misspells an address would hear of a form
def no_such_address(request: HttpRequest) -> HttpResponse:
    """The last pattern of all: adds a forgotten slash to a page's address or takes one too many off, else refuses."""
    path = request.path_info
    if path.startswith("/api/"):
        return problem_page(request, NotFound("The API has no such address. /api/docs lists those it has."))
    other = path[:-1] if path.endswith("/") else f"{path}/"
    if request.method in {"GET", "HEAD"} and resolve(other).func is not no_such_address:
        return HttpResponsePermanentRedirect(f"{escape_leading_slashes(other)}{_query(request)}")
    return page_not_found(request)


def _query(request: HttpRequest) -> str:
    return f"?{request.META['QUERY_STRING']}" if request.META.get("QUERY_STRING") else ""


def server_error(request: HttpRequest) -> HttpResponse:
    """Django calls this while it handles the exception; a busy or lost database has a name of its own."""
    _, exception, _ = sys.exc_info()
    problem = problem_of_database(exception) if isinstance(exception, Error) else None
    return problem_page(request, problem or InternalError())


def csrf_failure(request: HttpRequest, reason: str = "", **kwargs: Any) -> HttpResponse:
    return problem_page(
        request, Forbidden("This form was opened too long ago. Go back, reload the page and send it again.")
    )
