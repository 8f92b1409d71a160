import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from tests.factories import CheckFactory, DatasetFactory
from tests.factories.browsed import HOSTILE, make_full_pipeline, make_pipeline, make_run

URL, SEARCH = "/o/acme/", "/o/acme/search/"


def test_an_empty_organization_is_shown_the_start(alice_client):
    text = alice_client.get(URL).content.decode()
    assert "No pipelines yet" in text
    assert "/o/acme/start/" in text


def test_what_fails_or_is_late_stands_first_with_its_owner(alice_client, acme):
    past = timezone.now() - datetime.timedelta(hours=1)
    make_pipeline(acme, "fine", health="healthy")
    make_pipeline(acme, "late", health="healthy", late_after=past, next_expected_at=past)
    make_pipeline(acme, "broken", health="failing", health_since=past, owner="finance-data")
    page = alice_client.get(URL)
    assert [row.pipeline.name for row in page.context["worst"]] == ["broken", "late"]
    assert page.context["counts"] == {"failing": 1, "late": 1, "healthy": 1}
    assert "finance-data" in page.content.decode()


def test_the_last_day_counts_runs_by_hour_and_status(alice_client, acme):
    pipeline = make_pipeline(acme, "orders_sync")
    for minutes, status in ((1, "failed"), (2, "success"), (60 * 30, "success")):
        make_run(acme, pipeline, status, minutes_ago=minutes)
    make_run(acme, make_pipeline(acme, "gone", deleted_at=timezone.now()), "failed", minutes_ago=3)
    hours = alice_client.get(URL).context["hours"]
    assert hours["totals"] == {"failed": 1, "success": 1}
    assert len(hours["hours"]) == 24


def test_failing_checks_and_usage_are_told(alice_client, acme):
    CheckFactory(organization=acme, check_id="not_null", failing_since=timezone.now())
    text = alice_client.get(URL).content.decode()
    assert "not_null" in text
    assert all(words in text for words in ("1 of 25", "0 of 10", "0 B of 20 GB"))


@pytest.mark.parametrize("count", [1, 50])
def test_the_overview_takes_as_many_queries_for_one_pipeline_as_for_fifty(alice_client, acme, count):
    # 1-6 session, person, memberships, the scope  7 health  8 the worst  9 recent runs  10-11 lineage version, links
    # 12 runs by hour  13 failing checks  14 versions  15 discovered  16 connections  17-18 numbers in the navigation
    # 19 keys whose creator left  20-21 the end of the scope
    for number in range(count):
        pipeline = make_full_pipeline(acme, f"pipeline_{number:02}")
        make_pipeline(acme, f"broken_{number:02}", health="failing")
        CheckFactory(organization=acme, pipeline=pipeline, failing_since=timezone.now())
    alice_client.get(URL)
    with CaptureQueriesContext(connection) as queries:
        alice_client.get(URL)
    assert len(queries) == 21, [query["sql"][:100] for query in queries]


def test_one_search_finds_pipelines_datasets_owners_and_runs(alice_client, acme):
    pipeline = make_pipeline(acme, "orders_sync", owner="Orders Team")
    DatasetFactory(organization=acme, name="analytics.orders")
    run = make_run(acme, pipeline, run_id="orders")
    found = alice_client.get(f"{SEARCH}?q=orders").context
    assert [row.name for row in found["pipelines"]] == ["orders_sync"]
    assert [row.name for row in found["datasets"]] == ["analytics.orders"]
    assert found["owners"] == [("Orders Team", 1)]
    assert found["runs"] == [run]
    assert alice_client.get(f"{SEARCH}?q={run.pk}").context["runs"] == [run]


def test_a_search_for_nothing_leads_to_the_pipelines(alice_client):
    assert alice_client.get(f"{SEARCH}?q=%20")["Location"] == "/o/acme/pipelines/"
    assert "Nothing is called that" in alice_client.get(f"{SEARCH}?q=zzz").content.decode()


def test_hostile_text_stays_text(alice_client, acme):
    make_pipeline(acme, HOSTILE, owner=HOSTILE, health="failing", health_reason=HOSTILE)
    CheckFactory(organization=acme, check_id=HOSTILE, failing_since=timezone.now())
    for address in (URL, f"{SEARCH}?q=%3Cscript%3Ealert"):
        assert "<script>alert" not in alice_client.get(address).content.decode()


@pytest.mark.parametrize("place", ["", "pipelines/", "runs/", "datasets/", "lineage/", "checks/", "connections/"])
def test_every_entry_of_the_navigation_leads_somewhere_and_knows_where_it_is(alice_client, place):
    response = alice_client.get(f"{URL}{place}")
    text = response.content.decode()
    assert response.status_code == 200
    side = text[text.index('aria-label="Main"') :]
    assert side.index(f'href="/o/acme/{place}" aria-current="page"') > 0


@pytest.mark.parametrize(
    ("failing", "sentence"),
    [
        (1, "1 of 1 pipeline needs attention, 1 of them fails now."),
        (2, "2 of 2 pipelines need attention, 2 of them fail now."),
    ],
)
def test_the_sentence_counts(alice_client, acme, failing, sentence):
    for number in range(failing):
        make_pipeline(acme, f"broken_{number}", health="failing", health_since=timezone.now())
    assert sentence in strip_tags(alice_client.get(URL).content.decode())


def test_only_those_who_may_register_are_led_there(vera_client, bob_client):
    assert "Register pipeline" in bob_client.get("/o/acme/").content.decode()
    assert "Register pipeline" not in vera_client.get("/o/acme/").content.decode()


def test_every_member_finds_the_plan_under_its_name(vera_client):
    assert 'href="/o/acme/settings/billing/">Team plan</a>' in vera_client.get("/o/acme/").content.decode()
