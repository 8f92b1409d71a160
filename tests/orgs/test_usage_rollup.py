"""Old hours become days, old days months, and nothing is lost or counted twice on the way."""

import datetime

import pytest
from django.utils import timezone

from orgs import tasks
from orgs.models import UsageCount, UsageLevel
from orgs.plans import PLANS
from orgs.services.usage import rollup
from tests.factories import ApiKeyFactory, OrganizationFactory, UsageCountFactory, UsageLevelFactory

NOW = datetime.datetime(2026, 6, 20, 2, 53, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def it_is_night_in_june(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOW)


def at(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


def rows(organization):
    found = UsageCount.objects.filter(organization=organization).order_by("starts_at")
    return [(row.period, f"{row.starts_at:%m-%d %H}", row.api_requests) for row in found]


def tidy():
    tasks.tidy_old_usage(timestamp=0)


def test_hours_of_more_than_two_weeks_ago_become_days(acme):
    for hour in ("2026-06-05T22:00", "2026-06-05T23:00", "2026-06-06T00:00"):
        UsageCountFactory(organization=acme, starts_at=at(hour), api_requests=10)
    tidy()
    assert rows(acme) == [("day", "06-05 00", 20), ("hour", "06-06 00", 10)]


def test_days_of_more_than_a_hundred_days_ago_become_months_once_the_month_is_over(acme):
    for day in ("2026-02-01", "2026-02-28", "2026-03-01"):
        UsageCountFactory(organization=acme, starts_at=at(day), period="day", api_requests=10)
    tidy()
    assert rows(acme) == [("month", "02-01 00", 20), ("day", "03-01 00", 10)]


def test_a_late_hour_is_added_to_its_day(acme):
    UsageCountFactory(organization=acme, starts_at=at("2026-05-01"), period="day", api_requests=100)
    UsageCountFactory(organization=acme, starts_at=at("2026-05-01T07:00"), api_requests=1)
    tidy()
    tidy()
    assert rows(acme) == [("day", "05-01 00", 101)]


def test_a_very_old_hour_arrives_in_its_month(acme):
    UsageCountFactory(organization=acme, starts_at=at("2026-01-09T07:00"))
    tidy()
    assert rows(acme) == [("month", "01-01 00", 1)]


def test_keys_and_organizations_stay_apart(acme, globex):
    key = ApiKeyFactory(organization=acme).pk
    for hour in range(3):
        starts_at = at("2026-06-01") + datetime.timedelta(hours=hour)
        UsageCountFactory(organization=acme, starts_at=starts_at, runs_recorded=2)
        UsageCountFactory(organization=acme, starts_at=starts_at, api_key_id=key, events_ingested=5)
        UsageCountFactory(organization=globex, starts_at=starts_at, check_results=7)
    tidy()
    assert rows(globex) == [("day", "06-01 00", 3)]
    of_key = UsageCount.objects.get(organization=acme, api_key_id=key)
    assert (of_key.api_requests, of_key.runs_recorded, of_key.events_ingested) == (3, 0, 15)


def test_it_goes_in_batches(acme, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(rollup, "BATCH", 4)
    for hour in range(10):
        UsageCountFactory(organization=acme, starts_at=at("2026-06-01") + datetime.timedelta(hours=hour))
    tidy()
    assert rows(acme) == [("day", "06-01 00", 10)]


@pytest.mark.parametrize(("plan", "months"), [("free", 12), ("team", 24), ("business", 84)])
def test_the_plan_says_how_long_months_are_kept(db, plan, months):
    organization = OrganizationFactory(plan_name=plan)
    for year in range(2017, 2026):
        UsageCountFactory(organization=organization, starts_at=at(f"{year}-05-01"), period="month")
        UsageCountFactory(organization=organization, starts_at=at(f"{year}-06-01"), period="month")
        UsageLevelFactory(organization=organization, day=datetime.date(year, 5, 31))
        UsageLevelFactory(organization=organization, day=datetime.date(year, 6, 1))
    tidy()
    first = f"{2026 - months // 12}-06-01"
    assert str(UsageCount.objects.filter(organization=organization).earliest("starts_at").starts_at.date()) == first
    assert str(UsageLevel.objects.filter(organization=organization).earliest("day").day) == first


def test_every_plan_says_how_long():
    assert set(rollup.YEARS_KEPT) == set(PLANS)


def test_of_a_month_that_lies_back_the_last_level_stays(acme):
    for day in (datetime.date(2026, 1, 3), datetime.date(2026, 1, 30), datetime.date(2026, 2, 10)):
        UsageLevelFactory(organization=acme, day=day)
    for day in (1, 2):
        UsageLevelFactory(organization=acme, day=datetime.date(2026, 6, day))
    tidy()
    days = UsageLevel.objects.filter(organization=acme).order_by("day").values_list("day", flat=True)
    assert [f"{day:%m-%d}" for day in days] == ["01-30", "02-10", "06-01", "06-02"]
