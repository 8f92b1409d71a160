"""Pipelines that events named and that were not let in: somebody admits them, or has them ignored."""

import datetime

import pytest
from django.utils import timezone

from catalog.models import DiscoveredPipeline, Pipeline, Run
from catalog.services import discovered as services
from catalog.services.lineage_events.admission import remember_discovered
from orgs.models import AuditEvent, Due, Organization
from orgs.tenancy import tenant_scope
from tests.catalog.test_plan_limits import at_once, until_served
from tests.conftest import api_of
from tests.factories import OrganizationFactory, PipelineFactory
from tests.factories.openlineage import run_event
from tests.factories.rows import DiscoveredPipelineFactory

URL = "/api/v1/pipelines/discovered"
PAGE = "/o/acme/pipelines/discovered/"
LINEAGE = "/api/v1/lineage"


@pytest.fixture
def full_org(free_org):
    PipelineFactory.create_batch(3, organization=free_org)
    return free_org


def archive_one(organization):
    with tenant_scope(organization):
        one = Pipeline.objects.active().first()
        Pipeline.objects.filter(pk=one.pk).update(archived_at=timezone.now())


def names(response):
    return [row["name"] for row in response.json()["results"]]


def actions(organization):
    with tenant_scope(organization):
        return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


def test_refused_pipelines_are_listed_the_latest_first(free_api, full_org):
    for job in ("first", "second"):
        assert free_api.post(LINEAGE, run_event(job=job)).status_code == 403
    first, second = DiscoveredPipelineFactory.create_batch(2, organization=full_org)
    body = free_api.get(URL).json()
    assert set(body) == {"results", "next", "previous"}
    assert set(body["results"][0]) == {
        "id", "namespace", "name", "first_seen_at", "last_seen_at", "event_count", "ignored_at",
    }  # fmt: skip
    assert names(free_api.get(URL))[:2] == [second.name, first.name]
    page = free_api.get(f"{URL}?limit=3").json()
    assert [row["name"] for row in free_api.get(page["next"].removeprefix("http://testserver")).json()["results"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("namespace=spark", ["b"]),
        ("ignored=true", ["c"]),
        ("ignored=all&ordering=name", ["a", "b", "c"]),
        ("ordering=-event_count", ["b", "a"]),
        ("ordering=last_seen_at", ["a", "b"]),
    ],
)
def test_the_list_is_filtered_and_ordered(api, acme, query, expected):
    now = timezone.now()
    for number, (name, fields) in enumerate(
        {"a": {}, "b": {"namespace": "spark", "event_count": 9}, "c": {"ignored_at": now}}.items()
    ):
        seen = now + datetime.timedelta(minutes=number)
        DiscoveredPipelineFactory(organization=acme, name=name, first_seen_at=seen, **fields)
    assert names(api.get(f"{URL}?{query}")) == expected


@pytest.mark.parametrize("query", ["ignored=perhaps", "ordering=colour", "q=a"])
def test_what_the_list_does_not_know_is_refused(api, query):
    assert api.get(f"{URL}?{query}").status_code == 400


def test_admitted_it_takes_its_place_at_once_and_has_runs_from_its_next_event_on(free_api, full_org):
    free_api.post(LINEAGE, run_event())
    row = free_api.get(URL).json()["results"][0]
    archive_one(full_org)
    response = free_api.post(f"{URL}/{row['id']}/admit")
    assert response.status_code == 201
    assert (response.json()["name"], response.json()["health"]) == (row["name"], "never_run")
    assert names(free_api.get(URL)) == []
    with tenant_scope(full_org):
        assert Pipeline.objects.counted().count() == 3
        assert not Run.objects.exists()
    assert actions(full_org) == ["pipeline.admitted"]
    assert free_api.post(LINEAGE, run_event()).status_code == 201
    with tenant_scope(full_org):
        assert Run.objects.get().pipeline.name == row["name"]


def test_without_room_it_is_not_admitted_and_stays(free_api, full_org):
    free_api.post(LINEAGE, run_event())
    row = free_api.get(URL).json()["results"][0]
    problem = free_api.post(f"{URL}/{row['id']}/admit").json()
    assert (problem["type"], problem["limit"], problem["used"]) == ("/problems/plan-limit-reached", 3, 3)
    assert problem["upgrade_url"] == "/o/initech/settings/billing/"
    assert len(names(free_api.get(URL))) == 1


