import datetime

import pytest
from django.core import mail
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from orgs import due
from orgs.models import ApiKey, ApiKeyUse, Due
from orgs.services import key_warnings
from orgs.services.key_uses import Caller, record_use
from orgs.services.key_warnings import MailServerDown, mail_warning, mark_warnings, warn_of_ends
from orgs.tenancy import tenant_scope
from tests.conftest import _member, api_of
from tests.factories import ApiKeyFactory

DAY = datetime.timedelta(days=1)
START = datetime.datetime(2026, 3, 2, 6, tzinfo=datetime.UTC)


@pytest.fixture
def clock(monkeypatch):
    """What `timezone.now()` says, moved by the test."""
    moment = [START]
    monkeypatch.setattr(timezone, "now", lambda: moment[0])
    return moment


def make_key(organization, clock, lives, **fields):
    api_key = ApiKeyFactory(organization=organization, expires_at=clock[0] + lives, **fields)
    with tenant_scope(organization):
        mark_warnings(api_key)
    return api_key


def work(organization):
    """What the worker does once the mark is due: warn, then send."""
    marks = Due.objects.filter(kind=due.KEY_WARNINGS, due_at__lte=timezone.now())
    if not marks.delete()[0]:
        return
    with tenant_scope(organization):
        warn_of_ends()
    jobs = ProcrastinateJob.objects.filter(task_name=key_warnings.WARNING_TASK, status="todo")
    for job in jobs.order_by("id"):
        arguments = job.args
        ProcrastinateJob.objects.filter(pk=job.pk).update(status="doing")
        mail_warning(
            organization_id=arguments["organization"],
            person_id=arguments["person"],
            days_by_key=arguments["days_by_key"],
        )


def days_with_mails(organization, clock, days):
    found = []
    for day in range(days + 1):
        clock[0] = START + day * DAY
        before = len(mail.outbox)
        work(organization)
        found += [(day, message.subject) for message in mail.outbox[before:]]
    return found


def test_owners_and_admins_are_warned_at_14_3_and_1_days_and_as_the_key_ends(acme, alice, bob, vera, clock):
    _member(acme, "ada", "admin")
    make_key(acme, clock, 30 * DAY, name="airflow-prod")
    assert days_with_mails(acme, clock, 40) == [
        (day, f"The API key airflow-prod {when}")
        for day, when in [(16, "ends in 14 days"), (27, "ends in 3 days"), (29, "ends within a day"), (30, "has ended")]
        for _ in range(2)
    ]
    assert {recipient for message in mail.outbox for recipient in message.to} == {
        "alice@acme.example",
        "ada@acme.example",
    }
    assert not Due.objects.filter(kind=due.KEY_WARNINGS).exists()


def test_a_warning_names_who_still_uses_the_key_and_never_the_key(acme, alice, clock):
    api_key = make_key(acme, clock, 20 * DAY, name="airflow-prod")
    clock[0] = START + 5 * DAY
    for number in range(7):
        record_use(api_key=api_key, caller=Caller(producer=f"curl-{number}", ip_address="10.0.0.8"))
    clock[0] = START + 6 * DAY
    for pipeline in ("orders", "customers"):
        caller = Caller(namespace="prod", root_name=pipeline, producer="airflow/2.10", ip_address="10.0.0.7")
        record_use(api_key=api_key, caller=caller)
    work(acme)
    (message,) = mail.outbox
    html = message.alternatives[0].content
    for text in (message.body, html):
        assert "prod · 2 pipelines · airflow/2.10 · 10.0.0.7" in text
        assert "and 3 more" in text
        assert api_key.hint in text
        assert "/o/acme/settings/api-keys/" in text
        assert api_key.text not in text
        assert api_key.text[8:-4] not in text


def test_keys_that_end_together_come_in_one_mail(acme, alice, clock):
    for name in ("airflow", "dbt", "ci"):
        make_key(acme, clock, 20 * DAY, name=name)
    clock[0] = START + 6 * DAY
    work(acme)
    (message,) = mail.outbox
    assert message.subject == "3 API keys end"
    assert all(name in message.body for name in ("airflow", "dbt", "ci"))


def test_a_worker_that_was_away_sends_the_latest_warning_alone(acme, alice, clock):
    make_key(acme, clock, 30 * DAY)
    clock[0] = START + 29 * DAY
    work(acme)
    work(acme)
    assert [message.subject.partition(" ends ")[2] for message in mail.outbox] == ["within a day"]


@pytest.mark.parametrize("lives", [datetime.timedelta(minutes=15), datetime.timedelta(hours=23)], ids=str)
def test_keys_for_less_than_a_day_are_never_mailed_about(acme, alice, clock, lives):
    make_key(acme, clock, lives)
    assert not Due.objects.exists()
    assert days_with_mails(acme, clock, 2) == []


