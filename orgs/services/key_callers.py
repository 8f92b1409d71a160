"""Who would notice that a key stops: its callers of the last month, and pipelines that start only later."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Q
from django.utils import timezone

from orgs.mail import one_line
from orgs.models import ApiKey, ApiKeyUse

LOOKED_BACK = datetime.timedelta(days=30)
SHOWN_CALLERS, SHOWN_STARTS = 20, 10


@dataclass(frozen=True, slots=True)
class NextStart:
    """A pipeline that a key reports for, and when it is expected next."""

    name: str
    url: str
    starts_at: datetime.datetime


NextStarts = Callable[[Collection[tuple[str, str]], datetime.datetime], list[NextStart]]

_next_starts: list[NextStarts] = []


def register_next_starts(find: NextStarts) -> None:
    """`find((namespace, name) pairs, after)` names the pipelines among them that start after this instant."""
    _next_starts.append(find)


def recent_callers(api_key: ApiKey) -> list[Any]:
    """The last month's callers by namespace, client and address, the latest first, with their pipelines counted."""
    uses = ApiKeyUse.objects.filter(api_key=api_key, last_used_at__gt=timezone.now() - LOOKED_BACK)
    callers = uses.values("namespace", "producer", "ip_address").annotate(
        pipeline_count=Count("root_name", filter=~Q(root_name="")), used_at=Max("last_used_at")
    )
    return list(callers.order_by("-used_at", "namespace", "producer", "ip_address")[:SHOWN_CALLERS])


def callers_in_words(api_key: ApiKey, *, at_most: int = 5) -> list[str]:
    """For mails: a line for each of the latest callers, and one for how many more there are."""
    callers = recent_callers(api_key)
    further = len(callers) - at_most
    lines = [_in_words(caller) for caller in callers[:at_most]]
    return [*lines, f"and {further} more"] if further > 0 else lines


def _in_words(caller: Mapping[str, Any]) -> str:
    count = caller["pipeline_count"]
    pipelines = f"{count} pipeline{'' if count == 1 else 's'}" if count else ""
    known = [caller["namespace"], pipelines, caller["producer"], caller["ip_address"]]
    when = f"last {caller['used_at']:%Y-%m-%d %H:%M} UTC"
    return one_line(" · ".join([*(str(part)[:100] for part in known if part), when]))


def starts_after(api_key: ApiKey, moment: datetime.datetime) -> list[NextStart]:
    """Pipelines this key reports for whose next start lies after `moment`, the next one first."""
    uses = ApiKeyUse.objects.filter(api_key=api_key).exclude(root_name="")
    pipelines = list(uses.values_list("namespace", "root_name"))
    found = [start for find in _next_starts for start in find(pipelines, moment)] if pipelines else []
    return sorted(found, key=lambda start: start.starts_at)[:SHOWN_STARTS]
