import pytest

from orgs.models import AuditEvent, AuditSubject, User
from orgs.tenancy import tenant_scope


def test_the_new_name_is_shown_and_remembered(bob, bob_client, acme):
    assert bob_client.post("/account/name", {"name": "Bob of Acme"})["Location"] == "/account/"
    assert 'value="Bob of Acme"' in bob_client.get("/account/").content.decode()
    with tenant_scope(acme):
        assert AuditEvent.objects.get().action == "member.name_changed"
        assert AuditSubject.objects.get().details == {"before": {"name": "bob"}, "after": {"name": "Bob of Acme"}}


def test_the_same_name_is_no_change(bob, bob_client, acme):
    bob_client.post("/account/name", {"name": "bob"})
    with tenant_scope(acme):
        assert not AuditEvent.objects.exists()


def test_no_name_is_fine(bob, bob_client):
    bob_client.post("/account/name", {"name": ""})
    assert User.objects.get(pk=bob.pk).label == "bob"


@pytest.mark.parametrize("name", ["x" * 101, "a\x00b"])
def test_what_cannot_be_a_name_is_refused(bob, bob_client, name):
    assert bob_client.post("/account/name", {"name": name}).status_code == 400
    assert User.objects.get(pk=bob.pk).name == "bob"


def test_markup_is_shown_as_text(bob_client):
    bob_client.post("/account/name", {"name": "<script>alert(1)</script>"})
    assert "<script>alert" not in bob_client.get("/account/").content.decode()