def test_keys_without_end_revoked_keys_and_other_organizations_are_left_alone(acme, globex, alice, gary, clock):
    ApiKeyFactory(organization=acme)
    make_key(acme, clock, 20 * DAY, revoked_at=START)
    make_key(acme, clock, 20 * DAY)
    days_with_mails(acme, clock, 21)
    assert {address for message in mail.outbox for address in message.to} == {"alice@acme.example"}
    assert len(mail.outbox) == 4


def test_a_key_revoked_before_the_mail_leaves_is_not_told_about(acme, alice, clock):
    api_key = make_key(acme, clock, 20 * DAY)
    days = {str(api_key.pk): 3}
    ApiKey.objects.update(revoked_at=START)
    mail_warning(organization_id=acme.pk, person_id=alice.pk, days_by_key=days)
    assert mail.outbox == []


def test_who_is_no_admin_any_more_gets_no_mail(acme, alice, bob, clock):
    days = {str(make_key(acme, clock, 20 * DAY).pk): 3}
    mail_warning(organization_id=acme.pk, person_id=bob.pk, days_by_key=days)
    assert mail.outbox == []


def test_a_mail_server_that_is_down_is_tried_again(acme, alice, clock, monkeypatch):
    days = {str(make_key(acme, clock, 20 * DAY).pk): 3}
    monkeypatch.setattr(key_warnings, "send_mail", lambda *args, **kwargs: False)
    with pytest.raises(MailServerDown):
        mail_warning(organization_id=acme.pk, person_id=alice.pk, days_by_key=days)
    task = app.tasks["mail_key_warning"]
    assert task.retry_strategy.max_attempts == 8


def rotate(acme, old, clock, **body):
    response = api_of(acme).post(f"/api/v1/api-keys/{old.pk}/rotate", body)
    assert response.status_code == 201
    return response.json()


def test_the_end_of_an_overlap_is_told_while_somebody_still_sends_the_old_key(acme, alice, clock):
    old = make_key(acme, clock, 365 * DAY, name="airflow")
    rotate(acme, old, clock, overlap_seconds=7 * 86400)
    ApiKey.objects.filter(pk=old.pk).update(last_used_at=START + DAY)
    ApiKey.objects.filter(successor=None).update(expires_at=None)
    told = days_with_mails(acme, clock, 8)
    assert [day for day, _ in told] == [4, 6, 7]
    assert "It was rotated, and the old key is still sent." in mail.outbox[0].body


def test_the_end_of_an_overlap_is_not_told_when_nobody_sends_the_old_key(acme, alice, clock):
    old = make_key(acme, clock, 365 * DAY)
    rotate(acme, old, clock, overlap_seconds=7 * 86400)
    ApiKey.objects.filter(successor=None).update(expires_at=None)
    assert days_with_mails(acme, clock, 8) == []


def test_an_overlap_that_was_ended_early_is_not_told(acme, alice, clock):
    old = make_key(acme, clock, 365 * DAY)
    rotate(acme, old, clock, overlap_seconds=86400)
    ApiKey.objects.filter(pk=old.pk).update(last_used_at=START + DAY / 2)
    ApiKey.objects.filter(successor=None).update(expires_at=None)
    assert api_of(acme).post(f"/api/v1/api-keys/{old.pk}/end-overlap").status_code == 200
    assert days_with_mails(acme, clock, 3) == []


def test_an_earlier_end_brings_the_mark_forward_and_a_later_one_leaves_it(acme, clock):
    for lives in (100, 30, 60):
        make_key(acme, clock, lives * DAY)
    assert Due.objects.get(kind=due.KEY_WARNINGS).due_at == START + 16 * DAY


def test_uses_of_others_are_not_named(acme, globex, alice, clock):
    api_key, theirs = make_key(acme, clock, 20 * DAY), ApiKeyFactory(organization=globex)
    record_use(api_key=theirs, caller=Caller(namespace="secret-of-globex", ip_address="10.0.0.9"))
    assert ApiKeyUse.objects.count() == 1
    mail_warning(organization_id=acme.pk, person_id=alice.pk, days_by_key={str(api_key.pk): 3, str(theirs.pk): 3})
    assert "globex" not in mail.outbox[0].body
    assert "Nobody used it" in mail.outbox[0].body


def test_a_names_line_break_stays_out_of_the_subject(acme, alice, clock):
    api_key = make_key(acme, clock, 20 * DAY, name="x\r\nBcc: eve@example.com")
    mail_warning(organization_id=acme.pk, person_id=alice.pk, days_by_key={str(api_key.pk): 3})
    assert mail.outbox[0].subject == "The API key x Bcc: eve@example.com ends in 3 days"
    assert mail.outbox[0].recipients() == ["alice@acme.example"]
