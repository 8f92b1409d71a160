"""The API described for programs and for people, and a page for every problem type. All of it offline."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from dataxpipe.problems import problem_types


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """OpenAPI 3.1 as JSON. It depends on the code alone, so a process makes it once."""
    return HttpResponse(_schema(), content_type="application/vnd.oai.openapi+json; charset=utf-8")


@require_safe
def api_docs(request: HttpRequest) -> HttpResponse:
    return render(request, "api_docs.html")


@require_safe
def problems(request: HttpRequest) -> HttpResponse:
    known = sorted(_problems().values(), key=lambda problem: (problem["status"], problem["slug"]))
    return render(request, "problems.html", {"problems": known})


@require_safe
def problem(request: HttpRequest, slug: str) -> HttpResponse:
    """What an answer of this type means and what to do about it."""
    described = _problems().get(slug)
    if described is None:
        raise Http404
    return render(request, "problem.html", {"described": described})


@cache
def _schema() -> bytes:
    generator: Any = SchemaGenerator()  # type: ignore[no-untyped-call]
    return orjson.dumps(generator.get_schema(request=None, public=True))


def _problems() -> dict[str, dict[str, Any]]:
    """By slug. Not the classes themselves: templates would call them."""
    return {
        known.slug: {"slug": known.slug, "title": known.title, "status": known.status, "about": known.about}
        for known in problem_types()
    }
