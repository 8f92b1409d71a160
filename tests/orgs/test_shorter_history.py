"""A history that becomes shorter hides at once; two mails and 30 days later it is deleted, unless it was undone."""

import datetime

import pytest
from django.core import mail
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from orgs.actors import Actor
from orgs.models import AuditEvent, Due, KeptHistory, Organization
from orgs.plans import Override, history_begins
from orgs.services import history
from orgs.services.organizations import change_plan, create_organization
from orgs.services.overrides import end_override, override_limit
from orgs.services.passwords import MailServerDown
from orgs.tenancy import tenant_scope

OPERATOR = Actor.system("operator")
DAY = datetime.timedelta(days=1)
START = datetime.datetime(2026, 3, 2, 6, tzinfo=datetime.UTC)
FIRST = "Acme keeps a shorter history now"
SECOND = "Acme: older history is deleted on 1 April 2026"


@pytest.fixture
def clock(monkeypatch):
    """What `timezone.now()` says, moved by the test."""
    moment = [START]
    monkeypatch.setattr(timezone, "now", lambda: moment[0])
    return moment


@pytest.fixture
def acme(acme, alice, bob, clock):
    """alice owns it, on Team for long enough that its history is known."""
    look(acme)
    return acme


def look(organization):
    """The worker's look and its mails."""
    organization = Organization.objects.get(pk=organization.pk)
    with tenant_scope(organization):
        history.review_history()
    for job in ProcrastinateJob.objects.filter(task_name=history.HISTORY_TASK, status="todo").order_by("id"):
        ProcrastinateJob.objects.filter(pk=job.pk).update(status="doing")
        history.mail_history_shortened(
            organization_id=job.args["organization"],
            person_id=job.args["person"],
            resources=job.args["resources"],
            is_reminder=job.args["is_reminder"],
        )


def look_daily(organization, clock, *, until):
    """Days from the start on which something happened: mails, or other days to keep."""
    found = []
    for day in range(until + 1):
        clock[0] = START + day * DAY
        mails, before = len(mail.outbox), kept(organization)
        look(organization)
        found += [(day, message.subject) for message in mail.outbox[mails:]]
        if kept(organization) != before:
            found.append((day, kept(organization)))
    return found


def kept(organization):
    with tenant_scope(Organization.objects.get(pk=organization.pk)):
        return tuple(KeptHistory.objects.order_by("-resource").values_list("days", flat=True))


def move(organization, plan_name):
    return change_plan(organization=organization, plan_name=plan_name, actor=OPERATOR)


def test_two_mails_and_30_days_later_what_is_hidden_is_deleted(acme, clock):
    assert kept(acme) == (180, 30)
    move(acme, "free")
    assert look_daily(acme, clock, until=90) == [(0, FIRST), (23, SECOND), (30, (30, 7))]
    assert {recipient for message in mail.outbox for recipient in message.to} == {"alice@acme.example"}


def test_the_mails_say_what_happens_when_and_how_to_undo_it(acme, clock):
    move(acme, "free")
    look_daily(acme, clock, until=23)
    for message in mail.outbox:
        assert "Runs and check results: 30 days instead of 180" in message.body
        assert "Raw OpenLineage events: 7 days instead of 30" in message.body
        assert "1 April 2026" in message.body
        assert "/o/acme/settings/billing/" in message.body


def test_it_hides_at_once(acme, clock, real_histories):
    with tenant_scope(acme):
        assert history_begins("run_history_days") == START - 180 * DAY
    acme = move(acme, "free")
    with tenant_scope(acme):
        assert history_begins("run_history_days") == START - 30 * DAY


def test_the_change_is_looked_at_at_once(acme):
    move(acme, "free")
    assert Due.objects.get(organization=acme, kind=history.REVIEW_HISTORY).due_at <= timezone.now()


def test_a_larger_plan_undoes_it(acme, clock):
    move(acme, "free")
    look_daily(acme, clock, until=25)
    move(acme, "team")
    assert look_daily(acme, clock, until=90) == []
    with tenant_scope(acme):
        assert history.shortenings() == []
    assert kept(acme) == (180, 30)


def test_undone_and_done_again_it_begins_anew(acme, clock):
    move(acme, "free")
    look_daily(acme, clock, until=25)
    for plan_name in ("team", "free"):
        move(acme, plan_name)
        look(acme)
    again = clock[0]
    with tenant_scope(acme):
        assert {row.deletes_at for row in history.shortenings()} == {again + 30 * DAY}


