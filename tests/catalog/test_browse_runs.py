import datetime
import gzip

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from catalog.views.run_steps import timeline
from orgs.models import Organization
from orgs.tenancy import tenant_scope
from tests.factories import CheckFactory, CheckResultFactory, StepFactory
from tests.factories.browsed import HOSTILE, make_flow, make_pipeline, make_run
from tests.factories.rows import EventInboxFactory, FacetFactory, FacetUseFactory

LIST = "/o/acme/runs/"


def url_of(run):
    return f"{LIST}{run.pk}/"


@pytest.fixture
def pipeline(acme):
    return make_pipeline(acme, "orders_sync")


def test_runs_are_listed_newest_first_without_steps(alice_client, acme, pipeline):
    make_run(acme, pipeline, run_id="older", minutes_ago=20)
    make_run(acme, pipeline, "failed", run_id="newer", minutes_ago=10)
    make_run(acme, pipeline, run_id="a step", step=StepFactory(organization=acme, pipeline=pipeline))
    assert [row["run_id"] for row in alice_client.get(LIST).context["page"].rows] == ["newer", "older"]
    assert [row["run_id"] for row in alice_client.get(f"{LIST}?status=failed").context["page"].rows] == ["newer"]


def test_no_run_yet_says_where_runs_come_from(alice_client):
    assert "No runs yet" in alice_client.get(LIST).content.decode()
    assert "No run matches" in alice_client.get(f"{LIST}?status=failed").content.decode()


@pytest.mark.parametrize("status", ["queued", "running", "success", "failed", "aborted", "skipped", "lost"])
def test_every_status_has_a_sentence(alice_client, acme, pipeline, status):
    text = alice_client.get(url_of(make_run(acme, pipeline, status))).content.decode()
    assert 'aria-label="Cause"' in text


@pytest.mark.parametrize(
    ("status", "sentence"),
    [("success", "Succeeded."), ("failed", "Failed, without an error text."), ("aborted", "Aborted.")],
)
def test_a_run_that_was_reported_once_has_no_duration_to_tell(alice_client, acme, pipeline, status, sentence):
    run = make_run(acme, pipeline, status, started_at=None, duration_seconds=None)
    text = alice_client.get(url_of(run)).content.decode()
    cause = text[text.index('aria-label="Cause"') :].partition("</p>")[0]
    assert " ".join(strip_tags(cause).split()).endswith(sentence)


def test_a_failed_check_is_the_cause_and_the_last_green_run_is_near(alice_client, acme, pipeline):
    green = make_run(acme, pipeline, minutes_ago=100)
    run = make_run(acme, pipeline, "failed", cause="check", minutes_ago=5)
    check = CheckFactory(organization=acme, pipeline=pipeline, check_id="not_null")
    CheckResultFactory(organization=acme, check_rule=check, run=run, status="fail", message="1,284 rows have no id.")
    text = alice_client.get(url_of(run)).content.decode()
    assert "<code>not_null</code>: 1,284 rows have no id." in " ".join(text.split())
    assert f'href="{url_of(green)}"' in text


def step_run(organization, run, name, status="success", *, at=0.0, seconds=10.0, **fields):
    with tenant_scope(organization):
        step = run.pipeline.steps.filter(name=name).first()
    step = step or StepFactory(organization=organization, pipeline=run.pipeline, name=name)
    started_at = run.occurred_at + datetime.timedelta(seconds=at)
    made = make_run(organization, run.pipeline, status, step=step, parent_run=run, **fields)
    with tenant_scope(organization):
        made.occurred_at = made.started_at = started_at
        made.finished_at = started_at + datetime.timedelta(seconds=seconds)
        made.save()
    made.step = step
    return made


def test_attempts_share_a_row_and_mapped_tasks_a_bar(acme, pipeline, rf):
    run = make_run(acme, pipeline, "failed")
    runs = [
        step_run(acme, run, "orders_sync.extract", "failed", attempt=1),
        step_run(acme, run, "orders_sync.extract", at=20, attempt=2),
        *(step_run(acme, run, "load", "failed" if i == 1 else "success", at=40, map_index=i) for i in range(3)),
        step_run(acme, run, "publish", "skipped", at=60, seconds=0),
    ]
    with tenant_scope(acme):
        drawn = timeline(run, runs, rf.get("/").GET)
        failed = timeline(run, runs, rf.get("/?steps=failed").GET)
    assert [(row.name, row.status, row.tag, row.level) for row in drawn.rows] == [
        ("extract", "success", "2 attempts", 0),
        ("load", "failed", "2/3", 0),
        ("load[1]", "failed", "", 1),
        ("publish", "skipped", "", 0),
    ]
    assert [bar.kind for bar in drawn.rows[0].bars] == ["earlier", "run"]
    assert [row.name for row in failed.rows] == ["load", "load[1]"]


