"""The worker process itself, on the test database."""

import pytest
from django.core.management import call_command
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from orgs import tasks
from orgs.actors import Actor
from orgs.models import Due
from orgs.services import due_work
from orgs.services.audit import verify_chain
from orgs.services.organizations import create_organization
from orgs.tenancy import tenant_scope


def test_what_has_to_happen_by_itself_is_scheduled():
    scheduled = {periodic.task.name: periodic.cron for periodic in app.periodic_registry.periodic_tasks.values()}
    assert scheduled["run_due_work"] == "* * * * * */5"
    daily = {"add_partitions", "forget_ended_sessions", "forget_old_key_uses", "forget_old_jobs"}
    assert daily <= set(scheduled)


@pytest.mark.django_db(transaction=True)
def test_the_worker_seals_what_was_changed(monkeypatch):
    monkeypatch.setattr(due_work, "GRACE_SECONDS", 0)
    organization = create_organization(name="Acme", slug="acme", actor=Actor.system("operator"))
    tasks.work_off_marks.defer(timestamp=0)
    tasks.forget_old_jobs.defer(timestamp=0)
    call_command("procrastinate", "worker", "--one-shot")
    assert not ProcrastinateJob.objects.filter(task_name="forget_old_jobs").exists()
    assert not Due.objects.filter(kind__startswith="seal_audit").exists()
    # The clock may have deferred the next round meanwhile, but the one that ran did not fail.
    assert not ProcrastinateJob.objects.filter(task_name="run_due_work", status="failed").exists()
    with tenant_scope(organization):
        report = verify_chain()
    assert (report.is_intact, report.head, report.unsealed) == (True, 1, 0)