def test_a_second_shortening_begins_anew_and_a_part_taken_back_goes_on(acme, clock):
    move(acme, "business")
    look(acme)
    move(acme, "team")
    look(acme)
    clock[0] = START + 10 * DAY
    move(acme, "free")
    look(acme)
    clock[0] = START + 20 * DAY
    move(acme, "team")
    look(acme)
    with tenant_scope(acme):
        assert [(row.days, row.shortened_to, row.deletes_at) for row in history.shortenings()] == [
            (90, 30, START + 40 * DAY),
            (730, 180, START + 40 * DAY),
        ]
    assert len(mail.outbox) == 2


def test_a_longer_history_holds_at_once(acme, clock):
    move(acme, "business")
    look(acme)
    assert kept(acme) == (730, 90)
    assert mail.outbox == []


def test_a_worker_that_was_away_still_leaves_a_week_after_the_second_mail(acme, clock):
    move(acme, "free")
    look(acme)
    for day, expected in [(60, (180, 30)), (66, (180, 30)), (67, (30, 7))]:
        clock[0] = START + day * DAY
        look(acme)
        assert kept(acme) == expected
    assert len(mail.outbox) == 2


def test_an_agreed_history_that_ends_is_a_shortening_too(acme, clock):
    override = Override("run_history_days", 365, "a pilot", START + 10 * DAY)
    override_limit(organization=acme, override=override, actor=OPERATOR)
    look(acme)
    assert kept(acme) == (365, 30)
    assert look_daily(acme, clock, until=60) == [
        (10, FIRST),
        (33, "Acme: older history is deleted on 11 April 2026"),
        (40, (180, 30)),
    ]


def test_what_was_promised_is_noted_before_limits_change_for_the_first_time(globex, gary, clock):
    override_limit(organization=globex, override=Override("run_history_days", 10, "x"), actor=OPERATOR)
    assert kept(globex) == (180, 30)
    end_override(organization=globex, resource="run_history_days", reason="x", actor=OPERATOR)
    look(globex)
    assert mail.outbox == []


def test_the_day_it_takes_effect_is_audited(acme, clock):
    move(acme, "free")
    look_daily(acme, clock, until=31)
    with tenant_scope(acme):
        events = AuditEvent.objects.filter(action="organization.history_shortened").order_by("id")
        assert [(event.before, event.after) for event in events] == [
            ({"resource": "raw_event_days", "days": 30}, {"days": 7}),
            ({"resource": "run_history_days", "days": 180}, {"days": 30}),
        ]


def test_a_mail_server_that_is_down_loses_no_mail(acme, alice, clock, monkeypatch):
    move(acme, "free")
    monkeypatch.setattr(history, "send_mail", lambda *args, **kwargs: False)
    with pytest.raises(MailServerDown):
        look(acme)


def test_a_mail_about_what_was_undone_is_not_sent(acme, alice, clock):
    move(acme, "free")
    with tenant_scope(Organization.objects.get(pk=acme.pk)):
        history.review_history()
    move(acme, "team")
    look(acme)
    assert mail.outbox == []


def test_new_organizations_are_looked_at_daily(db):
    organization = create_organization(name="New", slug="brand-new", actor=OPERATOR)
    mark = Due.objects.get(organization=organization, kind=history.TRIM_HISTORY)
    assert DAY - timezone.timedelta(minutes=1) < mark.due_at - timezone.now() <= DAY


def test_the_api_and_the_page_tell_of_it(api, alice_client, acme, clock):
    assert api.get("/api/v1/organizations/me/limits").json()["shortenings"] == []
    move(acme, "free")
    look(acme)
    assert api.get("/api/v1/organizations/me/limits").json()["shortenings"] == [
        {"resource": "raw_event_days", "days": 7, "kept_days": 30, "deletes_at": "2026-04-01T06:00:00Z"},
        {"resource": "run_history_days", "days": 30, "kept_days": 180, "deletes_at": "2026-04-01T06:00:00Z"},
    ]
    page = alice_client.get("/o/acme/settings/billing/").content.decode()
    assert "Runs and check results are shown for 30 days instead of 180." in page


def test_an_organization_that_is_being_deleted_is_told_of_nothing_else(acme, clock):
    move(acme, "free")
    Organization.objects.filter(pk=acme.pk).update(status="deleting")
    assert look_daily(acme, clock, until=40) == []
