import threading

import pytest
from django.db import connection

from orgs.models import AuditEvent, Invitation, Membership
from orgs.tenancy import tenant_scope
from tests.conftest import _member, browser_of
from tests.factories import InvitationFactory, OrganizationFactory

MEMBERS = "/o/acme/settings/members/"
API = "/api/v1/members/"


@pytest.fixture
def ada(acme):
    return _member(acme, "ada", "admin")


@pytest.fixture
def ada_client(ada):
    return browser_of(ada)


def membership(person):
    return Membership.objects.get(user=person)


def role_of(person):
    return Membership.objects.filter(user=person).values_list("role", flat=True).first()


def give(client, person, role, **more):
    return client.post(f"{MEMBERS}{membership(person).pk}/role", {"role": role, **more})


def remove(client, person):
    return client.post(f"{MEMBERS}{membership(person).pk}/remove")


def transfer(client, person):
    return client.post(f"{MEMBERS}{membership(person).pk}/transfer")


def remembered(organization):
    with tenant_scope(organization):
        rows = AuditEvent.objects.order_by("id").as_rows()
        return [(row["action"], row["label"], row["before"], row["after"]) for row in rows]


def test_a_role_counts_from_the_next_request_on(alice_client, acme, vera, vera_client):
    assert vera_client.get("/o/acme/settings/").status_code == 403
    assert give(alice_client, vera, "admin")["Location"] == MEMBERS
    assert vera_client.get("/o/acme/settings/").status_code == 200
    assert remembered(acme) == [("member.role_changed", vera.email, {"role": "viewer"}, {"role": "admin"})]


def test_the_same_role_again_is_not_remembered(alice_client, acme, vera):
    give(alice_client, vera, "viewer")
    assert remembered(acme) == []


def test_a_removed_person_is_a_stranger_at_the_next_request(alice_client, acme, bob, bob_client):
    assert bob_client.get("/o/acme/start/").status_code == 200
    remove(alice_client, bob)
    assert bob_client.get("/o/acme/start/").status_code == 404
    assert remembered(acme) == [("member.removed", bob.email, {"role": "editor"}, None)]


def test_everybody_may_leave(acme, alice, vera, vera_client):
    assert vera_client.get("/o/acme/leave/").status_code == 200
    assert vera_client.post("/o/acme/leave/")["Location"] == "/organizations"
    assert vera_client.get("/o/acme/start/").status_code == 404
    assert remembered(acme) == [("member.left", vera.email, {"role": "viewer"}, None)]


def test_the_last_owner_neither_leaves_nor_is_lowered_nor_removed(alice, alice_client, acme, ada):
    response = alice_client.post("/o/acme/leave/")
    assert response.status_code == 409
    assert "only owner" in response.content.decode()
    give(alice_client, alice, "admin")
    remove(alice_client, alice)
    assert role_of(alice) == "owner"
    assert "only owner" in alice_client.get(MEMBERS).content.decode()
    assert remembered(acme) == []


def test_an_owner_beside_another_may_go(alice, alice_client, acme):
    _member(acme, "olga", "owner")
    alice_client.post("/o/acme/leave/")
    assert role_of(alice) is None


def test_an_owner_who_steps_down_is_led_on(alice, alice_client, acme):
    _member(acme, "olga", "owner")
    assert give(alice_client, alice, "viewer")["Location"] == "/"
    assert role_of(alice) == "viewer"


def test_admins_neither_touch_owners_nor_make_any(ada, ada_client, alice, vera, acme):
    _member(acme, "olga", "owner")
    assert give(ada_client, alice, "viewer").status_code == 403
    assert remove(ada_client, alice).status_code == 403
    assert give(ada_client, vera, "owner").status_code == 400
    assert give(ada_client, ada, "owner").status_code == 400
    assert transfer(ada_client, ada).status_code == 403
    assert (role_of(alice), role_of(vera), role_of(ada)) == ("owner", "viewer", "admin")
    assert remembered(acme) == []


def test_admins_manage_everybody_else(ada_client, acme, bob, vera):
    give(ada_client, vera, "admin")
    remove(ada_client, bob)
    assert (role_of(vera), role_of(bob)) == ("admin", None)


@pytest.mark.parametrize("person", ["bob", "vera"])
def test_editors_and_viewers_change_nobody(request, person, alice, acme):
    client = request.getfixturevalue(f"{person}_client")
    target = request.getfixturevalue(person)
    for call in (
        lambda: give(client, target, "admin"),
        lambda: remove(client, alice),
        lambda: transfer(client, target),
    ):
        assert call().status_code == 403
    assert remembered(acme) == []


def test_handing_over_makes_an_owner_and_an_admin(alice, alice_client, acme, bob):
    transfer(alice_client, bob)
    assert (role_of(alice), role_of(bob)) == ("admin", "owner")
    assert [action for action, *_ in remembered(acme)] == [
        "member.role_changed",
        "member.role_changed",
        "organization.transferred",
    ]
    assert remembered(acme)[-1][1] == "bob@acme.example"


