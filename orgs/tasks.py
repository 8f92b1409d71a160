"""The worker's tasks. `manage.py procrastinate worker` finds them by this module's name."""

from __future__ import annotations

import datetime

from django.db import connection
from django.utils import timezone
from procrastinate import JobContext, RetryStrategy
from procrastinate.builtin_tasks import remove_old_jobs
from procrastinate.contrib.django import app

from dataxpipe.postgres.partitions import WEEKS_AHEAD
from orgs.models import RateCounter, Session
from orgs.services import organizations, refusals
from orgs.services.due_work import run_due_work
from orgs.services.history import HISTORY_TASK, mail_history_shortened
from orgs.services.key_leaks import LEAK_TASK, mail_leak, mail_platform_leak
from orgs.services.key_uses import KEPT_FOR, forget_uses
from orgs.services.key_warnings import WARNING_TASK, mail_warning
from orgs.services.new_sign_in import SIGN_IN_TASK, mail_sign_in
from orgs.services.passwords import RESET_TASK, MailServerDown, send_reset_link
from orgs.services.purge import purge_deleted_organizations
from orgs.services.support import close_ended_entries
from orgs.services.trusted_publishers import forget_exchanged
from orgs.services.usage.counts import flush_counts
from orgs.services.usage.rollup import tidy_usage
from orgs.services.usage.warnings import LIMIT_TASK, NearLimit, mail_limit_warning

# The sixth field is seconds.
EVERY_FIVE_SECONDS = "* * * * * */5"
# Longer than the longest window, and than any bucket takes to fill.
RATES_KEPT_FOR = datetime.timedelta(days=2)


@app.periodic(cron=EVERY_FIVE_SECONDS)
@app.task(name="run_due_work", queueing_lock="run_due_work")
def work_off_marks(timestamp: int) -> None:
    run_due_work()
    flush_counts()


@app.periodic(cron="13 2 * * *")
@app.task(name="add_partitions", queueing_lock="add_partitions")
def add_partitions(timestamp: int) -> None:
    """Eight weeks ahead, daily: a missing partition would refuse events."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT dataxpipe_add_partitions(partrelid::regclass, %s) FROM pg_partitioned_table"
            " JOIN pg_class ON pg_class.oid = partrelid WHERE relnamespace = current_schema()::regnamespace",
            [WEEKS_AHEAD],
        )


@app.periodic(cron="43 * * * *")
@app.task(name="forget_ended_sessions", queueing_lock="forget_ended_sessions")
def forget_ended_sessions(timestamp: int) -> None:
    Session.objects.filter(expire_date__lt=timezone.now()).delete()


@app.periodic(cron="23 3 * * *")
@app.task(name="forget_old_key_uses", queueing_lock="forget_old_key_uses")
def forget_old_key_uses(timestamp: int) -> None:
    """A caller that went away makes room for another: a key remembers a thousand."""
    forget_uses(before=timezone.now() - KEPT_FOR)


@app.periodic(cron="53 2 * * *")
@app.task(name="tidy_usage", queueing_lock="tidy_usage")
def tidy_old_usage(timestamp: int) -> None:
    """Old hours become days, old days months, and what the plan does not keep is forgotten."""
    tidy_usage()


@app.periodic(cron="28 3 * * *")
@app.task(name="forget_old_refusals", queueing_lock="forget_old_refusals")
def forget_old_refusals(timestamp: int) -> None:
    refusals.forget_refusals(before=timezone.now() - refusals.KEPT_FOR)


@app.periodic(cron="* * * * *")
@app.task(name="close_support_entries", queueing_lock="close_support_entries")
def close_support_entries(timestamp: int) -> None:
    close_ended_entries()


@app.periodic(cron="*/10 * * * *")
@app.task(name="purge_organizations", queueing_lock="purge_organizations", lock="purge_organizations")
def purge_organizations(timestamp: int) -> None:
    """Those whose days of undo are over, a few minutes at a time."""
    purge_deleted_organizations()


@app.periodic(cron="31 3 * * *")
@app.task(name="forget_exchanged", queueing_lock="forget_exchanged")
def forget_exchanged_tokens(timestamp: int) -> None:
    forget_exchanged()


@app.periodic(cron="33 3 * * *")
@app.task(name="forget_old_jobs", queueing_lock="forget_old_jobs", pass_context=True)
async def forget_old_jobs(context: JobContext, timestamp: int) -> None:
    """Jobs that succeeded are gone at once; those that failed are kept for three days, for whoever looks."""
    await remove_old_jobs(context, max_hours=72, remove_failed=True, remove_cancelled=True, remove_aborted=True)


@app.task(name=RESET_TASK, retry=RetryStrategy(max_attempts=4, exponential_wait=15, retry_exceptions=[MailServerDown]))
def mail_reset_link(email: str) -> None:
    send_reset_link(email=email)


@app.task(name=organizations.FOLLOW_TASK, retry=RetryStrategy(max_attempts=8, exponential_wait=15))
def follow_parent_plan(parent_id: int, former_plan: str) -> None:
    organizations.follow_parent_plan(parent_id=parent_id, former_plan=former_plan)


@app.task(
    name=WARNING_TASK, retry=RetryStrategy(max_attempts=8, exponential_wait=15, retry_exceptions=[MailServerDown])
)
def mail_key_warning(organization: int, person: int, days_by_key: dict[str, int]) -> None:
    mail_warning(organization_id=organization, person_id=person, days_by_key=days_by_key)


@app.periodic(cron="53 * * * *")
@app.task(name="forget_old_rates", queueing_lock="forget_old_rates")
def forget_old_rates(timestamp: int) -> None:
    RateCounter.objects.filter(at__lt=timezone.now() - RATES_KEPT_FOR).delete()


@app.task(
    name=HISTORY_TASK, retry=RetryStrategy(max_attempts=8, exponential_wait=15, retry_exceptions=[MailServerDown])
)
def mail_shorter_history(organization: int, person: int, resources: list[str], is_reminder: bool) -> None:
    mail_history_shortened(organization_id=organization, person_id=person, resources=resources, is_reminder=is_reminder)


@app.task(name=LIMIT_TASK, retry=RetryStrategy(max_attempts=8, exponential_wait=15, retry_exceptions=[MailServerDown]))
def mail_limit(organization: int, person: int, resource: str, used: int, limit: int) -> None:
    near = NearLimit(resource, used, limit)
    mail_limit_warning(organization_id=organization, person_id=person, near=near)


@app.task(name=LEAK_TASK, retry=RetryStrategy(max_attempts=8, exponential_wait=15, retry_exceptions=[MailServerDown]))
def mail_key_leak(organization: int | None, person: int, api_key: str, url: str) -> None:
    if organization is None:
        mail_platform_leak(person_id=person, api_key_id=api_key, url=url)
    else:
        mail_leak(organization_id=organization, person_id=person, api_key_id=api_key, url=url)


@app.task(
    name=SIGN_IN_TASK, retry=RetryStrategy(max_attempts=4, exponential_wait=15, retry_exceptions=[MailServerDown])
)
def mail_new_sign_in(person: int, device: str, address: str, at: str) -> None:
    mail_sign_in(person_id=person, device=device, address=address, at=at)
