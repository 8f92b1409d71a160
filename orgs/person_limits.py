"""Pages per person and minute, whatever the plans of their organizations: more than anybody reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from dataxpipe.errors import problem_page
from dataxpipe.problems import RateLimited
from orgs.counters import count_in_window

PAGES_PER_MINUTE = 300
WINDOW_SECONDS = 60
# They bring no session, and have limits of their own or none.
PROGRAMS = ("/api/", "/webhooks/", "/healthz", "/readyz", "/metrics", "/.well-known/")


class PersonLimitMiddleware:
    """Counts before a view runs, outside of any scope. Static files and programs never get here."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if not settings.RATELIMIT_ENABLE or request.path.startswith(PROGRAMS) or not request.user.is_authenticated:
            return None
        usage = count_in_window("pages", request.user.pk, limit=PAGES_PER_MINUTE, seconds=WINDOW_SECONDS)
        if usage is None or not usage.is_over:
            return None
        refusal = RateLimited(
            f"You opened {PAGES_PER_MINUTE} pages within a minute.",
            headers={"Retry-After": str(usage.wait_seconds)},
            retry_after_seconds=usage.wait_seconds,
        )
        return problem_page(request, refusal)
