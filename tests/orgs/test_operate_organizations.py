"""`/organizations/`: operators care for all of them, a parent for its parts, and nobody sees more than that."""

import datetime

import pytest
from django.utils import timezone

from orgs.actors import Actor
from orgs.models import AuditEvent, Invitation, Membership, Organization, PlatformEvent, PlatformKey
from orgs.permissions import Role
from orgs.services.provisioning import provision_organization
from orgs.tenancy import tenant_scope
from tests.conftest import ApiClient, api_of, platform_key
from tests.factories import MembershipFactory, OrganizationFactory, UserFactory

ALL = "/api/v1/organizations/"
NEW = {"slug": "initech", "name": "Initech", "plan": "team", "owner_email": "Peter@initech.example"}


@pytest.fixture
def operator(db):
    return ApiClient(platform_key())


@pytest.fixture
def business(acme):
    acme.plan_name = "business"
    acme.save()
    return acme


def confirmed(slug):
    return {"confirmation": f"I understand this will permanently delete all data of {slug}"}


def actions(organization):
    with tenant_scope(organization):
        return list(AuditEvent.objects.order_by("id").values_list("action", "actor_kind", "person__label"))


def slugs(response):
    return [row["slug"] for row in response.json()["results"]]


def test_an_organization_is_made_and_its_owner_invited(operator, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        response = operator.post(ALL, NEW)
    assert response.status_code == 201, response.content
    body = response.json()
    assert (body["slug"], body["plan"], body["status"], body["owners"]) == ("initech", "team", "active", [])
    assert (body["placement"], body["parent"], body["limits"]["pipelines"]) == ("shared", None, 25)
    assert Invitation.objects.get().role == "owner"
    assert [mail.to for mail in mailoutbox] == [["peter@initech.example"]]
    assert {event.actor_kind for event in PlatformEvent.objects.filter(organization_slug="initech")} == {"platform"}


def test_who_has_an_account_is_added(operator):
    peter = UserFactory(email="peter@initech.example")
    assert operator.post(ALL, NEW).json()["owners"] == ["peter@initech.example"]
    assert Membership.objects.get().user == peter


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (NEW | {"slug": "acme"}, 409),
        (NEW | {"slug": "me"}, 400),
        (NEW | {"plan": "huge"}, 400),
        (NEW | {"owner_email": "nobody"}, 400),
        (NEW | {"parent": "nobody-is-called-this"}, 400),
        (NEW | {"parent": "acme"}, 403),
        (NEW | {"status": "active"}, 400),
        (NEW | {"stripe_customer_id": "cus_1"}, 400),
        ({"slug": "initech", "name": "Initech"}, 400),
        ([], 400),
    ],
)
def test_what_makes_no_sense_makes_nothing(operator, acme, body, status):
    assert operator.post(ALL, body).status_code == status
    assert list(Organization.objects.all()) == [acme]
    assert not Invitation.objects.exists()


def test_the_list_is_filtered_and_paged(operator, acme, globex, free_org):
    OrganizationFactory(slug="acme-east", parent=acme, status="suspended", plan_name="business")
    assert slugs(operator.get(ALL)) == ["acme", "acme-east", "globex", "initech"]
    for query, found in {
        "plan=free": ["initech"],
        "parent=acme": ["acme-east"],
        "status=suspended": ["acme-east"],
        "q=GLOB": ["globex"],
        "placement=shared&plan=business": ["acme-east"],
    }.items():
        assert slugs(operator.get(f"{ALL}?{query}")) == found
    page = operator.get(f"{ALL}?limit=3").json()
    assert slugs(operator.get(page["next"])) == ["initech"]


@pytest.mark.parametrize("query", ["plan=huge", "status=gone", "placement=moon", "owner=alice", "q=", "limit=0"])
def test_an_unknown_filter_is_told(operator, query):
    assert operator.get(f"{ALL}?{query}").status_code == 400


@pytest.mark.parametrize("count", [1, 50])
def test_the_list_costs_three_queries_however_long_it_is(operator, count, django_assert_num_queries):
    for _ in range(count):
        MembershipFactory(organization=OrganizationFactory(), role="owner")
    operator.get(ALL)
    with django_assert_num_queries(3):  # the key, a page of organizations with their parents, the owners of all
        assert len(operator.get(ALL).json()["results"]) == count


