"""Requests per minute and the budget of events, as a client meets them."""

from __future__ import annotations

import re

import pytest

from orgs import throttling
from orgs.actors import Actor
from orgs.models import RateCounter
from orgs.plans import Override
from orgs.services.organizations import change_plan
from tests.conftest import ApiClient, api_of
from tests.factories.openlineage import run_id

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("limits")]

HEADER = re.compile(r'"(requests|events)";r=(\d+);t=(\d+)')
ME = "/api/v1/organizations/me"
DAY = 86_400


@pytest.fixture(autouse=True)
def long_window(monkeypatch):
    """No new window begins, and no bucket fills, while a test runs."""
    monkeypatch.setattr(throttling, "WINDOW_SECONDS", DAY)


def limit(organization, **limits):
    agreed = {resource: Override(resource, limit, "agreed").as_json() for resource, limit in limits.items()}
    organization.limit_overrides = agreed
    organization.save(update_fields=["limit_overrides"])


def left(response):
    name, remaining, seconds = HEADER.fullmatch(response["RateLimit"]).groups()
    return name, int(remaining), int(seconds)


def event(number=0):
    return {
        "eventType": "START",
        "eventTime": "2026-03-02T06:00:00Z",
        "run": {"runId": run_id(f"limits {number}")},
        "job": {"namespace": "etl", "name": "orders"},
    }


def test_every_authenticated_answer_says_what_is_left(free_api, monkeypatch):
    monkeypatch.setattr(throttling, "WINDOW_SECONDS", 60)
    response = free_api.get(ME)
    assert response["RateLimit-Policy"] == '"requests";q=100;w=60, "events";q=1000;w=60'
    name, remaining, seconds = left(response)
    assert (name, remaining) == ("requests", 99)
    assert 1 <= seconds <= 60


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/v1/pipelines/nothing", 404), ("GET", "/api/v1/pipelines/?colour=red", 400),
     ("POST", "/api/v1/pipelines/", 400)],
)  # fmt: skip
def test_refusals_say_it_too(free_api, method, path, status):
    response = free_api.request(method, path, [])
    assert response.status_code == status
    assert left(response)[:2] == ("requests", 99)


def test_so_does_the_answer_to_a_missing_right(free_org):
    response = api_of(free_org, scopes=["ingest:write"]).get("/api/v1/pipelines/")
    assert (response.status_code, left(response)[1]) == (403, 99)


def test_without_a_credential_nothing_is_counted_and_nothing_said(anonymous_api, free_org):
    response = anonymous_api.get(ME)
    assert response.status_code == 401
    assert not response.has_header("RateLimit")
    assert not RateCounter.objects.exists()


def test_over_the_limit_is_429_until_the_next_minute(free_api, free_org):
    limit(free_org, requests_per_minute=2)
    assert [free_api.get(ME).status_code for _ in range(2)] == [200, 200]
    response = free_api.get(ME)
    assert response.status_code == 429
    problem = response.json()
    assert problem["type"].endswith("/problems/rate-limited")
    assert (problem["limit"], problem["plan"]) == (2, "free")
    assert problem["upgrade_url"] == "/o/initech/settings/billing/"
    name, remaining, seconds = left(response)
    assert (name, remaining) == ("requests", 0)
    assert problem["retry_after_seconds"] == int(response["Retry-After"]) == seconds
    assert response["RateLimit-Policy"] == '"requests";q=2;w=86400, "events";q=1000;w=86400'


def test_the_limit_is_the_organizations_not_the_keys_nor_another_ones(free_org, globex_api):
    limit(free_org, requests_per_minute=1)
    assert api_of(free_org).get(ME).status_code == 200
    assert api_of(free_org).get(ME).status_code == 429
    assert globex_api.get(ME).status_code == 200


def test_another_plan_counts_from_the_next_request_on_and_forgets_nothing(free_api, free_org):
    assert left(free_api.get(ME))[1] == 99
    change_plan(organization=free_org, plan_name="team", actor=Actor.system("test"))
    response = free_api.get(ME)
    assert response["RateLimit-Policy"] == '"requests";q=500;w=86400, "events";q=10000;w=86400'
    assert left(response)[1] == 498


