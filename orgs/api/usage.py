"""`GET /organizations/me/usage`: what was used over time, in all and by API key."""

from __future__ import annotations

import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request

from dataxpipe.parameters import Query
from orgs.models import NO_KEY, UsagePeriod
from orgs.services.usage.counts import COUNTED
from orgs.services.usage.series import METRICS, Frame, Sender, Usage, kept_since, senders, usage_in

MAX_POINTS = 1_000
MAX_POINTS_PER_KEY = 100
SHOWN_BY_DEFAULT = {
    UsagePeriod.HOUR: datetime.timedelta(hours=23),
    UsagePeriod.DAY: datetime.timedelta(days=29),
    UsagePeriod.MONTH: datetime.timedelta(days=334),
}
EARLIEST = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)

PARAMETERS = {"start", "end", "metrics", "interval", "per"}
DOCUMENTED = [
    OpenApiParameter("start", datetime.datetime, description="with an offset; widened to a whole interval"),
    OpenApiParameter("end", datetime.datetime, description="with an offset, not included; now without it"),
    OpenApiParameter("metrics", str, description=f"of {', '.join(METRICS)}, with commas between; all without it"),
    OpenApiParameter(
        "interval", str, enum=UsagePeriod.values, description="day without it, or month where the start is too long ago"
    ),
    OpenApiParameter(
        "per", str, enum=["key"], description="the counts of each API key as well; needs organization:read"
    ),
]


class UsagePointSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField(help_text="of the interval, UTC")
    api_requests = serializers.IntegerField(required=False)
    runs_recorded = serializers.IntegerField(required=False)
    events_ingested = serializers.IntegerField(required=False)
    check_results = serializers.IntegerField(required=False)


class UsageLevelPointSerializer(UsagePointSerializer):
    pipelines = serializers.IntegerField(required=False, allow_null=True, help_text="null before the first measuring")
    connections = serializers.IntegerField(required=False, allow_null=True)
    storage_bytes = serializers.IntegerField(required=False, allow_null=True)


@extend_schema_serializer(component_name="UsageOfKey")
class KeyUsageSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["api_key", "trusted_publisher", "none"])
    id = serializers.UUIDField(allow_null=True, help_text="null is what the worker did with what had to wait")
    name = serializers.CharField()
    hint = serializers.CharField(allow_blank=True)
    totals = serializers.DictField(child=serializers.IntegerField())
    points = UsagePointSerializer(many=True, help_text="intervals without use are left out")


@extend_schema_serializer(component_name="Usage")
class UsageSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    interval = serializers.ChoiceField(choices=UsagePeriod.choices)
    metrics = serializers.ListField(child=serializers.ChoiceField(choices=METRICS))
    totals = serializers.DictField(child=serializers.IntegerField(), help_text="of what is counted, not of levels")
    points = UsageLevelPointSerializer(many=True)
    keys = KeyUsageSerializer(many=True, required=False)


def usage_answer(request: Request) -> dict[str, Any]:
    """In the organization's scope; raises `ValidationFailed` with every parameter that is wrong."""
    query = Query(request.query_params)
    metrics, is_per_key = _metrics(query), query.choice("per", ("key",)) == "key"
    frame = _frame(query, _interval(query), at_most=MAX_POINTS_PER_KEY if is_per_key else MAX_POINTS)
    query.require_valid()
    return usage_as_dict(usage_in(frame), metrics, is_per_key=is_per_key)


def usage_as_dict(usage: Usage, metrics: list[str], *, is_per_key: bool) -> dict[str, Any]:
    counted = [name for name in metrics if name in COUNTED]
    answer: dict[str, Any] = {
        "start": usage.frame.start,
        "end": usage.frame.end,
        "interval": usage.frame.interval.value,
        "metrics": metrics,
        "totals": {name: usage.total(name) for name in counted},
        "points": [
            {"start": at, **{name: ({**counts, **usage.levels[at]})[name] for name in metrics}}
            for at, counts in usage.counts.items()
        ],
    }
    if is_per_key:
        names = senders(usage.keys)
        answer["keys"] = [_key_as_dict(usage, id_, names[id_], counted) for id_ in sorted(usage.keys, key=str)]
    return answer


def _key_as_dict(usage: Usage, id_: UUID, sender: Sender, counted: list[str]) -> dict[str, Any]:
    return {
        "kind": sender.kind,
        "id": None if id_ == NO_KEY else id_,
        "name": sender.name,
        "hint": sender.hint,
        "totals": {name: usage.total_of_key(id_, name) for name in counted},
        "points": [{"start": at, **{name: counts[name] for name in counted}} for at, counts in usage.keys[id_].items()],
    }


def _metrics(query: Query) -> list[str]:
    texts = query.texts("metrics")
    asked = [name.strip() for text in texts for name in text.split(",")]
    unknown = sorted(set(asked) - set(METRICS))
    if unknown:
        query.refuse("metrics", f"Some of {', '.join(METRICS)}, with commas between.")
    return [name for name in METRICS if name in asked or not texts]


def _interval(query: Query) -> UsagePeriod:
    """The one that is asked for; else days, or months where the start lies before days are kept."""
    if asked := query.choice("interval", tuple(UsagePeriod.values)):
        return UsagePeriod(asked)
    start, since = Query(query.parameters).instant("start"), kept_since(UsagePeriod.DAY)
    return UsagePeriod.MONTH if start and since and start < since else UsagePeriod.DAY


def _frame(query: Query, interval: UsagePeriod, *, at_most: int) -> Frame:
    """The frame that is asked for, or a short one when it is refused."""
    now = timezone.now()
    start, end = query.instant("start"), query.instant("end")
    usual = Frame.around(now - SHOWN_BY_DEFAULT[interval], now, interval)
    if query.errors:
        return usual
    for name, moment in (("start", start), ("end", end)):
        if moment is not None and moment < EARLIEST:
            query.refuse(name, f"Not before {EARLIEST:%Y}.")
            return usual
    until = min(end or now, now)
    start = start or until - SHOWN_BY_DEFAULT[interval]
    if start >= until:
        query.refuse("start", "The start lies before the end, and not in the future.")
        return usual
    since = kept_since(interval)
    if since is not None and start < since:
        query.refuse(
            "start", f"Kept by the {interval} since {since:%Y-%m-%d}: start later, or ask for a longer interval."
        )
        return usual
    frame = Frame.around(start, until, interval)
    if frame.count(at_most=at_most) > at_most:
        query.refuse("interval", f"More than {at_most} points: ask for a shorter time, or a longer interval.")
        return usual
    return frame
