"""`GET /organizations/me/usage`: series of what was used, and a Problem for every question that makes no sense."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orgs.models import NO_KEY, UsageLevel
from orgs.services.usage.counts import COUNTED
from orgs.services.usage.series import METRICS
from tests.conftest import api_of
from tests.factories import UsageCountFactory

USAGE = "/api/v1/organizations/me/usage"
NOW = datetime.datetime(2026, 3, 15, 10, 30, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def it_is_half_past_ten_on_the_ides_of_march(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOW)


def at(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


def refused(response, parameter):
    assert response.status_code == 400, response.content
    assert response.json()["type"] == "/problems/validation-failed"
    assert [error["parameter"] for error in response.json()["errors"]] == [parameter]
    return response.json()["errors"][0]["detail"]


def test_without_parameters_it_is_every_metric_of_the_last_thirty_days(acme, api):
    UsageCountFactory(organization=acme, starts_at=at("2026-03-15T09:00"), api_requests=7)
    UsageCountFactory(organization=acme, starts_at=at("2026-03-15T10:00"), api_requests=3, runs_recorded=2)
    body = api.get(USAGE).json()
    assert (body["interval"], body["metrics"]) == ("day", list(METRICS))
    assert (body["start"], body["end"]) == ("2026-02-14T00:00:00Z", "2026-03-16T00:00:00Z")
    assert len(body["points"]) == 30
    assert body["points"][-1] == {
        "start": "2026-03-15T00:00:00Z",
        **dict.fromkeys(COUNTED, 0),
        "api_requests": 10,
        "runs_recorded": 2,
        "pipelines": None,
        "connections": None,
        "storage_bytes": None,
    }
    assert body["totals"] == {"api_requests": 10, "runs_recorded": 2, "events_ingested": 0, "check_results": 0}


def test_by_the_hour(acme, api):
    UsageCountFactory(organization=acme, starts_at=at("2026-03-15T09:00"), api_requests=7)
    answer = api.get(f"{USAGE}?interval=hour&metrics=api_requests&start=2026-03-15T08:20:00Z&end=2026-03-15T10:00:00Z")
    assert answer.json() == {
        "start": "2026-03-15T08:00:00Z",
        "end": "2026-03-15T10:00:00Z",
        "interval": "hour",
        "metrics": ["api_requests"],
        "totals": {"api_requests": 7},
        "points": [
            {"start": "2026-03-15T08:00:00Z", "api_requests": 0},
            {"start": "2026-03-15T09:00:00Z", "api_requests": 7},
        ],
    }


def test_by_the_month_whatever_period_the_rows_have_now(acme, api):
    UsageCountFactory(organization=acme, starts_at=at("2026-01-01"), period="month", events_ingested=100)
    UsageCountFactory(organization=acme, starts_at=at("2026-02-03"), period="day", events_ingested=20)
    UsageCountFactory(organization=acme, starts_at=at("2026-02-28T23:00"), events_ingested=3)
    answer = api.get(f"{USAGE}?interval=month&metrics=events_ingested&start=2026-01-01T01:00:00%2B01:00").json()
    assert [point["events_ingested"] for point in answer["points"]] == [100, 23, 0]


def test_by_key(acme, api):
    other = api_of(acme, name="airflow").api_key
    for key, requests in ((api.api_key.pk, 5), (other.pk, 8), (NO_KEY, 1)):
        UsageCountFactory(organization=acme, starts_at=at("2026-03-15T09:00"), api_key_id=key, api_requests=requests)
    body = api.get(f"{USAGE}?per=key&metrics=api_requests,pipelines").json()
    keys = {key["name"]: key for key in body["keys"]}
    assert keys["airflow"] == {
        "kind": "api_key",
        "id": str(other.pk),
        "name": "airflow",
        "hint": other.hint,
        "totals": {"api_requests": 8},
        "points": [{"start": "2026-03-15T00:00:00Z", "api_requests": 8}],
    }
    assert keys["Without a key"]["id"] is None
    assert body["totals"] == {"api_requests": 14}


def test_levels_hold_until_they_are_measured_again(acme, api):
    for day, pipelines in ((10, 4), (13, 6)):
        UsageLevel.objects.create(
            organization=acme, day=datetime.date(2026, 3, day), pipelines=pipelines, connections=1, storage_bytes=10
        )
    asked = f"{USAGE}?metrics=pipelines&end=2026-03-15T00:00:00Z&start="
    points = api.get(f"{asked}2026-03-09T00:00:00Z").json()["points"]
    assert [point["pipelines"] for point in points] == [None, 4, 4, 4, 6, 6]
    points = api.get(f"{asked}2026-03-12T00:00:00Z").json()["points"]
    assert [point["pipelines"] for point in points] == [4, 6, 6]


def test_without_an_interval_a_start_of_long_ago_is_told_by_month(acme, api):
    UsageCountFactory(organization=acme, starts_at=at("2025-11-01"), period="month", api_requests=7)
    body = api.get(f"{USAGE}?start=2025-10-01T00:00:00Z&end=2025-11-30T23:59:59Z&metrics=api_requests").json()
    assert body["interval"] == "month"
    assert [point["api_requests"] for point in body["points"]] == [0, 7]


def test_a_key_that_reads_the_catalog_is_told_totals_and_nothing_of_other_keys(acme):
    reader = api_of(acme, scopes=["catalog:read"])
    assert reader.get(USAGE).status_code == 200
    refusal = reader.get(f"{USAGE}?per=key")
    assert (refusal.status_code, refusal.json()["required"]) == (403, "organization:read")


def test_another_organizations_usage_is_not_told(acme, globex, api):
    UsageCountFactory(organization=globex, starts_at=at("2026-03-15T09:00"), api_requests=7)
    body = api.get(f"{USAGE}?per=key").json()
    assert (body["totals"]["api_requests"], body["keys"]) == (0, [])


def test_it_takes_the_same_queries_for_one_row_and_for_fifty(acme, api):
    UsageCountFactory(organization=acme, starts_at=at("2026-03-15T09:00"), api_key_id=api.api_key.pk)
    api.get(USAGE)  # the caller is written at once, and only once
    with CaptureQueriesContext(connection) as few:
        api.get(f"{USAGE}?per=key")
    for hour in range(50):
        UsageCountFactory(organization=acme, starts_at=at("2026-03-01") + datetime.timedelta(hours=hour))
    with CaptureQueriesContext(connection) as many:
        api.get(f"{USAGE}?per=key")
    assert len(many) == len(few)
    # counts by key, the level before, the levels within, the keys' names
    assert sum("orgs_usage" in query["sql"] or "IN (" in query["sql"] for query in few.captured_queries) == 4


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("start=2026-03-10T00:00:00Z&end=2026-03-09T00:00:00Z", "start"),
        ("start=2026-03-10T00:00:00Z&end=2026-03-10T00:00:00Z", "start"),
        ("start=2027-01-01T00:00:00Z&end=2027-02-01T00:00:00Z", "start"),
        ("start=2026-03-10T00:00:00", "start"),
        ("start=2026-03-10", "start"),
        ("start=yesterday", "start"),
        ("start=0001-01-01T00:00:00Z&interval=month", "start"),
        ("start=0001-01-01T00:00:00%2B14:00", "start"),
        ("end=0001-01-01T00:00:00Z", "end"),
        ("end=2026-02-30T00:00:00Z", "end"),
        ("metrics=steps", "metrics"),
        ("metrics=api_requests,,runs_recorded", "metrics"),
        ("metrics=", "metrics"),
        ("metrics=%00", "metrics"),
        ("interval=minute", "interval"),
        ("interval=", "interval"),
        ("per=pipeline", "per"),
        ("per=key&interval=hour&start=2026-03-05T00:00:00Z", "interval"),
        ("interval=hour&start=2026-02-28T23:00:00Z", "start"),
        ("interval=day&start=2025-11-01T00:00:00Z", "start"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_with_its_parameter(api, query, parameter):
    refused(api.get(f"{USAGE}?{query}"), parameter)


def test_all_defects_are_told_at_once(api):
    body = api.get(f"{USAGE}?start=now&metrics=steps&interval=minute").json()
    assert sorted(error["parameter"] for error in body["errors"]) == ["interval", "metrics", "start"]


def test_a_misspelt_parameter_is_refused(api):
    body = api.get(f"{USAGE}?since=2026-03-01T00:00:00Z").json()
    assert body["type"] == "/problems/unknown-parameter"


def test_an_end_in_the_future_is_now(api):
    body = api.get(f"{USAGE}?start=2026-03-14T00:00:00Z&end=9999-12-31T23:59:59Z").json()
    assert body["end"] == "2026-03-16T00:00:00Z"


def test_too_many_points_are_refused_with_what_to_do(api):
    detail = refused(api.get(f"{USAGE}?per=key&interval=hour&start=2026-03-05T00:00:00Z"), "interval")
    assert detail == "More than 100 points: ask for a shorter time, or a longer interval."
