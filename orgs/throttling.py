"""What an organization's API requests draw on: requests per minute, and a budget of events for what is reported.

Requests are counted in fixed minutes of the counters' clock; over it 429 until the next. Events come out of a bucket
that fills steadily, because OpenLineage clients wait one second for a 503 and give up after five.
"""

from __future__ import annotations

from typing import Any

from dataxpipe.problems import RateLimited, ServiceUnavailable
from orgs.counters import Usage, count_in_window, take_from_bucket
from orgs.models import Organization
from orgs.plans import limit_of

WINDOW_SECONDS = 60
REQUESTS, EVENTS = "requests", "events"


class EventBudgetExhausted(ServiceUnavailable):
    slug = "event-budget-exhausted"
    title = "More is reported than the plan's budget of events takes in"
    about = (
        "Runs, check results and OpenLineage events draw on a budget that fills steadily. Nothing was stored; send it "
        "again after `Retry-After`, as OpenLineage clients do by themselves."
    )


class Allowance:
    """What one request draws, and the headers that tell the caller what is left."""

    def __init__(self, organization: Organization) -> None:
        self._organization = organization
        self._limits = {
            REQUESTS: limit_of(organization, "requests_per_minute"),
            EVENTS: limit_of(organization, "events_per_minute"),
        }
        self._drawn: tuple[str, Usage] | None = None
        self._events_paid = 0

    def draw_request(self) -> None:
        """Raises `RateLimited`."""
        limit = self._limits[REQUESTS]
        if limit is None:
            return
        usage = count_in_window(REQUESTS, self._organization.pk, limit=limit, seconds=WINDOW_SECONDS)
        self._note(REQUESTS, usage)
        if usage is not None and usage.is_over:
            raise RateLimited(
                f"The {self._organization.plan.label} plan allows {limit:,} API requests a minute. "
                f"The next minute begins in {usage.wait_seconds} s.",
                **self._refusal(usage),
            )

    def draw_events(self, count: int) -> None:
        """A request pays for its first event before its body is read, and for the others when they are counted.

        Raises `EventBudgetExhausted`; what does not fit takes nothing more.
        """
        limit, unpaid = self._limits[EVENTS], count - self._events_paid
        if limit is None or unpaid <= 0:
            return
        usage = take_from_bucket(EVENTS, self._organization.pk, unpaid, capacity=limit, seconds=WINDOW_SECONDS)
        self._note(EVENTS, usage)
        if usage is not None and usage.is_over:
            raise EventBudgetExhausted(
                f"The {self._organization.plan.label} plan takes in {limit:,} events a minute. "
                f"There is room for {unpaid:,} more in {usage.wait_seconds} s.",
                **self._refusal(usage),
            )
        self._events_paid = count

    def headers(self) -> dict[str, str]:
        """`RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-10; none while limits are off."""
        if self._drawn is None:
            return {}
        name, usage = self._drawn
        policy = (f'"{name}";q={limit};w={WINDOW_SECONDS}' for name, limit in self._limits.items() if limit is not None)
        return {
            "RateLimit-Policy": ", ".join(policy),
            "RateLimit": f'"{name}";r={usage.remaining};t={usage.reset_seconds}',
        }

    def _note(self, name: str, usage: Usage | None) -> None:
        if usage is not None:
            self._drawn = (name, usage)

    def _refusal(self, usage: Usage) -> dict[str, Any]:
        return {
            "headers": {"Retry-After": str(usage.wait_seconds)},
            "limit": usage.limit,
            "plan": self._organization.plan_name,
            "upgrade_url": f"/o/{self._organization.slug}/settings/billing/",
            "retry_after_seconds": usage.wait_seconds,
        }