def test_the_page_shows_steps_and_events(alice_client, acme, pipeline):
    run = make_run(acme, pipeline)
    step_run(acme, run, "extract")
    body = gzip.compress(orjson.dumps({"eventType": "START", "run": {"facets": {"nominalTime": {}}}, "job": {}}))
    EventInboxFactory(organization=acme, run=run.pk, body=body, event_type="START", job_name="orders_sync")
    text = alice_client.get(url_of(run)).content.decode()
    assert "extract" in text
    assert "nominalTime" in text


@pytest.mark.parametrize(
    ("choice", "is_shown_to"),
    [("all", {"vera", "bob"}), ("editors", {"bob"}), ("no", set())],
)
def test_code_in_events_is_shown_to_whom_the_organization_says(
    vera_client, bob_client, acme, pipeline, choice, is_shown_to
):
    Organization.objects.filter(pk=acme.pk).update(settings={"store_sql": choice, "store_source_code": choice})
    run = make_run(acme, pipeline)
    facets = {"sql": {"query": "SELECT card_number"}, "sourceCode": {"sourceCode": "import salaries"}}
    body = gzip.compress(orjson.dumps({"job": {"facets": facets}, "run": {"facets": facets}}))
    EventInboxFactory(organization=acme, run=run.pk, body=body)
    for name, content in facets.items():
        facet = FacetFactory(organization=acme, content=content)
        FacetUseFactory(organization=acme, facet=facet, subject_kind="run", subject_id=run.pk, name=name)
    for name, client in (("vera", vera_client), ("bob", bob_client)):
        text = client.get(url_of(run)).content.decode()
        counts = text.count("SELECT card_number"), text.count("import salaries")
        assert counts == ((3, 3) if name in is_shown_to else (0, 0)), name


def test_an_event_that_cannot_be_read_any_more_breaks_nothing(alice_client, acme, pipeline):
    run = make_run(acme, pipeline)
    EventInboxFactory(organization=acme, run=run.pk, body=b"not gzip")
    assert alice_client.get(url_of(run)).status_code == 200


def test_hostile_text_stays_text_and_no_address_runs_anything(alice_client, acme):
    pipeline = make_pipeline(acme, HOSTILE)
    run = make_run(acme, pipeline, "failed", run_id=HOSTILE, error=HOSTILE, external_url="javascript:alert(1)",
                   warnings=[HOSTILE])  # fmt: skip
    body = gzip.compress(orjson.dumps({"job": {"facets": {HOSTILE: {"x": HOSTILE}}}}))
    EventInboxFactory(organization=acme, run=run.pk, body=body, event_type="<i>", job_name=HOSTILE)
    step_run(acme, run, HOSTILE, "failed", run_id="x" + HOSTILE)
    for address in (url_of(run), LIST):
        text = alice_client.get(address).content.decode()
        assert "<script>alert" not in text
        assert "javascript:" not in text
        assert "<i>" not in text


def test_a_foreign_run_is_as_unknown_as_none(alice_client, acme, globex):
    foreign = make_run(globex, make_pipeline(globex, "theirs"))
    assert alice_client.get(url_of(foreign)).status_code == 404
    assert alice_client.get(f"{LIST}01a1fc30-bdca-776e-a810-a8b3ef932340/").status_code == 404


def test_a_run_of_a_deleted_pipeline_is_gone(alice_client, acme):
    pipeline = make_pipeline(acme, "gone", deleted_at=timezone.now())
    run = make_run(acme, pipeline)
    assert alice_client.get(url_of(run)).status_code == 404
    assert alice_client.get(LIST).context["page"].rows == []


@pytest.mark.parametrize("count", [1, 50])
def test_the_list_takes_as_many_queries_for_one_row_as_for_fifty(alice_client, acme, pipeline, count):
    # 1-6 session, person, memberships, the scope  7 the page  8-9 numbers in the navigation  10-11 the scope's end
    for number in range(count):
        make_run(acme, pipeline, minutes_ago=number)
    alice_client.get(LIST)
    with CaptureQueriesContext(connection) as queries:
        alice_client.get(LIST)
    assert len(queries) == 11, [query["sql"][:100] for query in queries]


@pytest.mark.parametrize("count", [1, 50])
def test_a_run_takes_as_many_queries_for_one_step_as_for_fifty(alice_client, acme, count):
    # 1-6 session, person, memberships, the scope  7 the run  8 results  9 steps' runs  10 events  11 facets
    # 12-14 older, newer, last green  15-16 lineage version, links  17-18 navigation  19-20 the scope's end
    pipeline, *_ = make_flow(acme, "orders_sync", "revenue")
    run = make_run(acme, pipeline, "failed")
    for number in range(count):
        step_run(acme, run, f"step_{number}", at=number)
        check = CheckFactory(organization=acme, pipeline=pipeline)
        CheckResultFactory(organization=acme, check_rule=check, run=run)
    alice_client.get(url_of(run))
    with CaptureQueriesContext(connection) as queries:
        assert alice_client.get(url_of(run)).status_code == 200
    assert len(queries) == 20, [query["sql"][:100] for query in queries]
