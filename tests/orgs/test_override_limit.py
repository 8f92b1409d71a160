"""Operators agree on limits with one organization: with a reason, perhaps with an end."""

import datetime
from importlib import import_module
from io import StringIO
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone

from dataxpipe.problems import PlanLimitReached, ValidationFailed
from orgs import plans
from orgs.actors import Actor
from orgs.models import AuditEvent, Organization
from orgs.plans import LABELS, LIMITS, Override, limit_of, require_room
from orgs.services.overrides import NotOverridden, end_override, override_limit
from orgs.tenancy import tenant_scope

OPERATOR = Actor.system("operator")


def agree(organization, resource="pipelines", limit=10, reason="a pilot", **fields):
    override = Override(resource, limit, reason, **fields)
    return override_limit(organization=organization, override=override, actor=OPERATOR)


def in_days(days):
    return timezone.now() + datetime.timedelta(days=days)


def last_event(organization):
    with tenant_scope(organization):
        return AuditEvent.objects.order_by("-id").first()


def test_what_was_agreed_goes_before_the_plan_and_is_audited(free_org):
    free_org = agree(free_org, ends_at=datetime.datetime(2090, 1, 1, tzinfo=datetime.UTC))
    assert limit_of(free_org, "pipelines") == 10
    assert limit_of(free_org, "connections") == 2
    event = last_event(free_org)
    assert event.action == "organization.limit_overridden"
    assert event.before == {"resource": "pipelines", "limit": 3, "reason": "Free plan"}
    assert event.after == {
        "resource": "pipelines",
        "limit": 10,
        "reason": "a pilot",
        "ends_at": "2090-01-01T00:00:00+00:00",
    }


def test_with_its_end_the_limit_of_the_plan_is_back(free_org):
    free_org = agree(free_org, ends_at=in_days(1))
    kept = free_org.limit_overrides["pipelines"]
    free_org.limit_overrides = {"pipelines": {**kept, "ends_at": in_days(-1).isoformat()}}
    assert limit_of(free_org, "pipelines") == 3
    assert plans.overrides_of(free_org) == []


def test_unlimited_is_without_limit(free_org, monkeypatch):
    monkeypatch.setitem(plans._meters, "pipelines", lambda: 1_000)
    free_org = agree(free_org, limit=None)
    with tenant_scope(free_org):
        require_room("pipelines", adding=500)


def test_an_override_may_be_smaller_than_the_plan(acme, monkeypatch):
    monkeypatch.setitem(plans._meters, "pipelines", lambda: 5)
    acme = agree(acme, limit=5)
    with tenant_scope(acme), pytest.raises(PlanLimitReached, match="What was agreed with you allows 5 pipelines"):
        require_room("pipelines")


def test_a_second_agreement_takes_the_place_of_the_first(free_org):
    agree(free_org, limit=10)
    free_org = agree(free_org, limit=20, reason="more")
    assert limit_of(free_org, "pipelines") == 20
    assert last_event(free_org).before["limit"] == 10


def test_ended_early_the_limit_of_the_plan_is_back_and_audited(free_org):
    agree(free_org)
    agree(free_org, "connections", 7)
    free_org = end_override(organization=free_org, resource="pipelines", reason="over", actor=OPERATOR)
    assert (limit_of(free_org, "pipelines"), limit_of(free_org, "connections")) == (3, 7)
    event = last_event(free_org)
    assert event.action == "organization.limit_override_ended"
    assert (event.before["limit"], event.after["limit"], event.after["reason"]) == (10, 3, "over")


