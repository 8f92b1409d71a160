import csv
import datetime
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories.browsed import HOSTILE, make_flow, make_full_pipeline, make_pipeline, make_run

URL = "/o/acme/pipelines/"


def names(response):
    assert response.status_code == 200, response.content
    return [row.pipeline.name for row in response.context["rows"]]


@pytest.fixture
def shop(acme):
    make_pipeline(acme, "orders_sync", tags=["pii", "tier-1"], owner="commerce", health="failing")
    make_pipeline(acme, "fx_rates", tags=["finance"], owner="finance", environment="staging", health="healthy")
    make_pipeline(acme, "revenue", tags=["finance", "tier-1"], owner="finance", namespace="eu", health="at_risk")


def test_what_needs_attention_comes_first(alice_client, shop):
    assert names(alice_client.get(URL)) == ["orders_sync", "revenue", "fx_rates"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=ORDERS_S", ["orders_sync"]),
        ("tag=tier-1", ["orders_sync", "revenue"]),
        ("tag=tier-1&tag=finance", ["revenue"]),
        ("owner=finance", ["revenue", "fx_rates"]),
        ("environment=staging", ["fx_rates"]),
        ("namespace=eu", ["revenue"]),
        ("health=failing&health=at_risk", ["orders_sync", "revenue"]),
        ("health=nonsense&sort=nonsense&limit=0&cursor=forged&unknown=1", ["orders_sync", "revenue", "fx_rates"]),
        ("sort=name", ["fx_rates", "orders_sync", "revenue"]),
        ("sort=-name", ["revenue", "orders_sync", "fx_rates"]),
        ("q=%00", ["orders_sync", "revenue", "fx_rates"]),
        ("q=nothing", []),
    ],
)
def test_every_filter_lives_in_the_url(alice_client, shop, query, expected):
    assert names(alice_client.get(f"{URL}?{query}")) == expected


def test_the_status_of_the_last_run_is_a_filter(alice_client, acme):
    make_pipeline(acme, "broken", last_run_status="failed")
    make_pipeline(acme, "fine", last_run_status="success")
    assert names(alice_client.get(f"{URL}?status=failed")) == ["broken"]


def test_a_late_pipeline_says_when_it_was_due(alice_client, acme):
    past = timezone.now() - datetime.timedelta(hours=1)
    make_pipeline(acme, "web_sessions", health="healthy", next_expected_at=past, late_after=past)
    page = alice_client.get(f"{URL}?health=late")
    assert names(page) == ["web_sessions"]
    assert "was due" in page.content.decode()


def test_menus_count_and_applied_filters_can_be_removed(alice_client, shop):
    page = alice_client.get(f"{URL}?owner=finance&tag=finance")
    menus = {menu.name: menu for menu in page.context["facets"].menus()}
    assert [(choice.value, choice.count) for choice in menus["tag"].choices] == [
        ("finance", 2), ("tier-1", 2), ("pii", 1),
    ]  # fmt: skip
    assert menus["owner"].applied[0].href == "?tag=finance"
    assert "Remove filter Owner: finance" in page.content.decode()


def test_the_strip_counts_all_health_and_links_to_each(alice_client, shop):
    text = alice_client.get(f"{URL}?tag=finance").content.decode()
    assert 'href="?tag=finance&amp;health=failing"' in text


def test_a_row_shows_its_last_runs_and_how_many_pipelines_stand_behind_it(alice_client, acme):
    first, *_ = make_flow(acme, "one", "two", "three")
    for minutes in range(20):
        make_run(acme, first, "failed" if minutes == 0 else "success", minutes_ago=minutes * 10 + 1)
    row = next(row for row in alice_client.get(URL).context["rows"] if row.pipeline.name == "one")
    assert len(row.marks) == 14
    assert [mark.status for mark in row.marks[-2:]] == ["success", "failed"]
    assert row.downstream_count == 2


def test_step_runs_are_no_bars(alice_client, acme):
    from tests.factories import StepFactory

    pipeline = make_pipeline(acme, "orders_sync")
    make_run(acme, pipeline, step=StepFactory(organization=acme, pipeline=pipeline))
    assert alice_client.get(URL).context["rows"][0].marks == []


