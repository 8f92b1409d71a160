"""The plan's limits hold exactly, however many register at once."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from django.db import connection

from catalog.models import Connection, Pipeline, PipelineVersion
from orgs.plans import Override
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories import OrganizationFactory
from tests.factories.specs import small_spec

URL = "/api/v1/pipelines/"


def at_once(jobs):
    """The status of each request, all of them started together in threads of their own."""
    barrier, statuses = threading.Barrier(len(jobs)), []

    def run(job):
        try:
            barrier.wait()
            statuses.append(job().status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[job]) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(statuses)


@pytest.fixture
def free(transactional_db):
    return OrganizationFactory(slug="initech", plan_name="free")


def post(organization, spec):
    api = api_of(organization)
    return lambda: until_served(lambda: api.post(URL, spec))


def until_served(send):
    """503 asks to repeat: with 50 at once not every one gets a connection of the pool in time."""
    response = send()
    while response.status_code == 503:
        response = send()
    return response


def test_the_fourth_pipeline_of_the_free_plan_is_refused(free_api, free_org):
    for name in "abc":
        assert free_api.post(URL, small_spec(name)).status_code == 201
    response = free_api.post(URL, small_spec("d"))
    assert response.status_code == 403
    problem = response.json()
    assert problem["type"].endswith("/problems/plan-limit-reached")
    assert (problem["limit"], problem["used"], problem["plan"]) == (3, 3, "free")
    assert problem["upgrade_url"]
    with tenant_scope(free_org):
        assert Pipeline.objects.count() == 3


def test_at_the_limit_new_versions_still_come(free_api):
    for name in "abc":
        free_api.post(URL, small_spec(name))
    assert free_api.post(URL, small_spec("a", description="newer")).status_code == 201
    assert free_api.post(URL, small_spec("b")).status_code == 200


def test_archived_pipelines_take_no_place_until_they_come_back(free_api):
    for name in "abc":
        free_api.post(URL, small_spec(name))
    free_api.patch(f"{URL}a", {"archived": True})
    assert free_api.post(URL, small_spec("d")).status_code == 201
    assert free_api.patch(f"{URL}a", {"archived": False}).status_code == 403
    assert free_api.post(URL, small_spec("a")).status_code == 403
    assert free_api.post(URL, small_spec("a", description="newer")).status_code == 403
    free_api.patch(f"{URL}b", {"archived": True})
    back = free_api.post(URL, small_spec("a"))
    assert back.status_code == 200
    assert back.json()["pipeline"]["archived_at"] is None


def test_deleted_pipelines_take_no_place(free_api):
    for name in "abc":
        free_api.post(URL, small_spec(name))
    assert free_api.delete(f"{URL}a").status_code == 202
    assert free_api.post(URL, small_spec("d")).status_code == 201


def test_an_override_takes_the_place_of_the_plans_limit(free_api, free_org):
    free_org.limit_overrides = {"pipelines": Override("pipelines", 4, "agreed").as_json()}
    free_org.save()
    assert [free_api.post(URL, small_spec(name)).status_code for name in "abcde"] == [201] * 4 + [403]


def test_fifty_at_once_leave_exactly_three(free):
    statuses = at_once([post(free, small_spec(f"p{n}")) for n in range(50)])
    assert statuses == {201: 3, 403: 47}
    with tenant_scope(free):
        assert Pipeline.objects.count() == PipelineVersion.objects.count() == 3


def test_unarchived_at_once_as_many_come_back_as_there_is_room(free):
    api = api_of(free)
    for name in "abcd":
        api.post(URL, small_spec(name))
        api.patch(f"{URL}{name}", {"archived": True})
    api.post(URL, small_spec("e"))

    def unarchive(name):
        return lambda: until_served(lambda: api.patch(f"{URL}{name}", {"archived": False}))

    assert at_once([unarchive(name) for name in "abcd"]) == {200: 2, 403: 2}
    with tenant_scope(free):
        assert Pipeline.objects.counted().count() == 3


def test_one_pipeline_unarchived_twice_at_once_takes_the_last_place_once(free):
    api = api_of(free)
    for name in "abc":
        api.post(URL, small_spec(name))
    for _ in range(5):
        api.patch(f"{URL}a", {"archived": True})
        unarchive = lambda: until_served(lambda: api.patch(f"{URL}a", {"archived": False}))  # noqa: E731
        assert at_once([unarchive] * 4) == {200: 4}


def test_two_jobs_registering_the_same_new_pipeline_make_one(free):
    statuses = at_once([post(free, small_spec("one")) for _ in range(8)])
    assert statuses == {201: 1, 200: 7}
    with tenant_scope(free):
        assert Pipeline.objects.count() == PipelineVersion.objects.count() == 1


def test_the_last_place_is_taken_once_by_jobs_that_register_the_same(free):
    api = api_of(free)
    for name in "ab":
        api.post(URL, small_spec(name))
    statuses = at_once([post(free, small_spec("c")) for _ in range(8)])
    assert statuses == {201: 1, 200: 7}


def test_a_new_version_registered_at_once_by_many_is_one(free):
    api_of(free).post(URL, small_spec("one"))
    statuses = at_once([post(free, small_spec("one", description="newer")) for _ in range(8)])
    assert statuses == {201: 1, 200: 7}
    with tenant_scope(free):
        assert PipelineVersion.objects.count() == 2


def test_batches_in_any_order_do_not_wait_in_a_circle(free):
    specs = [small_spec(name) for name in "abc"]
    newer = [small_spec(name, description="newer") for name in "abc"]
    api = api_of(free)
    api.post(f"{URL}batch", specs)
    batches = [newer, newer[::-1], newer, newer[::-1]]
    statuses = at_once([lambda b=b: until_served(lambda: api.post(f"{URL}batch", b)) for b in batches])
    assert statuses == {201: 1, 200: 3}


def test_connections_at_once_keep_to_the_limit(free):
    def create(name):
        api = api_of(free)
        body = {"id": name, "type": "duckdb", "config": {}}
        return lambda: until_served(lambda: api.post("/api/v1/connections/", body))

    assert at_once([create(f"c{n}") for n in range(10)]) == {201: 2, 403: 8}
    with tenant_scope(free):
        assert Connection.objects.count() == 2


def test_a_connection_is_not_deleted_under_a_spec_that_names_it(free):
    api = api_of(free)
    for round_ in range(5):
        api.post("/api/v1/connections/", {"id": "lake", "type": "duckdb", "config": {"path": "a.db"}})
        source = {"id": "raw", "type": "duckdb", "connection_ref": "lake", "object": "orders"}
        spec = {**small_spec("reader", description=f"round {round_}"), "sources": [source]}
        statuses = at_once([post(free, spec), lambda: until_served(lambda: api.delete("/api/v1/connections/lake"))])
        assert statuses in ({201: 1, 409: 1}, {400: 1, 204: 1})
        api.delete("/api/v1/pipelines/reader")
