"""Connections that return to the pool carry no organization to the next request."""

from __future__ import annotations

import time

import pytest
from django.conf import settings
from django.db import connection

from dataxpipe.postgres.pool import StillBound, discard_when_bound
from dataxpipe.postgres.walls import SETTING
from orgs.tenancy import tenant_scope
from tests.factories import OrganizationFactory

pytestmark = pytest.mark.django_db(transaction=True)


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def bound() -> str | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s, true)", [SETTING])
        return cursor.fetchone()[0]


def return_to_pool() -> None:
    connection.close()
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        stats = connection.pool.get_stats()
        if stats["pool_available"] == stats["pool_size"]:
            return
        time.sleep(0.002)
    pytest.fail("the connection did not come back")


def backends_of_the_pool() -> set[int]:
    """Every backend that the pool has: as many connections as it holds, taken at once."""
    taken = [connection.pool.getconn() for _ in range(connection.pool.get_stats()["pool_size"])]
    pids = {raw.info.backend_pid for raw in taken}
    for raw in taken:
        connection.pool.putconn(raw)
    return pids


def test_a_connection_comes_back_as_it_went(db):
    with tenant_scope(OrganizationFactory()):
        used = backend()
    return_to_pool()
    assert used in backends_of_the_pool()


def test_after_a_scope_the_setting_is_empty(db):
    with tenant_scope(OrganizationFactory()):
        pass
    assert not bound()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_connection_with_a_session_level_binding_is_thrown_away(db):
    with connection.cursor() as cursor:
        cursor.execute(f"SET {SETTING} = '1'")
    used = backend()
    return_to_pool()
    assert used not in backends_of_the_pool()
    assert not bound()


def test_the_callback_refuses_a_bound_connection(db):
    with connection.cursor() as cursor:
        cursor.execute(f"SET {SETTING} = '1'")
    with pytest.raises(StillBound):
        discard_when_bound(connection.connection)


def test_the_pool_has_the_callback_and_a_connection_for_every_thread(db):
    from dataxpipe.gunicorn import threads

    database = settings.DATABASES["default"]
    assert database["OPTIONS"]["pool"]["reset"] is discard_when_bound
    assert database["OPTIONS"]["pool"]["max_size"] >= threads + 1
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (0, True)
