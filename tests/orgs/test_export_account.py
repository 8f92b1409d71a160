"""Everything kept about a person as one file."""

import json

from orgs.models import FormerMembership
from orgs.services import personal_export
from orgs.tenancy import tenant_scope
from tests.conftest import PersonClient, browser_of
from tests.factories import ApiKeyFactory, InvitationFactory, MembershipFactory
from tests.orgs.second_factors import phone_of

PAGE = "/account/export"


def export(client):
    response = client.get(PAGE)
    assert response.status_code == 200
    return response, json.loads(response.getvalue())


def test_it_is_a_file_of_all_that_is_kept(bob, acme, globex, alice):
    phone = phone_of(bob)
    MembershipFactory(organization=globex, user=bob, role="viewer")
    ApiKeyFactory(organization=acme, created_by=bob, name="ci")
    InvitationFactory(organization=acme, invited_by=bob, email="nina@example.com")
    InvitationFactory(organization=globex, email="bob@acme.example")
    client = PersonClient()
    client.post("/login", {"email": bob.email, "password": "correct horse battery"})
    client.post("/login/code", {"code": phone.code()})
    client.post("/account/name", {"name": "Bob"})
    response, told = export(client)
    assert response["Content-Disposition"] == 'attachment; filename="dataxpipe-account.json"'
    assert told["account"]["email"] == "bob@acme.example"
    assert told["account"]["second_factor"]["recovery_codes_left"] == 10
    assert [session["ip_address"] for session in told["sessions"]] == ["127.0.0.1"]
    assert [one["organization"] for one in told["invitations_received"]] == ["globex"]
    in_acme, in_globex = told["organizations"]
    assert (in_acme["slug"], in_acme["role"], in_globex["slug"], in_globex["role"]) == (
        "acme",
        "editor",
        "globex",
        "viewer",
    )
    assert [key["name"] for key in in_acme["api_keys_made"]] == ["ci"]
    assert [one["email"] for one in in_acme["invitations_sent"]] == ["nina@example.com"]
    changed = in_acme["audit_events"][-1]
    assert (changed["action"], changed["is_own"], changed["ip_address"]) == ("member.name_changed", True, "127.0.0.1")
    assert changed["about_you"]["after"] == {"name": "Bob"}
    text = response.getvalue().decode()
    assert all(code not in text for code in phone.recovery_codes)
    assert "password" not in told["account"]
    assert bob.password not in text


def test_what_others_did_to_the_person_is_told_without_their_name(alice, bob, alice_client, bob_client, acme):
    membership = bob.memberships.get()
    alice_client.post(f"/o/acme/settings/members/{membership.pk}/role", {"role": "viewer"})
    _, told = export(bob_client)
    [event] = told["organizations"][0]["audit_events"]
    assert (event["action"], event["is_own"]) == ("member.role_changed", False)
    assert "alice" not in json.dumps(told)


def test_nothing_of_others_is_in_it(bob, acme, gary, globex, bob_client):
    browser_of(gary).post("/account/name", {"name": "Gary"})
    ApiKeyFactory(organization=acme, name="alices-key")
    text = json.dumps(export(bob_client)[1])
    assert "globex" not in text
    assert "gary" not in text
    assert "alices-key" not in text


def test_organizations_one_has_left_still_tell_what_they_remember(bob, acme, alice):
    client = browser_of(bob)
    client.post("/o/acme/leave/")
    _, told = export(client)
    [once] = told["organizations"]
    assert (once["slug"], once["role"]) == ("acme", None)
    assert once["membership_ended_at"]
    assert [event["action"] for event in once["audit_events"]] == ["member.left"]
    assert FormerMembership.objects.filter(user=bob).exists()


def test_long_memories_come_in_pieces(bob, acme, monkeypatch):
    monkeypatch.setattr(personal_export, "EVENTS_A_PIECE", 2)
    client = browser_of(bob)
    for number in range(5):
        client.post("/account/name", {"name": f"Bob {number}"})
    events = export(client)[1]["organizations"][0]["audit_events"]
    assert [event["about_you"]["after"]["name"] for event in events] == [f"Bob {number}" for number in range(5)]


def test_somebody_in_no_organization_gets_theirs_too(bob, acme, alice):
    acme.memberships.filter(user=bob).delete()
    assert export(browser_of(bob))[1]["organizations"] == []
    with tenant_scope(acme):
        pass  # and no scope is left open by the stream
