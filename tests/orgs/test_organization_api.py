import pytest

from orgs import plans
from orgs.models import Organization
from tests.conftest import api_of
from tests.factories import MembershipFactory, OrganizationFactory

ME = "/api/v1/organizations/me"


@pytest.fixture
def two_pipelines(monkeypatch):
    monkeypatch.setattr(plans, "_meters", {"pipelines": lambda: 2, "connections": lambda: 0})


def test_it_says_what_the_organization_is_may_have_and_has(free_api, two_pipelines):
    body = free_api.get(ME).json()
    assert (body["slug"], body["name"], body["status"], body["parent"]) == ("initech", "Initech", "active", None)
    assert body["plan"] == {"name": "free", "label": "Free", "price_per_month": 0, "support": "community"}
    assert body["limits"]["pipelines"] == 3
    assert body["limits"]["requests_per_minute"] == 100
    assert body["usage"] == {"pipelines": 2, "connections": 0, "storage_bytes": 0}
    assert body["features"] == {"branding": False, "sub_organizations": False, "dedicated_database": False}
    assert body["settings"] == {
        "ingest_admission": "all",
        "store_sql": "all",
        "store_source_code": "all",
        "require_second_factor": "no",
        "max_key_age_days": "unlimited",
    }
    assert body["created_at"].endswith("Z")


def test_name_and_settings_are_changed(api):
    body = api.patch(ME, {"name": "Acme Data", "settings": {"store_sql": "no"}}).json()
    assert (body["name"], body["settings"]["store_sql"]) == ("Acme Data", "no")
    assert body == api.get(ME).json()


@pytest.mark.parametrize(
    "change",
    [
        {"slug": "other"},
        {"plan": "business"},
        {"plan_name": "business"},
        {"status": "active"},
        {"limit_overrides": {}},
        {"parent": "globex"},
        {"name": ""},
        {"name": "   "},
        {"name": 5},
        {"name": "x" * 101},
        {"settings": []},
        {"settings": {"store_sql": 1}},
        {"settings": {"colour": "red"}},
        [],
        "text",
    ],
)
def test_nothing_else_can_be_changed(api, acme, change):
    before = Organization.objects.values().get(pk=acme.pk)
    assert api.patch(ME, change).status_code == 400
    assert Organization.objects.values().get(pk=acme.pk) == before


@pytest.mark.parametrize(("adding", "fits"), [(0, True), (1, True), (2, False)])
def test_headroom_is_told_before_a_deployment(free_api, two_pipelines, adding, fits):
    body = free_api.get(f"{ME}/limits?adding_pipelines={adding}").json()
    assert body["fits"] is fits
    assert {"resource": "pipelines", "limit": 3, "used": 2, "adding": adding, "fits": fits} in body["resources"]
    assert body["upgrade_url"] == "/o/initech/settings/billing/"


@pytest.mark.parametrize("adding", ["-1", "x", "", "1.5", "9" * 7, "٣"])
def test_a_count_is_a_whole_number(api, two_pipelines, adding):
    response = api.get(f"{ME}/limits?adding_pipelines={adding}")
    assert (response.status_code, response.json()["errors"][0]["parameter"]) == (400, "adding_pipelines")


def test_unknown_parameters_are_refused(api):
    assert api.get(f"{ME}?adding_pipelines=1").json()["type"] == "/problems/unknown-parameter"


def test_other_methods_are_not_offered(api):
    assert api.delete(ME).status_code == 405
    assert api.post(ME, {}).status_code == 405


def test_members_are_listed_with_their_roles(api, alice, bob, vera, gary):
    rows = api.get("/api/v1/members/").json()["results"]
    assert [(row["email"], row["role"]) for row in rows] == [
        ("alice@acme.example", "owner"),
        ("bob@acme.example", "editor"),
        ("vera@acme.example", "viewer"),
    ]
    assert set(rows[0]) == {"id", "email", "name", "role", "is_email_confirmed", "created_at"}


def test_a_list_of_50_members_takes_as_many_queries_as_one_of_1(api, acme, alice, django_assert_num_queries):
    api.get(ME)  # last use and caller are written once in a while
    # The key with its organization, the scope (savepoint, what was set, set, release, set back), members with people.
    with django_assert_num_queries(7):
        api.get("/api/v1/members/")
    MembershipFactory.create_batch(49, organization=acme, role="viewer")
    with django_assert_num_queries(7):
        assert len(api.get("/api/v1/members/").json()["results"]) == 50


def test_a_sub_organization_names_its_parent(acme):
    child = OrganizationFactory(slug="acme-unit", parent=acme)
    answer = api_of(child).get("/api/v1/organizations/me")
    assert (answer.status_code, answer.json()["parent"]) == (200, "acme")