def test_name_and_plan_are_changed_and_remembered_with_the_key(operator, acme):
    response = operator.patch(f"{ALL}acme", {"name": "Acme Data", "plan": "business", "reason": "Contract of May"})
    assert (response.json()["name"], response.json()["plan"]) == ("Acme Data", "business")
    assert actions(acme) == [
        ("organization.updated", "platform", "platform key terraform"),
        ("organization.plan_changed", "platform", "platform key terraform"),
    ]
    told = PlatformEvent.objects.filter(organization_slug="acme").values_list("action", "actor_id")
    key = str(PlatformKey.objects.get().pk)
    assert list(told.order_by("id")) == [("organization.updated", key), ("organization.plan_changed", key)]


def test_it_is_suspended_with_a_reason_and_resumed(operator, acme, api):
    body = operator.patch(f"{ALL}acme", {"status": "suspended", "reason": "The bill is open"}).json()
    assert (body["status"], body["status_reason"]) == ("suspended", "The bill is open")
    assert api.post("/api/v1/runs/", {}).json()["type"] == "/problems/organization-suspended"
    assert operator.patch(f"{ALL}acme", {"status": "active", "reason": "Paid"}).json()["status"] == "active"


def test_a_change_that_fails_in_the_middle_changes_nothing(operator, acme):
    assert operator.patch(f"{ALL}acme", {"name": "New", "plan": "free", "status": "suspended"}).status_code == 400
    acme.refresh_from_db()
    assert (acme.name, acme.plan_name, acme.status) == ("Acme", "team", "active")
    assert actions(acme) == []
    assert not PlatformEvent.objects.filter(organization_slug="acme").exists()


@pytest.mark.parametrize(
    "change", [{"slug": "new"}, {"status": "past_due"}, {"status": "moving"}, {"parent": "x"}, {"id": 1}]
)
def test_what_is_not_to_be_set_is_not_set(operator, acme, change):
    assert operator.patch(f"{ALL}acme", change).status_code == 400


def test_limits_are_agreed_and_ended(operator, acme):
    ends_at = (timezone.now() + datetime.timedelta(days=30)).isoformat()
    agreed = {"resource": "pipelines", "limit": 50, "ends_at": ends_at}
    body = operator.patch(f"{ALL}acme/resources", {"reason": "Migration", "overrides": [agreed]}).json()
    assert body["limits"]["pipelines"] == 50
    assert (body["overrides"][0]["reason"], body["overrides"][0]["plan_limit"]) == ("Migration", 25)
    body = operator.patch(f"{ALL}acme/resources/", {"reason": "Done", "ended": ["pipelines"]}).json()
    assert (body["limits"]["pipelines"], body["overrides"]) == (25, [])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"overrides": [{"resource": "pipelines", "limit": 50}]}, 400),
        ({"reason": "x", "overrides": [{"resource": "elephants", "limit": 50}]}, 400),
        ({"reason": "x", "overrides": [{"resource": "pipelines", "limit": -1}]}, 400),
        ({"reason": "x", "overrides": [{"resource": "pipelines", "limit": "50"}]}, 400),
        ({"reason": "x", "overrides": [{"resource": "connections", "limit": 9}], "ended": ["pipelines"]}, 404),
    ],
)
def test_limits_that_make_no_sense_change_nothing(operator, acme, body, status):
    assert operator.patch(f"{ALL}acme/resources", body).status_code == status
    acme.refresh_from_db()
    assert acme.limit_overrides == {}


def test_it_is_deleted_with_the_words_and_can_be_undone(operator, acme, api):
    for body in (None, {}, {"confirmation": "yes"}, confirmed("globex")):
        assert operator.delete(f"{ALL}acme", body).status_code == 400
    response = operator.delete(f"{ALL}acme", confirmed("acme"))
    assert (response.status_code, response.json()["status"]) == (202, "deleting")
    assert response.json()["deletion_at"] is not None
    assert api.get("/api/v1/pipelines/").status_code == 403
    assert operator.delete(f"{ALL}acme", confirmed("acme")).status_code == 409
    assert operator.patch(f"{ALL}acme", {"status": "active"}).json()["status"] == "active"
    assert api.get("/api/v1/pipelines/").status_code == 200


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_an_unknown_slug_is_not_found(operator, method):
    body = confirmed("nobody-is-called-this") if method == "delete" else {"name": "x"} if method == "patch" else None
    assert operator.request(method.upper(), f"{ALL}nobody-is-called-this", body).status_code == 404