def test_pages_follow_each_other_without_gap_or_repetition(alice_client, acme):
    for number in range(60):
        make_pipeline(acme, f"pipeline_{number:02}")
    first = alice_client.get(URL)
    second = alice_client.get(first.context["page"].next)
    assert len(names(first)) == 50
    assert sorted(names(first) + names(second)) == [f"pipeline_{number:02}" for number in range(60)]
    assert names(alice_client.get(second.context["page"].previous)) == names(first)


def test_archived_pipelines_have_a_view_of_their_own(alice_client, acme):
    make_pipeline(acme, "kept")
    make_pipeline(acme, "gone", archived_at=timezone.now())
    assert names(alice_client.get(URL)) == ["kept"]
    assert names(alice_client.get(f"{URL}?archived=true")) == ["gone"]


def test_an_empty_organization_learns_the_first_step(alice_client):
    text = alice_client.get(URL).content.decode()
    assert "No pipelines yet" in text
    assert "/api/v1/pipelines/" in text
    assert "/o/acme/start/" in text


def test_what_matches_nothing_offers_to_clear_the_filters(alice_client, shop):
    text = alice_client.get(f"{URL}?q=zzz").content.decode()
    assert "Nothing matches" in text
    assert "Clear all filters" in text


def test_htmx_gets_the_fragment_and_everybody_else_the_page(alice_client, shop):
    part = alice_client.get(URL, headers={"HX-Request": "true"})
    assert "<html" not in part.content.decode()
    assert 'id="found"' in part.content.decode()
    assert "HX-Request" in part["Vary"]
    restored = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert "<html" in alice_client.get(URL, headers=restored).content.decode()


def test_the_list_comes_as_csv_in_which_nothing_is_a_formula(alice_client, acme):
    make_pipeline(acme, "=cmd|' /C calc'!A0", description="@SUM(1)", owner="+1", tags=["pii"])
    make_pipeline(acme, "other", owner="finance")
    response = alice_client.get(f"{URL}?format=csv&tag=pii")
    assert "attachment" in response["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert [row["name"] for row in rows] == ["'=cmd|' /C calc'!A0"]
    assert rows[0]["description"] == "'@SUM(1)"
    assert rows[0]["owner"] == "'+1"


def test_hostile_names_stay_text(alice_client, acme):
    make_pipeline(acme, HOSTILE, description=HOSTILE, owner=HOSTILE, namespace=HOSTILE, environment=HOSTILE)
    make_run(acme, make_pipeline(acme, "run", owner="x"), run_id=HOSTILE)
    text = alice_client.get(f"{URL}?q=script").content.decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_another_organizations_pipelines_are_not_there(gary_client, alice_client, shop, globex):
    make_pipeline(globex, "theirs")
    assert "theirs" not in alice_client.get(URL).content.decode()
    assert names(gary_client.get("/o/globex/pipelines/")) == ["theirs"]
    assert gary_client.get(URL).status_code == 404


def test_a_pipeline_can_be_linked_to_by_its_name(alice_client, acme):
    pipeline = make_pipeline(acme, "orders/sync", namespace="airflow")
    response = alice_client.get(f"{URL}by-name/?namespace=airflow&name=orders/sync")
    assert response["Location"] == f"/o/acme/pipelines/{pipeline.pk}/"
    assert alice_client.get(f"{URL}by-name/?name=unknown").status_code == 404


@pytest.mark.parametrize("count", [1, 50])
def test_the_page_takes_as_many_queries_for_one_row_as_for_fifty(alice_client, acme, count):
    # 1-3 session, person, memberships  4-6 the scope (savepoint, outer settings, binding)
    # 7 facets by value  8 tags  9 the page  10 archived  11 recent runs  12 lineage version  13 links, kept by version
    # 14 matches of the filter  15 discovered  16-17 numbers in the navigation  18-19 the end of the scope
    for number in range(count):
        make_full_pipeline(acme, f"pipeline_{number:02}")
    alice_client.get(URL)
    with CaptureQueriesContext(connection) as queries:
        response = alice_client.get(f"{URL}?tag=pii")
    assert len(names(response)) == count
    assert len(queries) == 19, [query["sql"][:100] for query in queries]
