import pytest

from orgs.models import AuditEvent, Organization
from orgs.tenancy import tenant_scope
from tests.factories import MembershipFactory

GENERAL = {"name": "Acme", "ingest_admission": "all", "store_sql": "all", "store_source_code": "all"}
GENERAL |= {"require_second_factor": "no", "max_key_age_days": "unlimited"}


def test_name_and_choices_are_saved(alice_client, acme):
    response = alice_client.post("/o/acme/settings/", GENERAL | {"name": "Acme Data", "store_sql": "no"})
    assert response["Location"] == "/o/acme/settings/"
    organization = Organization.objects.get(pk=acme.pk)
    assert (organization.name, organization.setting("store_sql")) == ("Acme Data", "no")
    assert "The settings are saved." in alice_client.get("/o/acme/settings/").content.decode()


@pytest.mark.parametrize("change", [{"name": ""}, {"name": "x" * 101}, {"store_sql": "maybe"}])
def test_what_makes_no_sense_is_refused_and_changes_nothing(alice_client, acme, change):
    assert alice_client.post("/o/acme/settings/", GENERAL | change).status_code == 400
    organization = Organization.objects.get(pk=acme.pk)
    assert (organization.name, organization.settings) == ("Acme", {})
    with tenant_scope(acme):
        assert not AuditEvent.objects.exists()


def test_plan_and_slug_are_not_changed_by_the_way(alice_client, acme):
    alice_client.post("/o/acme/settings/", GENERAL | {"plan_name": "business", "slug": "x-y-z", "status": "deleting"})
    organization = Organization.objects.get(pk=acme.pk)
    assert (organization.plan_name, organization.slug, organization.status) == ("team", "acme", "active")


def test_a_new_address_is_taken_at_once_and_the_old_one_leads_on(alice_client):
    assert alice_client.post("/o/acme/settings/address", {"slug": "acme-data"})["Location"] == "/o/acme-data/settings/"
    assert alice_client.get("/o/acme/settings/")["Location"] == "/o/acme-data/settings/"


@pytest.mark.parametrize("slug", ["globex", "api", "a", "", "a b"])
def test_an_address_that_cannot_be_is_refused(alice_client, globex, acme, slug):
    assert alice_client.post("/o/acme/settings/address", {"slug": slug}).status_code == 400
    assert Organization.objects.get(pk=acme.pk).slug == "acme"


def test_members_are_listed(alice_client, bob, gary):
    text = alice_client.get("/o/acme/settings/members/").content.decode()
    assert "bob@acme.example" in text
    assert "gary@globex.example" not in text


def test_a_page_of_50_members_takes_as_many_queries_as_one_of_1(alice_client, acme, django_assert_num_queries):
    alice_client.get("/o/acme/settings/members/")
    # Session, person, memberships, the scope (savepoint, what was set, set, release, set back), members, invitations,
    # what the side counts (2).
    with django_assert_num_queries(12):
        alice_client.get("/o/acme/settings/members/")
    MembershipFactory.create_batch(49, organization=acme, role="viewer")
    with django_assert_num_queries(12):
        alice_client.get("/o/acme/settings/members/")


def test_tabs_lead_to_every_settings_page(alice_client):
    from orgs.settings_pages import SETTINGS_PAGES

    text = alice_client.get("/o/acme/settings/").content.decode()
    tabs = text[text.index('aria-label="Settings"') :].partition("</nav>")[0]
    for page in SETTINGS_PAGES:
        assert f">{page.label}</a>" in tabs


@pytest.mark.parametrize("person", ["bob_client", "vera_client"])
def test_who_may_not_open_the_settings_is_not_led_there(request, person):
    client = request.getfixturevalue(person)
    assert 'href="/o/acme/settings/"' not in client.get("/o/acme/start/").content.decode()
    assert client.get("/o/acme/settings/").status_code == 403
