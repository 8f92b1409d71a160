import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Pipeline
from orgs.tenancy import tenant_scope
from tests.conftest import browser_of
from tests.factories import CheckFactory, CheckResultFactory
from tests.factories.browsed import HOSTILE, make_flow, make_full_pipeline, make_pipeline, make_run
from tests.factories.rows import PipelineVersionFactory

TABS = ["", "runs/", "checks/", "versions/", "spec/", "settings/"]


def url_of(pipeline, tab=""):
    return f"/o/acme/pipelines/{pipeline.pk}/{tab}"


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_works_for_a_pipeline_of_which_nothing_is_known(alice_client, acme, tab):
    pipeline = make_pipeline(acme, "new_one", owner="", schedule=None)
    response = alice_client.get(url_of(pipeline, tab))
    assert response.status_code == 200
    assert "new_one" in response.content.decode()


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_works_for_a_full_pipeline(alice_client, acme, tab):
    assert alice_client.get(url_of(make_full_pipeline(acme, "orders_sync"), tab)).status_code == 200


@pytest.mark.parametrize("tab", TABS)
def test_hostile_names_stay_text(alice_client, acme, tab):
    pipeline = make_pipeline(acme, HOSTILE, owner=HOSTILE, environment=HOSTILE, health_reason=HOSTILE, health="unknown")
    make_run(acme, pipeline, "failed", run_id=HOSTILE, error=HOSTILE, trigger=HOSTILE[:30])
    check = CheckFactory(organization=acme, pipeline=pipeline, check_id=HOSTILE)
    CheckResultFactory(organization=acme, check_rule=check, message=HOSTILE, value=HOSTILE)
    spec = {"pipeline": {"name": HOSTILE}}
    version = PipelineVersionFactory(organization=acme, pipeline=pipeline, version="<b>1.0</b>", spec=spec)
    with tenant_scope(acme):
        Pipeline.objects.filter(pk=pipeline.pk).update(current_version=version)
    text = alice_client.get(url_of(pipeline, tab)).content.decode()
    assert "<script>alert" not in text
    assert "<b>1.0</b>" not in text


def test_the_sentence_says_what_fails_since_when_and_whom_it_hits(alice_client, acme):
    first, second = make_flow(acme, "orders_sync", "revenue", tags=["tier-1"])
    since = timezone.now() - datetime.timedelta(hours=2)
    with tenant_scope(acme):
        Pipeline.objects.filter(pk=first.pk).update(health="failing", health_since=since)
        Pipeline.objects.filter(pk=second.pk).update(is_at_risk=True, health="at_risk", health_since=since)
    CheckFactory(organization=acme, pipeline=first, check_id="not_null", failing_since=since)
    text = alice_client.get(url_of(first)).content.decode()
    assert "<code>not_null</code>" in text
    assert "1 pipeline downstream</a> at risk, 1 of them tier-1" in text


def test_without_a_failed_check_the_error_of_the_last_run_is_told(alice_client, acme):
    pipeline = make_pipeline(acme, "orders_sync", health="failing", health_since=timezone.now())
    run = make_run(acme, pipeline, "failed", error="KeyError: 'EPEX-AT'\n  in load")
    with tenant_scope(acme):
        Pipeline.objects.filter(pk=pipeline.pk).update(last_run_id=run.pk)
    text = alice_client.get(url_of(pipeline)).content.decode()
    assert "KeyError: &#x27;EPEX-AT&#x27;" in text
    assert "Open failed run" in text


def test_what_changed_since_the_last_green_run_names_the_new_version(alice_client, acme):
    pipeline = make_pipeline(acme, "orders_sync", health="failing")
    make_run(acme, pipeline, minutes_ago=100)
    PipelineVersionFactory(organization=acme, pipeline=pipeline, version="1.4.0")
    make_run(acme, pipeline, "failed", minutes_ago=1)
    text = alice_client.get(url_of(pipeline)).content.decode()
    assert "Version 1.4.0 registered" in text
    assert "likely cause" in text


def test_the_runs_of_a_pipeline_can_be_narrowed(alice_client, acme):
    pipeline = make_pipeline(acme, "orders_sync")
    make_run(acme, pipeline, "failed", run_id="bad", minutes_ago=5)
    make_run(acme, pipeline, run_id="good", minutes_ago=10)
    make_run(acme, pipeline, "failed", run_id="old", minutes_ago=60 * 24 * 3)
    found = alice_client.get(url_of(pipeline, "runs/?status=failed&since=24h")).context["page"].rows
    assert [row["run_id"] for row in found] == ["bad"]
    assert len(alice_client.get(url_of(pipeline, "runs/?status=zz&since=zz")).context["page"].rows) == 3


