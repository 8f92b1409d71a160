import datetime

import pytest
from django.utils import timezone

from orgs.actors import Actor
from orgs.models import Membership, Organization, OrganizationSlug
from orgs.services.organizations import rename_slug
from orgs.tenancy import tenant_scope
from tests.conftest import PersonClient, browser_of
from tests.factories import MembershipFactory, OrganizationFactory, UserFactory


def test_nobody_is_led_to_the_login(db):
    assert PersonClient().get("/")["Location"] == "/login?next=/"


def test_the_only_organization_is_opened(alice_client):
    assert alice_client.get("/")["Location"] == "/o/acme/"


def test_of_several_the_last_one_is_opened(alice, alice_client, globex):
    MembershipFactory(organization=globex, user=alice, role="viewer")
    assert alice_client.get("/")["Location"] == "/organizations"
    alice_client.get("/o/globex/start/")
    assert alice_client.get("/")["Location"] == "/o/globex/"
    Membership.objects.filter(organization=globex, user=alice).delete()
    assert alice_client.get("/")["Location"] == "/o/acme/"


def test_who_has_none_makes_the_first(db):
    client = browser_of(UserFactory())
    assert client.get("/")["Location"] == "/organizations/new"
    response = client.post("/organizations/new", {"organization_name": "Initech"})
    assert response["Location"] == "/o/initech/start/"
    assert Membership.objects.get().role == "owner"


def test_a_taken_address_is_told_with_free_ones(alice_client, globex):
    response = alice_client.post("/organizations/new", {"organization_name": "G", "slug": "globex"})
    assert response.status_code == 400
    assert "globex-2" in response.content.decode()
    assert Organization.objects.count() == 2


def test_the_switcher_lists_ones_own_organizations_alone(alice, alice_client, globex):
    OrganizationFactory(slug="others", name="Others Inc")
    MembershipFactory(organization=globex, user=alice, role="viewer")
    text = alice_client.get("/organizations").content.decode()
    assert "/o/acme/" in text
    assert "/o/globex/" in text
    assert "Others Inc" not in text


def test_the_account_page_shows_the_person(alice_client):
    assert "alice@acme.example" in alice_client.get("/account/").content.decode()


@pytest.fixture
def renamed(acme, alice):
    with tenant_scope(acme):
        rename_slug(organization=acme, slug="acme-data", actor=Actor.system("test"))
    return acme


def test_a_renamed_organizations_old_address_leads_its_members_on(renamed, alice_client, gary_client):
    response = alice_client.get("/o/acme/settings/members/?cursor=")
    assert (response.status_code, response["Location"]) == (307, "/o/acme-data/settings/members/?cursor=")
    assert gary_client.get("/o/acme/settings/members/").status_code == 404


def test_after_90_days_it_leads_nobody(renamed, alice_client):
    OrganizationSlug.objects.filter(slug="acme").update(ended_at=timezone.now() - datetime.timedelta(days=91))
    assert alice_client.get("/o/acme/start/").status_code == 404