def test_a_revoked_key_is_refused_and_a_use_is_noted(operator):
    assert operator.get(ALL).status_code == 200
    assert PlatformKey.objects.get().last_used_at is not None
    PlatformKey.objects.update(revoked_at=timezone.now())
    assert operator.get(ALL).status_code == 401


def test_a_parent_makes_and_sees_its_parts_and_no_others(business, alice, globex):
    api = api_of(business, scopes=["organization:admin"])
    OrganizationFactory(slug="globex-east", parent=globex)
    response = api.post(f"{ALL}acme/sub-organizations", {"slug": "acme-east", "name": "Acme East"})
    assert response.status_code == 201, response.content
    body = response.json()
    assert (body["plan"], body["parent"], body["owners"]) == ("business", "acme", ["alice@acme.example"])
    assert slugs(api.get(ALL)) == ["acme-east"]
    assert api.get(f"{ALL}acme-east").json()["name"] == "Acme East"
    assert api.get(f"{ALL}acme").json()["slug"] == "acme"
    for slug in ("globex", "globex-east", "nobody-is-called-this"):
        assert api.get(f"{ALL}{slug}").status_code == 404
        new = {"slug": "acme-west", "name": "Acme West"}
        assert api.post(f"{ALL}{slug}/sub-organizations", new).status_code == 404


def test_a_parent_adds_its_own_people_and_invites_others(business, alice, bob, gary):
    api = api_of(business)
    for slug, email in {"acme-bob": bob.email, "acme-gary": gary.email}.items():
        new = {"slug": slug, "name": slug, "owner_email": email}
        assert api.post(f"{ALL}acme/sub-organizations", new).status_code == 201
    assert [m.organization.slug for m in bob.memberships.order_by("pk")] == ["acme", "acme-bob"]
    assert [m.organization.slug for m in gary.memberships.all()] == ["globex"]
    assert [(i.organization.slug, i.email, i.role) for i in Invitation.objects.all()] == [
        ("acme-gary", gary.email, "owner")
    ]


def test_a_part_takes_the_plan_of_its_parent_and_the_feature(acme, api, business):
    new = {"slug": "acme-east", "name": "Acme East"}
    assert api.post(f"{ALL}acme/sub-organizations", new | {"plan": "free"}).status_code == 403
    Organization.objects.update(plan_name="team")
    refusal = api.post(f"{ALL}acme/sub-organizations", new).json()
    assert (refusal["type"], refusal["feature"]) == ("/problems/plan-lacks-feature", "sub_organizations")
    Organization.objects.update(plan_name="business", status="suspended")
    assert api.post(f"{ALL}acme/sub-organizations", new).json()["type"] == "/problems/organization-suspended"


def test_a_part_has_no_parts(business, operator):
    OrganizationFactory(slug="acme-east", parent=business, plan_name="business")
    new = {"slug": "acme-further", "name": "Further"}
    assert operator.post(f"{ALL}acme-east/sub-organizations", new).status_code == 409


def test_a_part_knows_its_parent(business):
    part = OrganizationFactory(slug="acme-east", parent=business)
    api = api_of(part)
    assert api.get(f"{ALL}me").json()["parent"] == "acme"
    assert api.patch(f"{ALL}me", {"name": "East"}).json()["parent"] == "acme"
    assert api.get(f"{ALL}acme").status_code == 404


def test_what_operators_do_is_refused_to_parents_whatever_the_slug(business, api):
    OrganizationFactory(slug="acme-east", parent=business)
    for slug in ("acme", "acme-east", "globex"):
        answers = [api.patch(f"{ALL}{slug}", {"name": "x"}), api.delete(f"{ALL}{slug}", confirmed(slug))]
        answers.append(api.patch(f"{ALL}{slug}/resources", {"reason": "x"}))
        assert {answer.status_code for answer in answers} == {403}
        assert all("a platform key" in answer.json()["detail"] for answer in answers)


def test_a_person_of_the_parent_invites_the_owner_of_a_part(business, alice):
    actor = Actor(kind="person", id=str(alice.pk), label="alice", role=Role.OWNER)
    provision_organization(
        name="East",
        slug="acme-east",
        parent=business,
        owner_email="new@acme.example",
        actor=actor,
        plan_name="business",
    )
    invitation = Invitation.objects.get()
    assert (invitation.organization.slug, invitation.role, invitation.invited_by_label) == (
        "acme-east",
        "owner",
        "alice",
    )