def test_two_versions_stand_side_by_side(alice_client, acme):
    pipeline = make_pipeline(acme, "orders_sync")
    for number, owner in ((1, "old-team"), (2, "new-team")):
        spec = {"pipeline": {"name": "orders_sync", "owner": owner}}
        PipelineVersionFactory(organization=acme, pipeline=pipeline, number=number, spec=spec)
    page = alice_client.get(url_of(pipeline, "versions/1/diff/2/"))
    assert [(change.path, change.before, change.after) for change in page.context["changes"]] == [
        ("/pipeline/owner", "old-team", "new-team")
    ]
    assert '<td class="gone">  owner: old-team</td>' in page.content.decode()
    assert alice_client.get(url_of(pipeline, "versions/1/diff/99999999999999999999/")).status_code == 404


def test_archiving_says_so_and_can_be_undone(bob_client, acme):
    pipeline = make_pipeline(acme, "orders_sync")
    page = bob_client.post(url_of(pipeline, "archive/"), follow=True)
    assert "orders_sync is archived" in page.content.decode()
    assert f'action="{url_of(pipeline, "unarchive/")}"' in page.content.decode()
    bob_client.post(url_of(pipeline, "unarchive/"))
    with tenant_scope(acme):
        assert Pipeline.objects.get(pk=pipeline.pk).archived_at is None


def test_deleting_asks_for_the_name(alice_client, acme):
    pipeline = make_pipeline(acme, "orders_sync")
    page = alice_client.post(url_of(pipeline, "delete/"), {"confirmation": "orders"})
    assert "That is not the name" in page.content.decode()
    response = alice_client.post(url_of(pipeline, "delete/"), {"confirmation": "orders_sync"})
    assert response["Location"] == "/o/acme/pipelines/"
    assert alice_client.get(url_of(pipeline)).status_code == 404


@pytest.mark.parametrize(("person", "act", "status"), [
    ("vera", "archive/", 403), ("bob", "archive/", 302), ("bob", "delete/", 403), ("alice", "delete/", 200),
])  # fmt: skip
def test_rights_follow_the_role(request, acme, person, act, status):
    pipeline = make_pipeline(acme, "orders_sync")
    assert browser_of(request.getfixturevalue(person)).post(url_of(pipeline, act)).status_code == status


def test_who_may_not_is_offered_no_button(vera_client, acme):
    text = vera_client.get(url_of(make_pipeline(acme, "orders_sync"), "settings/")).content.decode()
    assert "/archive/" not in text
    assert "/delete/" not in text


def test_a_foreign_pipeline_is_as_unknown_as_none(alice_client, globex):
    foreign = make_pipeline(globex, "theirs")
    unknown = url_of(foreign).replace(str(foreign.pk)[:8], "00000000")
    answers = [alice_client.get(address) for address in (url_of(foreign), unknown)]
    assert [answer.status_code for answer in answers] == [404, 404]


@pytest.mark.parametrize("count", [1, 50])
def test_the_overview_takes_as_many_queries_whatever_the_history(alice_client, acme, count):
    # 1-6 session, person, memberships, the scope  7 the pipeline  8-11 lineage: two ways out, two ways on
    # 12-13 nodes: datasets, pipelines  14-15 checks, their results  16-18 changes: versions, columns, links
    # 19 rows of the last runs  20 runs of the chart  21-22 lineage version, links  23 downstream
    # 24 budget  25-26 numbers of tabs  27-28 numbers in the navigation  29-30 the end of the scope
    pipeline, *_ = make_flow(acme, "orders_sync", "revenue")
    for number in range(count):
        make_run(acme, pipeline, minutes_ago=number + 1)
        check = CheckFactory(organization=acme, pipeline=pipeline)
        CheckResultFactory(organization=acme, check_rule=check)
    alice_client.get(url_of(pipeline))
    with CaptureQueriesContext(connection) as queries:
        assert alice_client.get(url_of(pipeline)).status_code == 200
    assert len(queries) <= 30, [query["sql"][:100] for query in queries]
