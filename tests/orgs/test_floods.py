"""What goes on being refused is refused from memory for a moment, and counted all the same."""

from __future__ import annotations

import io
import sys
import time

import orjson
import pytest
from django.core.handlers.wsgi import WSGIHandler

from orgs import floods, throttling
from orgs.actors import Actor
from orgs.floods import REFUSALS_OF_A_FLOOD, refusing_floods
from orgs.plans import Override
from orgs.services import refusals
from orgs.services.organizations import change_plan
from tests.conftest import api_of

ME = "/api/v1/organizations/me"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("limits")]


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(throttling, "WINDOW_SECONDS", 86_400)  # no new window begins while a test runs
    floods.forget_floods()
    yield
    floods.forget_floods()


class Door:
    """The WSGI application as gunicorn calls it, with Django behind it, and how often Django was asked."""

    def __init__(self, key):
        self.key, self.asked, self.django = key, 0, WSGIHandler()
        self.application = refusing_floods(self._django)

    def _django(self, environ, start_response):
        self.asked += 1
        return self.django(environ, start_response)

    def send(self, method="GET", path=ME, body=b"", key=None):
        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "localhost",
            "SERVER_PORT": "80", "wsgi.input": io.BytesIO(body), "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr,
            "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json", "REMOTE_ADDR": "198.51.100.7",
            "HTTP_X_API_KEY": key or self.key,
        }  # fmt: skip
        started = []
        content = b"".join(self.application(environ, lambda status, headers: started.append((status, dict(headers)))))
        return int(started[0][0][:3]), started[0][1], content


@pytest.fixture
def door(free_org):
    agreed = {resource: Override(resource, 1, "agreed").as_json() for resource in
              ("requests_per_minute", "events_per_minute")}  # fmt: skip
    free_org.limit_overrides = agreed
    free_org.save(update_fields=["limit_overrides"])
    return Door(api_of(free_org).api_key.text)


def test_what_is_refused_in_one_organization_is_not_refused_in_another_of_the_same_person():
    asked = {"REQUEST_METHOD": "GET", "PATH_INFO": ME, "HTTP_AUTHORIZATION": "Bearer token"}
    names = {floods._name({**asked, "HTTP_X_ORGANIZATION": slug}) for slug in ("acme", "globex")}
    assert len(names) == 2


def flood(door, **request):
    for _ in range(REFUSALS_OF_A_FLOOD + 1):
        door.send(**request)
    door.asked = 0


def test_a_flood_is_refused_without_asking_django(door):
    flood(door)
    status, headers, content = door.send()
    assert (status, door.asked) == (429, 0)
    problem = orjson.loads(content)
    assert problem["type"] == "/problems/rate-limited"
    assert headers["Retry-After"] == str(problem["retry_after_seconds"])
    assert headers["RateLimit"].startswith('"requests";r=0;t=')
    assert headers["Content-Type"] == "application/problem+json"
    assert len(headers["X-Request-ID"]) == 32


def test_it_is_counted_as_refused_all_the_same(door, free_org):
    flood(door)
    for _ in range(5):
        door.send()
    counted = [count.refusals for key, count in refusals._counts.items() if key.organization_id == free_org.pk]
    assert sum(counted) == REFUSALS_OF_A_FLOOD + 5


def test_events_are_refused_with_a_second_to_wait(door, free_org, monkeypatch):
    monkeypatch.setattr(throttling, "WINDOW_SECONDS", 60)
    free_org.limit_overrides = {"events_per_minute": Override("events_per_minute", 60, "agreed").as_json()}
    free_org.save(update_fields=["limit_overrides"])
    door.send("POST", "/api/v1/lineage/batch", orjson.dumps([{}] * 60))
    flood(door, method="POST", path="/api/v1/lineage", body=b"{}")
    status, headers, _ = door.send("POST", "/api/v1/lineage", b"{}")
    assert (status, headers["Retry-After"], door.asked) == (503, "1", 0)


def test_few_refusals_are_no_flood(door):
    for _ in range(4):
        assert door.send()[0] in (200, 429)
    assert door.asked == 4


def test_another_key_path_or_method_is_no_part_of_it(door, free_org):
    flood(door)
    door.send(path="/api/v1/pipelines/")
    door.send("PATCH")
    door.send(key=api_of(free_org).api_key.text)
    assert door.asked == 3


def test_after_half_a_second_the_limit_is_asked_again_and_another_plan_counts(door, free_org):
    flood(door)
    free_org.limit_overrides = {}
    free_org.save(update_fields=["limit_overrides"])
    change_plan(organization=free_org, plan_name="team", actor=Actor.system("test"))
    time.sleep(0.55)
    assert door.send()[0] == 200


def test_who_goes_on_is_refused_from_memory_again_after_one_question(door):
    flood(door)
    time.sleep(0.55)
    assert [door.send()[0] for _ in range(3)] == [429, 429, 429]
    assert door.asked == 1


def test_a_batch_that_does_not_fit_does_not_shut_out_smaller_ones(free_org):
    free_org.limit_overrides = {"events_per_minute": Override("events_per_minute", 100, "agreed").as_json()}
    free_org.save(update_fields=["limit_overrides"])
    door = Door(api_of(free_org).api_key.text)
    large = orjson.dumps([{}] * 101)
    door.send("POST", "/api/v1/lineage/batch", orjson.dumps([{}] * 50))
    for _ in range(REFUSALS_OF_A_FLOOD + 2):
        assert door.send("POST", "/api/v1/lineage/batch", large)[0] == 503
    assert door.send("POST", "/api/v1/lineage/batch", orjson.dumps([{}] * 2))[0] == 200


def test_nobody_without_a_credential_is_remembered(door):
    flood(door, key=" ")
    assert not floods._floods


def test_what_is_remembered_is_bounded(door, free_org, monkeypatch):
    monkeypatch.setattr(floods, "REMEMBERED_AT_MOST", 3)
    door.send()
    for number in range(10):
        door.send(path=f"/api/v1/pipelines/{number}")
    assert len(floods._floods) <= 3
