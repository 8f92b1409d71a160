"""The usage page: against the plan, over time, by key and pipeline, and what other plans would mean."""

import csv
import datetime
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.services import pipeline_shares
from orgs.models import NO_KEY
from orgs.views import usage
from tests.conftest import api_of, browser_of
from tests.factories import (
    ConnectionFactory,
    MembershipFactory,
    PipelineFactory,
    RunFactory,
    UsageCountFactory,
    UsageLevelFactory,
    UserFactory,
)

PAGE = "/o/acme/settings/usage/"
NOW = datetime.datetime(2026, 3, 15, 10, 30, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def it_is_half_past_ten_on_the_ides_of_march(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOW)


def ago(**span):
    return (NOW - datetime.timedelta(**span)).replace(minute=0)


def text_of(page):
    return " ".join(page.content.decode().split())


def test_counts_of_the_last_thirty_days_are_shown_in_all_and_by_key(alice_client, acme):
    airflow = api_of(acme, name="airflow").api_key
    UsageCountFactory(organization=acme, starts_at=ago(hours=3), api_key_id=airflow.pk, api_requests=3_000)
    UsageCountFactory(organization=acme, starts_at=ago(days=20), period="day", api_requests=1_000, runs_recorded=7)
    UsageCountFactory(organization=acme, starts_at=ago(days=31), period="day", api_requests=500)
    page = alice_client.get(PAGE)
    panels = {panel.label: panel for panel in page.context["count_panels"]}
    assert (panels["API requests"].total, panels["Runs recorded"].total) == (4_000, 7)
    rows = page.context["keys"]
    assert [(row["id"], row["counts"][0]["percent"]) for row in rows] == [(str(airflow.pk), "75 %"), ("none", "25 %")]
    assert "airflow" in text_of(page)
    assert "Without a key" in text_of(page)


@pytest.mark.parametrize(
    ("period", "intervals"), [("24h", 24), ("7d", 168), ("30d", 30), ("90d", 90), ("12m", 12), ("ages", 30)]
)
def test_the_time_is_chosen_in_the_address(alice_client, period, intervals):
    page = alice_client.get(f"{PAGE}?period={period}")
    assert page.status_code == 200
    assert len(page.context["rows"]) == intervals


def test_a_key_is_set_apart(alice_client, acme):
    airflow = api_of(acme, name="airflow").api_key
    UsageCountFactory(organization=acme, starts_at=ago(hours=3), api_key_id=airflow.pk, api_requests=30)
    UsageCountFactory(organization=acme, starts_at=ago(hours=3), api_requests=12)
    page = alice_client.get(f"{PAGE}?key={airflow.pk}")
    assert page.context["count_panels"][0].part == 30
    assert "42, 30 of it by the chosen key" in text_of(page)
    assert alice_client.get(f"{PAGE}?key=none").context["count_panels"][0].part == 12


def test_another_organizations_key_is_as_none(alice_client, acme, globex):
    theirs = api_of(globex).api_key
    UsageCountFactory(organization=globex, starts_at=ago(hours=3), api_key_id=theirs.pk)
    page = alice_client.get(f"{PAGE}?key={theirs.pk}")
    assert "chosen_id" not in page.context
    assert page.context["is_empty"]


def test_levels_stand_against_the_limits_with_the_day_these_are_reached(alice_client, acme):
    for days in range(1, 11):
        UsageLevelFactory(organization=acme, day=ago(days=days).date(), pipelines=20 - days, connections=0)
    PipelineFactory.create_batch(20, organization=acme)
    page = alice_client.get(PAGE)
    pipelines, connections, storage = page.context["level_panels"]
    assert (pipelines.used, pipelines.limit, pipelines.state) == (20, 25, "late")
    assert pipelines.reached_on == datetime.date(2026, 3, 21)
    assert connections.reached_on is None
    assert "At this pace the limit is reached around 21 Mar 2026." in text_of(page)
    assert 'class="limit"' in pipelines.chart
    assert 'class="ahead"' in pipelines.chart
    assert storage.limit_text == "20 GB"


def test_a_limit_that_is_reached_is_told(alice_client, acme):
    ConnectionFactory.create_batch(10, organization=acme)
    page = alice_client.get(PAGE)
    assert page.context["level_panels"][1].state == "failing"
    assert "The limit is reached." in text_of(page)


def test_runs_are_shared_out_over_pipelines(alice_client, acme):
    for name, count in (("orders", 3), ("refunds", 1)):
        pipeline = PipelineFactory(organization=acme, name=name)
        RunFactory.create_batch(count, organization=acme, pipeline=pipeline, occurred_at=ago(days=2))
    RunFactory(organization=acme, pipeline=pipeline, occurred_at=ago(days=40))
    deleted = PipelineFactory(organization=acme, name="gone", deleted_at=NOW)
    RunFactory(organization=acme, pipeline=deleted, occurred_at=ago(days=2))
    shares = alice_client.get(PAGE).context["shares"]
    assert [(share.label, share.runs) for share in shares.top] == [("orders", 3), ("refunds", 1)]
    assert (shares.total, shares.is_cut) == (4, False)


def test_shares_look_at_the_newest_runs_only_and_say_so(alice_client, acme, monkeypatch):
    monkeypatch.setattr(pipeline_shares, "LOOKED_AT", 2)
    for name, days in (("orders", 1), ("refunds", 2), ("old", 3)):
        pipeline = PipelineFactory(organization=acme, name=name)
        RunFactory(organization=acme, pipeline=pipeline, occurred_at=ago(days=days))
    page = alice_client.get(PAGE)
    assert [share.label for share in page.context["shares"].top] == ["orders", "refunds"]
    assert "of the last 2 runs" in text_of(page)


def test_other_plans_say_what_would_not_fit(alice_client, acme):
    PipelineFactory.create_batch(5, organization=acme)
    UsageCountFactory(organization=acme, starts_at=ago(hours=3), api_requests=60_000, report_requests=48_000)
    UsageCountFactory(organization=acme, starts_at=ago(hours=3), api_key_id=ago_key(acme), events_ingested=66_000)
    free, team, business = alice_client.get(PAGE).context["plans"]
    assert free.excess == [
        "2 pipelines too many",
        "200 requests a minute in the busiest hour, 100 allowed",
        "1,100 events a minute in the busiest hour, 1,000 allowed",
    ]
    assert (team.fits, team.is_current) == (True, True)
    assert (business.fits, business.is_current) == (True, False)


def test_one_too_many_is_one(alice_client, acme):
    PipelineFactory.create_batch(4, organization=acme)
    free, *_ = alice_client.get(PAGE).context["plans"]
    assert free.excess == ["1 pipeline too many"]


def test_a_key_without_a_share_has_none_told(alice_client, acme):
    UsageCountFactory(organization=acme, starts_at=ago(hours=3), api_key_id=ago_key(acme), api_requests=10)
    assert "None" not in text_of(alice_client.get(PAGE))


def ago_key(organization):
    return api_of(organization).api_key.pk


def test_without_use_the_page_says_how_to_ask_for_it(alice_client):
    text = text_of(alice_client.get(PAGE))
    assert "Nothing was used in this time" in text
    assert "It is too early to foretell when the limit will be reached." in text
    assert "/api/v1/organizations/me/usage?interval=hour" in text
    assert "No pipeline ran in this time." in text


def test_the_table_tells_what_the_charts_do(alice_client, acme):
    UsageCountFactory(organization=acme, starts_at=ago(days=1), events_ingested=1_234)
    UsageLevelFactory(organization=acme, day=ago(days=1).date(), storage_bytes=1_500_000)
    rows = {row["label"]: row for row in alice_client.get(PAGE).context["rows"]}
    assert rows["14 Mar"]["counts"] == [1, 0, 1_234, 0]
    assert rows["14 Mar"]["storage_bytes"] == 1_500_000
    assert "1,234" in text_of(alice_client.get(PAGE))


def test_only_the_busiest_keys_are_listed(alice_client, acme, monkeypatch):
    monkeypatch.setattr(usage, "SHOWN_KEYS", 2)
    for requests in (1, 5, 3):
        key = api_of(acme, name=f"key of {requests}").api_key.pk
        UsageCountFactory(organization=acme, starts_at=ago(hours=3), api_key_id=key, api_requests=requests)
    page = alice_client.get(PAGE)
    assert [row["sender"].name for row in page.context["keys"]] == ["key of 5", "key of 3"]
    assert "And 1 more, which the CSV holds." in text_of(page)


def test_names_of_keys_are_inert(alice_client, acme):
    key = api_of(acme, name="<script>alert(1)</script>").api_key
    UsageCountFactory(organization=acme, starts_at=ago(hours=3), api_key_id=key.pk)
    assert "<script>alert" not in alice_client.get(f"{PAGE}?key={key.pk}").content.decode()


def test_it_takes_the_same_queries_for_one_row_and_for_fifty(alice_client, acme):
    key = api_of(acme).api_key.pk
    UsageCountFactory(organization=acme, starts_at=ago(hours=0), api_key_id=key)
    alice_client.get(PAGE)
    # session, person, memberships, the scope; counts, the level before and those within, keys, pipelines, connections,
    # the busiest hours, levels of the last month, shares; counts of the navigation
    with CaptureQueriesContext(connection) as few:
        alice_client.get(PAGE)
    for number in range(1, 50):
        UsageCountFactory(organization=acme, starts_at=ago(hours=number), api_key_id=key)
        UsageLevelFactory(organization=acme, day=ago(days=number).date())
    with CaptureQueriesContext(connection) as many:
        alice_client.get(PAGE)
    assert len(many) == len(few)


def test_the_download_holds_what_the_page_shows(alice_client, acme):
    key = api_of(acme, name="=airflow()").api_key
    UsageCountFactory(organization=acme, starts_at=ago(hours=3), api_key_id=key.pk, api_requests=30)
    UsageCountFactory(organization=acme, starts_at=ago(hours=3), api_key_id=NO_KEY, api_requests=2)
    UsageLevelFactory(organization=acme, day=NOW.date(), pipelines=4)
    response = alice_client.get(f"{PAGE}usage.csv?period=24h")
    assert response["Content-Disposition"] == 'attachment; filename="usage-acme-24h.csv"'
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    found = {row["key"]: row for row in rows if row["start"] == "2026-03-15T07:00:00Z"}
    assert {name: row["api_requests"] for name, row in found.items()} == {
        "all": "32", "'=airflow()": "30", "Without a key": "2",
    }  # fmt: skip
    assert found["all"]["pipelines"] == "4"
    assert sum(row["key"] == "all" for row in rows) == 24


def test_only_admins_open_it(acme, vera_client, bob_client):
    admin = UserFactory()
    MembershipFactory(organization=acme, user=admin, role="admin")
    assert browser_of(admin).get(PAGE).status_code == 200
    assert [client.get(PAGE).status_code for client in (vera_client, bob_client)] == [403, 403]
