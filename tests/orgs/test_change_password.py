import pytest
from django.core import mail

from orgs.models import AuditEvent, User
from orgs.services.passwords import reset_token
from orgs.tenancy import tenant_scope
from tests.conftest import PersonClient, browser_of

OLD, NEW = "correct horse battery", "a brand new pass phrase"


def change(client, current=OLD, password=NEW, **more):
    return client.post("/account/password", {"current": current, "password": password, **more})


def test_the_new_password_is_set_here_and_every_other_session_ends(
    alice, alice_client, django_capture_on_commit_callbacks
):
    elsewhere = browser_of(alice)
    with django_capture_on_commit_callbacks(execute=True):
        assert change(alice_client)["Location"] == "/account/"
    assert User.objects.get(pk=alice.pk).check_password(NEW)
    assert "logged out everywhere else" in alice_client.get("/account/").content.decode()
    assert elsewhere.get("/account/").status_code == 302
    assert (mail.outbox[0].to, mail.outbox[0].subject) == (["alice@acme.example"], "Your password was changed")


def test_it_is_remembered(alice_client, acme):
    change(alice_client)
    with tenant_scope(acme):
        event = AuditEvent.objects.as_rows().get()
        assert (event["action"], event["label"]) == ("member.password_changed", "alice@acme.example")


def test_a_reset_link_that_is_out_stops_working(alice, alice_client):
    link = f"/reset/{reset_token(alice)}"
    change(alice_client)
    assert alice_client.get(link).status_code == 400


@pytest.mark.parametrize(
    ("current", "password", "says"),
    [
        ("wrong horse battery", NEW, "not your current password"),
        ("", NEW, "required"),
        (OLD, "short", "too short"),
        (OLD, "alice@acme.example", "too similar"),
    ],
)
def test_what_cannot_be_is_said_at_the_field_and_nothing_changes(alice, alice_client, acme, current, password, says):
    response = change(alice_client, current, password)
    assert response.status_code == 400
    text = response.content.decode()
    assert says in text
    assert NEW not in text
    assert User.objects.get(pk=alice.pk).check_password(OLD)
    assert alice_client.get("/account/").status_code == 200
    with tenant_scope(acme):
        assert not AuditEvent.objects.exists()


def test_somebody_else_is_not_named_in_the_form(alice, bob, alice_client):
    change(alice_client, user=str(bob.pk), id=str(bob.pk), email="bob@acme.example", is_superuser="on")
    assert User.objects.get(pk=bob.pk).check_password(OLD)
    assert not User.objects.get(pk=alice.pk).is_superuser


def test_a_visitor_is_led_to_the_login(db):
    assert change(PersonClient())["Location"].startswith("/login")