def test_admitted_it_comes_in_also_where_only_registered_ones_may(api, acme):
    acme.settings = {"ingest_admission": "registered"}
    acme.save()
    assert api.post(LINEAGE, run_event()).status_code == 403
    row = api.get(URL).json()["results"][0]
    assert api.post(f"{URL}/{row['id']}/admit").status_code == 201
    assert api.post(LINEAGE, run_event()).status_code == 201


def test_ignored_it_stays_out_also_when_there_is_room(free_api, full_org):
    free_api.post(LINEAGE, run_event())
    row = free_api.get(URL).json()["results"][0]
    for _ in range(2):
        assert free_api.post(f"{URL}/{row['id']}/ignore").json()["ignored_at"]
    archive_one(full_org)
    refusal = free_api.post(LINEAGE, run_event())
    assert (refusal.status_code, refusal.json()["type"]) == (403, "/problems/pipeline-not-admitted")
    assert free_api.get(f"{URL}?ignored=true").json()["results"][0]["event_count"] == 2
    assert actions(full_org) == ["pipeline.ignored"]


def test_ignoring_is_taken_back(free_api, full_org):
    row = DiscoveredPipelineFactory(organization=full_org, namespace="airflow-prod", name="orders_sync")
    free_api.post(f"{URL}/{row.pk}/ignore")
    assert free_api.delete(f"{URL}/{row.pk}/ignore").json()["ignored_at"] is None
    archive_one(full_org)
    assert free_api.post(LINEAGE, run_event()).status_code == 201
    assert actions(full_org)[:2] == ["pipeline.ignored", "pipeline.heeded"]


def test_an_ignored_one_may_still_be_admitted(api, acme):
    row = DiscoveredPipelineFactory(organization=acme, ignored_at=timezone.now())
    assert api.post(f"{URL}/{row.pk}/admit").status_code == 201


def test_what_came_in_meanwhile_is_answered_and_forgotten(api, acme):
    row = DiscoveredPipelineFactory(organization=acme)
    known = PipelineFactory(organization=acme, namespace=row.namespace, name=row.name)
    response = api.post(f"{URL}/{row.pk}/admit")
    assert (response.status_code, response.json()["id"]) == (200, str(known.pk))
    assert names(api.get(URL)) == []
    assert api.post(f"{URL}/{row.pk}/admit").status_code == 404


def test_refused_events_of_a_pipeline_that_is_there_now_are_not_remembered(acme):
    known = PipelineFactory(organization=acme)
    key = DiscoveredPipelineFactory.build(organization=acme, namespace=known.namespace, name=known.name)
    with tenant_scope(acme):
        remember_discovered({key: [timezone.now()]})
        assert not DiscoveredPipeline.objects.exists()


def test_a_key_of_other_namespaces_decides_nothing(acme):
    row = DiscoveredPipelineFactory(organization=acme, namespace="spark")
    key = api_of(acme, allowed_namespaces=["airflow"])
    for way in ("admit", "ignore"):
        assert key.post(f"{URL}/{row.pk}/{way}").json()["type"] == "/problems/namespace-not-allowed"


def test_a_pipeline_called_discovered_is_reached_by_its_id(api, acme):
    named = PipelineFactory(organization=acme, name="discovered")
    assert api.get(f"/api/v1/pipelines/{named.pk}").json()["name"] == "discovered"
    assert api.get("/api/v1/pipelines/discovered/versions/").status_code == 200


@pytest.mark.parametrize("count", [1, 50])
def test_the_list_takes_as_many_queries_for_one_as_for_fifty(api, acme, count, django_assert_num_queries):
    DiscoveredPipelineFactory.create_batch(count, organization=acme)
    api.get(URL)
    # 1 the key with its organization  2-4 the scope  5 the page  6-7 the end of the scope
    with django_assert_num_queries(7):
        assert len(names(api.get(URL))) == count


# The page


