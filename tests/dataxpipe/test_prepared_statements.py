"""Reports are sent in statements that PostgreSQL plans once a connection, and everything else is planned each time."""

import pytest
from django.db import connection

from dataxpipe.postgres.prepared import PREPARED_AFTER, prepared_statements
from tests.conftest import api_of

pytestmark = pytest.mark.django_db


def prepared():
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement, generic_plans + custom_plans FROM pg_prepared_statements")
        return dict(cursor.fetchall())


def repeat(sql, times=PREPARED_AFTER + 2):
    with connection.cursor() as cursor:
        for number in range(times):
            cursor.execute(sql, [number])


def test_what_is_repeated_inside_is_planned_once():
    with prepared_statements():
        repeat("SELECT %s::int + 1")
    assert "SELECT $1::int + 1" in prepared()


def test_what_is_repeated_outside_is_not():
    with prepared_statements():
        pass
    repeat("SELECT %s::int + 2")
    assert "SELECT $1::int + 2" not in prepared()


def test_one_plan_serves_two_organizations_and_shows_each_only_its_own(acme, globex):
    reporters = {organization.slug: api_of(organization) for organization in (acme, globex)}
    for number in range(10):
        for slug, reporter in reporters.items():
            pipeline = {"name": f"of-{slug}", "description": "d", "owner": "a@b.c", "environment": "prod"}
            assert reporter.post("/api/v1/pipelines/", {"pipeline": {**pipeline, "schedule": None}}).status_code < 300
            run = {"pipeline_id": f"of-{slug}", "run_id": f"run-{number}", "status": "success"}
            assert reporter.post("/api/v1/runs/", run).status_code == 201
    assert any("catalog_run" in statement for statement in prepared())
    for slug, reporter in reporters.items():
        names = {run["pipeline"]["name"] for run in reporter.get("/api/v1/runs/").json()["results"]}
        assert names == {f"of-{slug}"}
        other = "globex" if slug == "acme" else "acme"
        foreign = reporter.post("/api/v1/runs/", {"pipeline_id": f"of-{other}", "status": "success"})
        assert foreign.status_code == 404
