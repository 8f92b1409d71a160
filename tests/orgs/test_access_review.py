"""Who can get in, on one page, with a button that ends it."""

import datetime
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories import ApiKeyFactory, InvitationFactory, MembershipFactory

URL = "/o/acme/settings/access/"
pytestmark = pytest.mark.django_db


def text_of(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_people_invitations_and_keys_stand_there(acme, bob, alice_client):
    ApiKeyFactory(organization=acme, name="nightly", scopes=["ingest:write"])
    InvitationFactory(organization=acme, email="nina@example.com")
    text = text_of(alice_client.get(URL))
    assert all(word in text for word in ("bob@acme.example", "nightly", "ingest:write", "nina@example.com"))


def test_the_longest_unused_key_comes_first(acme, alice_client):
    now = timezone.now()
    for name, days in (("fresh", 1), ("stale", 200)):
        ApiKeyFactory(organization=acme, name=name, last_used_at=now - datetime.timedelta(days=days))
    ApiKeyFactory(organization=acme, name="unused")
    text = text_of(alice_client.get(URL)).partition("API keys that")[2] or text_of(alice_client.get(URL))
    assert text.index("unused dxp_") < text.index("stale dxp_") < text.index("fresh dxp_")


def test_keys_that_have_ended_do_not(acme, alice_client):
    ApiKeyFactory(organization=acme, name="gone", revoked_at=timezone.now())
    assert "gone" not in text_of(alice_client.get(URL))


def test_one_click_ends_each_and_leads_back(acme, bob, alice_client):
    key = ApiKeyFactory(organization=acme, name="nightly")
    invitation = InvitationFactory(organization=acme)
    page = alice_client.get(URL).content.decode()
    for form in re.findall(r'<form method="post"\s+action="(/o/acme/settings/[^"]+)">(.*?)</form>', page, re.DOTALL):
        action, fields = form
        data = dict(re.findall(r'name="(\w+)" value="([^"]*)"', fields))
        if str(key.pk) in action or str(invitation.pk) in action or "members" in action:
            assert alice_client.post(action, data)["Location"] == URL
    key.refresh_from_db()
    invitation.refresh_from_db()
    assert key.revoked_at
    assert invitation.revoked_at
    assert not acme.memberships.filter(user=bob).exists()


def test_the_same_as_csv(acme, alice_client):
    ApiKeyFactory(organization=acme, name="=nightly", scopes=["ingest:write"])
    lines = alice_client.get(URL + "?format=csv").content.decode().splitlines()
    assert lines[0] == "kind,name,access,created_by,created_at,last_used_at,ends_at"
    assert any(line.startswith("person,alice@acme.example,owner") for line in lines)
    assert any(line.startswith("api_key,'=nightly dxp_") for line in lines)


def test_another_organizations_people_are_not_there(acme, globex, gary, alice_client):
    ApiKeyFactory(organization=globex, name="theirs")
    text = text_of(alice_client.get(URL))
    assert "theirs" not in text
    assert gary.email not in text


def test_50_of_each_take_as_many_queries_as_1(acme, alice_client):
    numbers = []
    for count in (1, 49):
        for number in range(count):
            MembershipFactory(organization=acme, role="viewer")
            InvitationFactory(organization=acme, email=f"{count}-{number}@example.com")
            ApiKeyFactory(organization=acme)
        alice_client.get(URL)
        with CaptureQueriesContext(connection) as queries:
            assert alice_client.get(URL).status_code == 200
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]