def test_the_page_admits_ignores_and_takes_back(bob_client, acme):
    wanted, unwanted = DiscoveredPipelineFactory.create_batch(2, organization=acme)
    page = bob_client.get(PAGE).content.decode()
    assert wanted.name in page
    assert "2 of 25" not in page
    bob_client.post(f"{PAGE}{wanted.pk}/admit/")
    shown = bob_client.post(f"{PAGE}{unwanted.pk}/ignore/", follow=True).content.decode()
    assert "is admitted" in shown
    assert f"{PAGE}{unwanted.pk}/heed/" in shown
    assert unwanted.name in bob_client.get(f"{PAGE}?ignored=true").content.decode()
    bob_client.post(f"{PAGE}{unwanted.pk}/heed/")
    with tenant_scope(acme):
        assert DiscoveredPipeline.objects.waiting().get() == unwanted
        assert Pipeline.objects.active().get().name == wanted.name


def test_viewers_only_look(vera_client, acme):
    row = DiscoveredPipelineFactory(organization=acme)
    assert "Admit" not in vera_client.get(PAGE).content.decode().replace("Admit or", "")
    assert vera_client.post(f"{PAGE}{row.pk}/admit/").status_code == 403


def test_without_room_the_page_says_so(bob_client, acme):
    acme.plan_name = "free"
    acme.save()
    PipelineFactory.create_batch(3, organization=acme)
    row = DiscoveredPipelineFactory(organization=acme)
    assert "All 3 places for pipelines are taken" in bob_client.get(PAGE).content.decode()
    refusal = bob_client.post(f"{PAGE}{row.pk}/admit/")
    assert refusal.status_code == 403
    assert "/o/acme/settings/billing/" in refusal.content.decode()


@pytest.mark.parametrize("path", ["/o/acme/", "/o/acme/pipelines/"])
def test_other_pages_lead_there_while_something_waits(vera_client, acme, path):
    PipelineFactory(organization=acme)
    DiscoveredPipelineFactory(organization=acme, ignored_at=timezone.now())
    assert PAGE not in vera_client.get(path).content.decode()
    DiscoveredPipelineFactory.create_batch(2, organization=acme)
    assert PAGE in vera_client.get(path).content.decode()


# At once


@pytest.fixture
def two_of_three(transactional_db):
    organization = OrganizationFactory(slug="initech", plan_name="free")
    PipelineFactory.create_batch(2, organization=organization)
    return organization


def admit(organization, row):
    api = api_of(organization)
    return lambda: until_served(lambda: api.post(f"{URL}/{row.pk}/admit"))


def test_admitted_at_once_as_many_come_in_as_there_is_room(two_of_three):
    rows = DiscoveredPipelineFactory.create_batch(5, organization=two_of_three)
    assert at_once([admit(two_of_three, row) for row in rows]) == {201: 1, 403: 4}
    with tenant_scope(two_of_three):
        assert Pipeline.objects.counted().count() == 3


def test_one_admitted_by_many_at_once_takes_the_last_place_once(two_of_three):
    row = DiscoveredPipelineFactory(organization=two_of_three)
    statuses = at_once([admit(two_of_three, row) for _ in range(5)])
    # Whoever comes after the row is gone does not find it.
    assert statuses[201] == 1
    assert set(statuses) <= {201, 200, 404}


# Forgetting


def test_names_that_nobody_heard_of_for_90_days_are_forgotten_and_ignored_ones_kept(acme, monkeypatch):
    monkeypatch.setattr(services, "KEPT_COUNT", 2)
    long_ago = timezone.now() - datetime.timedelta(days=91)
    DiscoveredPipelineFactory(organization=acme, first_seen_at=long_ago)
    ignored = DiscoveredPipelineFactory(organization=acme, first_seen_at=long_ago, ignored_at=long_ago)
    rows = DiscoveredPipelineFactory.create_batch(3, organization=acme)
    with tenant_scope(acme):
        services.forget_discovered()
        assert set(DiscoveredPipeline.objects.all()) == {ignored, *rows[1:]}
    assert Due.objects.filter(organization=acme, kind=services.FORGET_DISCOVERED).exists()


def test_a_refused_event_leaves_a_mark_to_forget_it(free_api, full_org):
    free_api.post(LINEAGE, run_event())
    mark = Due.objects.get(organization=Organization.objects.get(), kind=services.FORGET_DISCOVERED)
    assert mark.due_at > timezone.now()
