"""Owners and admins hear in time that a limit is near: by mail once a month, and on every page."""

import datetime

import pytest
from django.core import mail
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from orgs import tasks
from orgs.actors import Actor
from orgs.models import Organization
from orgs.services.organizations import change_plan
from orgs.services.usage.levels import measure_usage
from orgs.services.usage.warnings import NearLimit, near_limits, note_levels
from orgs.tenancy import tenant_scope
from tests.conftest import browser_of
from tests.factories import MembershipFactory, PipelineFactory, UserFactory


def levels(**changed):
    return {"pipelines": 0, "connections": 0, "storage_bytes": 0, **changed}


def note(organization, **changed):
    with tenant_scope(organization):
        note_levels(levels(**changed))


def jobs():
    return ProcrastinateJob.objects.filter(task_name="mail_limit_warning")


def sent():
    """What the worker mails for the jobs there are: to whom, and the subject."""
    mail.outbox.clear()
    for job in jobs().order_by("id"):
        tasks.mail_limit(**job.args)
    jobs().delete()
    return [(message.to[0], message.subject) for message in mail.outbox]


def in_month(monkeypatch, month):
    moment = datetime.datetime(2026, month, 10, tzinfo=datetime.UTC)
    monkeypatch.setattr(timezone, "now", lambda: moment)


def test_owners_and_admins_get_a_mail_at_80_percent(acme, alice, bob, vera):
    admin = UserFactory(email="admin@acme.example")
    MembershipFactory(organization=acme, user=admin, role="admin")
    note(acme, pipelines=20)
    subject = "Acme uses 20 of 25 pipelines"
    assert sent() == [("alice@acme.example", subject), ("admin@acme.example", subject)]
    body = mail.outbox[0].body
    assert "(80 %)" in body
    assert "New pipelines are refused once they are used up; what exists goes on." in body
    assert "/o/acme/settings/usage/" in body
    assert "/o/acme/settings/billing/" in body


def test_and_another_one_when_the_limit_is_reached(acme, alice):
    note(acme, pipelines=20)
    sent()
    note(acme, pipelines=25)
    assert sent() == [("alice@acme.example", "Acme uses 25 of 25 pipelines")]
    assert "New pipelines are refused; what exists goes on." in mail.outbox[0].body


def test_below_80_percent_nobody_is_told(acme, alice):
    note(acme, pipelines=19, connections=7, storage_bytes=15_000_000_000)
    assert sent() == []


def test_whoever_reaches_the_limit_at_once_gets_one_mail(acme, alice):
    note(acme, connections=10)
    assert sent() == [("alice@acme.example", "Acme uses 10 of 10 connections")]
    note(acme, connections=9)
    assert sent() == []


def test_a_crossing_is_told_once_a_month(acme, alice, monkeypatch):
    in_month(monkeypatch, 3)
    for used in (20, 19, 20, 19):
        note(acme, pipelines=used)
    assert len(sent()) == 1
    in_month(monkeypatch, 4)
    note(acme, pipelines=19)
    assert sent() == []
    note(acme, pipelines=21)
    assert len(sent()) == 1


def test_staying_above_in_the_next_month_is_no_crossing(acme, alice, monkeypatch):
    in_month(monkeypatch, 3)
    note(acme, pipelines=20)
    assert len(sent()) == 1
    in_month(monkeypatch, 4)
    note(acme, pipelines=21)
    assert sent() == []


def test_storage_is_told_in_bytes_that_people_read(acme, alice):
    note(acme, storage_bytes=16_400_000_000)
    assert sent() == [("alice@acme.example", "Acme uses 16.4 GB of 20 GB storage")]
    assert "Storage is fair use: nothing is refused for it." in mail.outbox[0].body


def test_without_a_limit_there_is_nothing_to_tell(acme, alice):
    acme.plan_name = "business"
    acme.save()
    note(acme, pipelines=1_000)
    assert sent() == []


def test_who_is_no_admin_any_more_when_the_mail_leaves_is_left_out(acme, alice):
    note(acme, pipelines=20)
    acme.memberships.update(role="viewer")
    assert sent() == []


def test_a_line_break_in_a_name_does_not_get_into_the_subject(acme, alice):
    acme.name = "Acme\nBcc: somebody"
    acme.save()
    note(acme, pipelines=20)
    assert sent()[0][1] == "Acme Bcc: somebody uses 20 of 25 pipelines"


def test_what_is_measured_is_warned_of(free_org):
    PipelineFactory.create_batch(3, organization=free_org)
    MembershipFactory(organization=free_org, user=UserFactory(email="owner@initech.example"))
    with tenant_scope(free_org):
        measure_usage()
    assert sent() == [("owner@initech.example", "Initech uses 3 of 3 pipelines")]


# The banner


def page(user):
    return browser_of(user).get("/o/acme/pipelines/").content.decode()


def test_admins_see_80_percent_and_everybody_the_limit(acme, alice, vera):
    note(acme, pipelines=20)
    assert "20 of 25 pipelines are in use." in page(alice)
    assert "are in use." not in page(vera)
    note(acme, pipelines=25)
    assert "25 of 25 pipelines are in use." in page(vera)


def test_a_new_plan_works_on_the_banner_at_once(acme, alice):
    note(acme, pipelines=25)
    with tenant_scope(acme):
        change_plan(organization=acme, plan_name="business", actor=Actor.system("operator"))
    assert "are in use." not in page(alice)


def test_the_banner_asks_the_database_nothing(acme, django_assert_num_queries):
    note(acme, pipelines=25)
    organization = Organization.objects.get(pk=acme.pk)
    with django_assert_num_queries(0):
        assert near_limits(organization) == [NearLimit("pipelines", 25, 25)]


@pytest.mark.parametrize(
    ("used", "limit", "percent", "threshold"),
    [(20, 25, 80, 80), (24, 25, 96, 80), (25, 25, 100, 100), (30, 3, 1000, 100)],
)
def test_percent_and_threshold(used, limit, percent, threshold):
    near = NearLimit("pipelines", used, limit)
    assert (near.percent, near.threshold) == (percent, threshold)


def test_a_limit_of_nothing_is_reached_by_anything(acme):
    acme.limit_overrides = {"connections": {"limit": 0, "reason": "agreed", "ends_at": None}}
    assert near_limits(acme, levels(connections=1)) == [NearLimit("connections", 1, 0)]
    assert near_limits(acme, levels()) == []