def test_a_refusal_asks_for_the_key_and_the_counter_alone(free_api, free_org, django_assert_num_queries):
    limit(free_org, requests_per_minute=1)
    free_api.get(ME)
    free_api.get(ME)
    with django_assert_num_queries(2):  # the key with its organization, the counter
        assert free_api.get(ME).status_code == 429


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/lineage", event()),
        ("/api/v1/lineage/batch", [event()]),
        ("/api/v1/runs/", {"pipeline_id": "orders", "status": "success"}),
        ("/api/v1/checks/results", {"pipeline_id": "orders", "check_id": "x", "status": "pass"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_reported_draws_on_the_budget_of_events_and_not_on_the_requests(free_api, free_org, path, body):
    limit(free_org, requests_per_minute=1, events_per_minute=60)
    free_api.get(ME)
    response = free_api.post(path, body)
    assert response.status_code < 429
    name, remaining, seconds = left(response)
    assert (name, remaining) == ("events", 59)
    assert seconds == DAY // 60


def test_reading_runs_and_results_counts_as_requests(free_api):
    assert left(free_api.get("/api/v1/runs/"))[:2] == ("requests", 99)
    assert left(free_api.get("/api/v1/checks/results"))[:2] == ("requests", 98)


def test_a_batch_pays_for_each_of_its_events(free_api):
    response = free_api.post("/api/v1/lineage/batch", [event(number) for number in range(7)])
    assert response.status_code == 204
    assert left(response)[1] == 993


def test_results_in_an_array_pay_each(free_api):
    result = {"pipeline_id": "orders", "check_id": "x", "status": "pass"}
    assert left(free_api.post("/api/v1/checks/results", [result] * 5))[1] == 995


def test_over_the_budget_is_503_with_a_second_to_wait(free_api, free_org, monkeypatch):
    monkeypatch.setattr(throttling, "WINDOW_SECONDS", 60)
    limit(free_org, events_per_minute=60)
    assert free_api.post("/api/v1/lineage/batch", [event(number) for number in range(60)]).status_code == 204
    response = free_api.post("/api/v1/lineage", event())
    assert (response.status_code, response["Retry-After"]) == (503, "1")
    problem = response.json()
    assert problem["type"].endswith("/problems/event-budget-exhausted")
    assert (problem["limit"], problem["retry_after_seconds"]) == (60, 1)
    assert left(response)[:2] == ("events", 0)


def test_a_batch_over_the_budget_says_when_it_fits_and_stores_nothing(free_api, free_org):
    limit(free_org, events_per_minute=60)
    free_api.post("/api/v1/lineage/batch", [event(number) for number in range(50)])
    response = free_api.post("/api/v1/lineage/batch", [event(number) for number in range(50, 80)])
    assert response.status_code == 503
    assert int(response["Retry-After"]) == pytest.approx(DAY * 20 / 60, abs=60)
    assert free_api.post("/api/v1/lineage", event()).status_code == 201


def test_who_is_over_is_refused_before_the_body_is_read(free_api, free_org):
    limit(free_org, events_per_minute=1)
    free_api.post("/api/v1/lineage", event())
    assert free_api.post("/api/v1/lineage", b"{ no json").status_code == 503


def test_without_a_limit_there_is_nothing_to_draw_on(free_api, free_org):
    limit(free_org, requests_per_minute=None, events_per_minute=None)
    assert not free_api.get(ME).has_header("RateLimit")
    limit(free_org, requests_per_minute=None)
    assert free_api.post("/api/v1/lineage", event())["RateLimit-Policy"] == '"events";q=1000;w=86400'


def test_switched_off_there_are_no_limits_and_no_headers(free_api, free_org, settings):
    settings.RATELIMIT_ENABLE = False
    limit(free_org, requests_per_minute=1, events_per_minute=1)
    responses = [free_api.get(ME), free_api.get(ME), free_api.post("/api/v1/lineage/batch", [event(), event(1)])]
    assert [response.status_code for response in responses] == [200, 200, 204]
    assert not any(response.has_header("RateLimit") for response in responses)


def test_probes_are_never_limited(free_org, limits):
    client = ApiClient()
    for _ in range(3):
        assert not client.get("/healthz").has_header("RateLimit")
    assert not RateCounter.objects.exists()
