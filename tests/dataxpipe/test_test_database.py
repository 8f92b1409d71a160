"""Tests run behind the walls: made by the owner, used by the application's role, emptied without leaving its rights."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import NotSupportedError, ProgrammingError, connection, transaction

from orgs.models import Organization
from tests.factories import OrganizationFactory, PipelineFactory


def value(sql: str, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return cursor.fetchone()[0]


def test_tests_run_as_the_application_role_in_the_test_database(db):
    application = connection.settings_dict["USER"]
    assert value("SELECT current_user") == application
    assert value("SELECT session_user") == application
    assert value("SELECT current_database()").startswith("test_")
    assert value("SELECT rolsuper OR rolbypassrls OR rolinherit FROM pg_roles WHERE rolname = current_user") is False


def test_the_application_role_has_rows_and_no_structure(db):
    tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    assert value(f"{tables} AND pg_get_userbyid(relowner) = current_user") == 0
    assert value(f"{tables} AND has_table_privilege(oid, 'TRUNCATE')") == 0
    assert value(f"{tables} AND NOT has_table_privilege(oid, 'SELECT')") == 0
    assert value("SELECT has_schema_privilege('public', 'CREATE')") is False


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE catalog_pipeline",
        "ALTER TABLE catalog_pipeline NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE catalog_pipeline DISABLE ROW LEVEL SECURITY",
        "DROP POLICY organization ON catalog_pipeline",
        "CREATE TABLE mine (id int)",
        "SET ROLE dataxpipe_owner",
        "SET SESSION AUTHORIZATION postgres",
        "ALTER ROLE CURRENT_USER BYPASSRLS",
        "COPY catalog_pipeline FROM STDIN",
    ],
)
def test_the_application_role_cannot_leave(db, statement):
    with pytest.raises((ProgrammingError, NotSupportedError)), transaction.atomic():
        value(statement)


def test_the_application_role_does_not_switch_row_security_off(db):
    """`row_security = off` only asks PostgreSQL to raise instead of hiding rows."""
    PipelineFactory()
    value("SELECT set_config('row_security', 'off', true)")
    with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
        value("SELECT count(*) FROM catalog_pipeline")


@pytest.mark.django_db(transaction=True)
def test_a_flush_empties_all_tables_and_the_job_queue():
    PipelineFactory(organization=OrganizationFactory())
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args) VALUES ('default', 'x', 0, '{}')"
        )
    call_command("flush", interactive=False, verbosity=0)
    assert value("SELECT count(*) FROM procrastinate_jobs") == 0
    assert not Organization.objects.exists()
    assert value("SELECT current_user") == connection.settings_dict["USER"]