def test_handing_over_to_oneself_changes_nothing(alice, alice_client, acme):
    transfer(alice_client, alice)
    assert role_of(alice) == "owner"
    assert remembered(acme) == []


def test_invitations_of_who_may_not_invite_any_more_end(alice, alice_client, ada, acme):
    theirs = InvitationFactory(organization=acme, invited_by=ada)
    others = InvitationFactory(organization=acme, invited_by=alice)
    give(alice_client, ada, "editor")
    assert Invitation.objects.get(pk=theirs.pk).status == "revoked"
    assert Invitation.objects.get(pk=others.pk).status == "pending"


def test_an_owner_who_becomes_admin_takes_back_offers_of_ownership_alone(alice, alice_client, acme, bob):
    above = InvitationFactory(organization=acme, invited_by=alice, role="owner")
    below = InvitationFactory(organization=acme, invited_by=alice, role="admin")
    transfer(alice_client, bob)
    assert Invitation.objects.get(pk=above.pk).status == "revoked"
    assert Invitation.objects.get(pk=below.pk).status == "pending"


def test_members_of_another_organization_are_out_of_reach(alice_client, api, gary, globex):
    foreign = membership(gary)
    for path, body in (("role", {"role": "viewer"}), ("remove", {}), ("transfer", {})):
        assert alice_client.post(f"{MEMBERS}{foreign.pk}/{path}", body).status_code == 404
    assert api.patch(f"{API}{foreign.pk}", {"role": "viewer"}).status_code == 404
    assert api.delete(f"{API}{foreign.pk}").status_code == 404
    assert role_of(gary) == "owner"
    assert remembered(globex) == []


@pytest.mark.parametrize("text", ["0", "-1", "x", "1e3", "99999999999999999999999999", "²", "٣"])
def test_what_is_no_id_finds_nobody(api, alice_client, text):
    assert api.get(f"{API}{text}").status_code == 404
    assert alice_client.post(f"{MEMBERS}{text}/remove").status_code == 404


def test_fields_that_are_not_in_the_form_change_nothing(alice, alice_client, vera, globex):
    give(alice_client, vera, "editor", user=alice.pk, organization=globex.pk, organization_id=globex.pk, id="1")
    changed = membership(vera)
    assert (changed.organization.slug, changed.role) == ("acme", "editor")


def test_a_key_reads_changes_and_removes(api, vera, acme):
    path = f"{API}{membership(vera).pk}"
    assert api.get(path).json()["email"] == vera.email
    assert api.patch(path, {"role": "editor"}).json()["role"] == "editor"
    assert api.delete(path).status_code == 204
    assert role_of(vera) is None
    assert [action for action, *_ in remembered(acme)] == ["member.role_changed", "member.removed"]


@pytest.mark.parametrize(
    "body",
    [{}, {"role": "king"}, {"role": None}, {"role": "editor", "user": 1}, {"role": "editor", "organization_id": 1},
     {"role": "editor", "id": 1}, {"email": "evil@evil.example"}, []],
)  # fmt: skip
def test_a_body_that_makes_no_sense_is_refused(api, vera, acme, body):
    assert api.patch(f"{API}{membership(vera).pk}", body).status_code == 400
    assert role_of(vera) == "viewer"
    assert remembered(acme) == []


def test_keys_neither_touch_owners_nor_make_any(api, alice, vera, acme):
    _member(acme, "olga", "owner")
    assert api.patch(f"{API}{membership(alice).pk}", {"role": "viewer"}).status_code == 403
    assert api.delete(f"{API}{membership(alice).pk}").status_code == 403
    assert api.patch(f"{API}{membership(vera).pk}", {"role": "owner"}).status_code == 403
    assert (role_of(alice), role_of(vera)) == ("owner", "viewer")


@pytest.mark.parametrize("panel", ["change", "remove", "transfer"])
def test_panels_name_the_member(alice_client, vera, panel):
    text = alice_client.get(f"{MEMBERS}?{panel}={membership(vera).pk}").content.decode()
    assert vera.email in text[text.index("panel-title") :]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["leave", "lower each other"])
def test_of_owners_who_go_at_once_one_stays(way):
    organization = OrganizationFactory(slug="acme")
    owners = [_member(organization, f"owner-{n}", "owner") for n in range(4)]
    others = [membership(owners[(n + 1) % 4]).pk for n in range(4)]
    barrier, statuses = threading.Barrier(4), []

    def go(owner, other):
        client = browser_of(owner)
        barrier.wait()
        path, body = ("/o/acme/leave/", {}) if way == "leave" else (f"{MEMBERS}{other}/role", {"role": "viewer"})
        try:
            statuses.append(client.post(path, body).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=pair) for pair in zip(owners, others, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(statuses) == 4
    left = organization.memberships.filter(role="owner").count()
    assert left >= 1
    if way == "leave":
        assert left == 1
        assert sorted(statuses) == [302, 302, 302, 409]
