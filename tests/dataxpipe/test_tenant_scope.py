"""`tenant_scope`: one binding for one transaction, that neither leaks out of it nor ends in a lie."""

from __future__ import annotations

import threading

import pytest
from django.core.signals import request_started
from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from catalog.models import Pipeline, Run
from dataxpipe.postgres.fields import uuid7
from dataxpipe.postgres.walls import SETTING
from orgs.models import Organization
from orgs.tenancy import (
    JOB,
    REQUEST,
    TenantScopeNested,
    TenantScopeRequired,
    Timeouts,
    before_scope_exit,
    current_organization,
    is_scope_open,
    roll_back,
    scoped_stream,
    tenant_scope,
)
from tests.factories import OrganizationFactory, PipelineFactory

IN_TRANSACTIONS_OF_ITS_OWN = pytest.mark.django_db(transaction=True)


def setting(name: str = SETTING) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting(%s, true), '')", [name])
        return cursor.fetchone()[0]


def pipeline_names() -> list[str]:
    return sorted(Pipeline.objects.values_list("name", flat=True))


def test_it_binds_the_organization_for_the_manager_and_for_postgresql(acme):
    with tenant_scope(acme):
        assert current_organization() == acme
        assert setting() == str(acme.pk)
        assert connection.in_atomic_block


def test_outside_of_it_there_is_no_organization(db):
    assert not is_scope_open()
    for ask in (current_organization, roll_back, lambda: before_scope_exit("x", print)):
        with pytest.raises(TenantScopeRequired):
            ask()


def test_inside_its_own_scope_it_changes_nothing(acme):
    with tenant_scope(acme), tenant_scope(acme, timeouts=JOB):
        assert setting("statement_timeout") == "5s"
    assert not is_scope_open()


def test_inside_the_scope_of_another_organization_it_is_refused(acme, globex):
    with tenant_scope(acme):
        with pytest.raises(TenantScopeNested), tenant_scope(globex):
            pass
        assert setting() == str(acme.pk)


@pytest.mark.parametrize(("timeouts", "statement", "lock"), [(REQUEST, "5s", "2s"), (JOB, "5min", "10s")])
def test_it_limits_statements_and_locks(acme, timeouts, statement, lock):
    with tenant_scope(acme, timeouts=timeouts):
        assert (setting("statement_timeout"), setting("lock_timeout")) == (statement, lock)


@pytest.mark.parametrize(("plan", "statement", "lock"), [("free", "3s", "1s"), ("team", "5s", "2s")])
def test_its_limits_are_those_of_the_plan(acme, plan, statement, lock):
    acme.plan_name = plan
    with tenant_scope(acme):
        assert (setting("statement_timeout"), setting("lock_timeout")) == (statement, lock)


def test_a_statement_that_takes_too_long_is_ended(acme):
    with pytest.raises(OperationalError) as caught, tenant_scope(acme, timeouts=Timeouts(statement=20, lock=20)):
        setting_after_sleep()
    assert caught.value.__cause__.sqlstate == "57014"


def setting_after_sleep() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")


def test_inside_an_outer_transaction_it_restores_what_was_set_before(acme):
    before = [setting(name) for name in (SETTING, "statement_timeout", "lock_timeout")]
    with tenant_scope(acme):
        pass
    assert [setting(name) for name in (SETTING, "statement_timeout", "lock_timeout")] == before


def test_an_exception_undoes_what_was_written_and_the_binding(acme):
    def write_and_fail() -> None:
        with tenant_scope(acme):
            Pipeline.objects.create(name="half_done")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert not is_scope_open()
    assert setting() == ""
    with tenant_scope(acme):
        assert pipeline_names() == []


def test_rolling_back_undoes_it_without_an_exception(acme):
    with tenant_scope(acme):
        Pipeline.objects.create(name="refused")
        roll_back()
    assert setting() == ""
    with tenant_scope(acme):
        assert pipeline_names() == []


def test_a_swallowed_failure_is_no_success(acme):
    """PostgreSQL would answer COMMIT with ROLLBACK, and the caller would hear that all went well."""
    with pytest.raises(TransactionManagementError, match="swallowed"), tenant_scope(acme):
        fail_and_swallow()


def test_a_swallowed_failure_may_end_in_a_refusal(acme):
    with tenant_scope(acme):
        fail_and_swallow()
        roll_back()


def test_a_failure_inside_a_savepoint_of_its_own_may_be_swallowed(acme):
    with tenant_scope(acme):
        with transaction.atomic():
            Pipeline.objects.create(name="kept")
        with pytest.raises(DataError), transaction.atomic():
            divide_by_zero()
    with tenant_scope(acme):
        assert pipeline_names() == ["kept"]


def fail_and_swallow() -> None:
    with pytest.raises(DataError):
        divide_by_zero()


def divide_by_zero() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1/0")


def test_what_waits_for_the_exit_runs_once_and_last(acme):
    done = []
    with tenant_scope(acme):
        before_scope_exit("mark", lambda: done.append(setting()))
        before_scope_exit("mark", lambda: done.append("again"))
        assert done == []
    assert done == [str(acme.pk)]


def test_what_waits_for_the_exit_does_not_run_after_a_refusal(acme):
    with tenant_scope(acme):
        before_scope_exit("mark", lambda: pytest.fail("it ran"))
        roll_back()


def test_another_thread_is_not_bound(acme):
    seen = []
    with tenant_scope(acme):
        thread = threading.Thread(target=lambda: seen.append(is_scope_open()))
        thread.start()
        thread.join()
    assert seen == [False]


def test_a_request_does_not_start_inside_the_scope_that_another_left_open(acme):
    with tenant_scope(acme), pytest.raises(RuntimeError, match="earlier request"):
        request_started.send(sender=None)


def test_a_streamed_body_enters_a_scope_for_each_chunk(acme):
    for name in ("a", "b", "c"):
        PipelineFactory(organization=acme, name=name)

    def next_page(after):
        [row] = Pipeline.objects.filter(name__gt=after or "").order_by("name")[:1]
        return row.name.encode(), row.name if row.name < "c" else None

    chunks = []
    for chunk in scoped_stream(acme, next_page):
        assert not is_scope_open()
        assert setting() == ""
        chunks.append(chunk)
    assert chunks == [b"a", b"b", b"c"]


def test_a_streamed_body_that_forgot_its_scope_raises(acme):
    with tenant_scope(acme):
        body = lines(Pipeline.objects.all())
    with pytest.raises(TenantScopeRequired):
        next(body)


def lines(rows):
    for row in rows:
        yield row.name.encode()


@IN_TRANSACTIONS_OF_ITS_OWN
def test_after_the_commit_nothing_is_bound_and_a_callback_enters_a_scope_of_its_own():
    acme, globex, seen = OrganizationFactory(), OrganizationFactory(), []

    def callback() -> None:
        seen.append((is_scope_open(), setting()))
        with tenant_scope(globex):
            seen.append(pipeline_names())

    with tenant_scope(acme):
        Pipeline.objects.create(name="of_acme")
        transaction.on_commit(callback)
    assert seen == [(False, ""), []]


@IN_TRANSACTIONS_OF_ITS_OWN
def test_a_key_to_a_row_that_is_gone_fails_as_the_scope_ends():
    acme = OrganizationFactory()
    with pytest.raises(IntegrityError), tenant_scope(acme):
        Run.objects.create(
            pipeline_id=uuid7(), run_id="1", status="success", reported_status="success", occurred_at=timezone.now()
        )
    assert not is_scope_open()
    assert Organization.objects.filter(pk=acme.pk).exists()