def test_what_was_not_agreed_cannot_be_ended(free_org):
    with pytest.raises(NotOverridden):
        end_override(organization=free_org, resource="pipelines", reason="over", actor=OPERATOR)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"resource": "colours"}, "/resource"),
        ({"limit": -1}, "/limit"),
        ({"limit": 10**15 + 1}, "/limit"),
        ({"resource": "requests_per_minute", "limit": None}, "/limit"),
        ({"reason": "  "}, "/reason"),
        ({"reason": "x" * 501}, "/reason"),
        ({"reason": "a\0b"}, "/reason"),
        ({"ends_at": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)}, "/ends_at"),
    ],
    ids=str,
)
def test_nonsense_is_refused_with_its_place(free_org, change, pointer):
    with pytest.raises(ValidationFailed) as refusal:
        agree(free_org, **change)
    assert [error.pointer for error in refusal.value.errors] == [pointer]
    assert Organization.objects.get(pk=free_org.pk).limit_overrides == {}


def test_the_api_shows_what_was_agreed(free_api, free_org):
    agree(free_org, ends_at=datetime.datetime(2090, 1, 1, tzinfo=datetime.UTC))
    body = free_api.get("/api/v1/organizations/me/limits?adding_pipelines=10").json()
    assert body["fits"] is True
    assert body["overrides"] == [
        {
            "resource": "pipelines",
            "limit": 10,
            "plan_limit": 3,
            "reason": "a pilot",
            "ends_at": "2090-01-01T00:00:00Z",
        }
    ]
    assert free_api.get("/api/v1/organizations/me").json()["limits"]["pipelines"] == 10


def test_members_see_what_was_agreed(vera_client, acme):
    assert "Agreed with you" not in vera_client.get("/o/acme/settings/billing/").content.decode()
    agree(acme, limit=40, reason="a <big> pilot", ends_at=in_days(20))
    page = vera_client.get("/o/acme/settings/billing/").content.decode()
    assert "Agreed with you" in page
    assert "a &lt;big&gt; pilot" in page


def command(*args):
    call_command("override_limit", *args, stdout=StringIO())


def test_the_command_agrees_and_ends(free_org):
    command("initech", "pipelines", "12", "--reason", "a pilot", "--until", "90d")
    override = plans.override_of(Organization.objects.get(), "pipelines")
    assert (override.limit, override.reason) == (12, "a pilot")
    assert datetime.timedelta(days=89) < override.ends_at - timezone.now() <= datetime.timedelta(days=90)
    command("initech", "connections", "unlimited", "--reason", "a pilot")
    assert plans.limit_of(Organization.objects.get(), "connections") is None
    command("initech", "pipelines", "plan", "--reason", "over")
    assert plans.limit_of(Organization.objects.get(), "pipelines") == 3


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nobody", "pipelines", "1", "--reason", "x"], "There is no organization nobody"),
        (["initech", "colours", "1", "--reason", "x"], "invalid choice"),
        (["initech", "pipelines", "many", "--reason", "x"], "many is no limit"),
        (["initech", "pipelines", "1"], "--reason"),
        (["initech", "pipelines", "1", "--reason", " "], "Say why"),
        (["initech", "pipelines", "1", "--reason", "x", "--until", "soon"], "soon is no time"),
        (["initech", "storage_bytes", "unlimited", "--reason", "x"], "needs a number"),
        (["initech", "pipelines", "plan", "--reason", "x"], "has no agreed limit"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_the_command_says_in_a_line_what_is_wrong(free_org, arguments, reason):
    with pytest.raises(CommandError, match=reason):
        command(*arguments)


def test_every_limit_has_a_label():
    assert set(LABELS) == set(LIMITS)


def test_numbers_of_earlier_versions_get_a_reason_and_can_go_back(free_org, acme):
    migration = import_module("orgs.migrations.0009_overrides_carry_reasons")
    editor = SimpleNamespace(connection=connection)
    Organization.objects.filter(pk=free_org.pk).update(limit_overrides={"pipelines": 9})
    migration.carry(apps, editor)
    assert limit_of(Organization.objects.get(pk=free_org.pk), "pipelines") == 9
    migration.carry_no_more(apps, editor)
    assert Organization.objects.get(pk=free_org.pk).limit_overrides == {"pipelines": 9}
    assert Organization.objects.get(pk=acme.pk).limit_overrides == {}
