import datetime

import pytest
from django.utils import timezone

from orgs.models import ApiKey, AuditEvent, TrustedPublisher
from orgs.services import trusted_publishers
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories import ApiKeyFactory, TrustedPublisherFactory

URL = "/api/v1/trusted-publishers/"
PAGE = "/o/acme/settings/publishers/"
TRUST = {
    "name": "github",
    "issuer": "https://token.actions.githubusercontent.com",
    "audience": "https://catalog.example.com",
    "subject_pattern": "repo:acme/*:environment:production",
    "scopes": ["plan:read", "catalog:write"],
}


def events(organization, action):
    with tenant_scope(organization):
        return list(AuditEvent.objects.filter(action=action))


def test_a_publisher_is_trusted_changed_and_removed(api, acme):
    made = api.post(URL, TRUST | {"allowed_namespaces": ["prod"]})
    assert made.status_code == 201, made.content
    body = made.json()
    assert TRUST.items() <= body.items()
    assert (body["allowed_namespaces"], body["last_used_at"]) == (["prod"], None)
    assert api.get(f"{URL}{body['id']}").json() == body
    assert [row["id"] for row in api.get(URL).json()["results"]] == [body["id"]]
    changed = api.patch(f"{URL}{body['id']}", {"subject_pattern": "repo:acme/data:environment:production"})
    assert changed.json()["subject_pattern"] == "repo:acme/data:environment:production"
    assert changed.json()["scopes"] == body["scopes"]
    assert api.delete(f"{URL}{body['id']}").status_code == 204
    assert api.get(f"{URL}{body['id']}").status_code == 404
    assert events(acme, "trusted_publisher.created")[0].after["issuer"] == TRUST["issuer"]
    (change,) = events(acme, "trusted_publisher.updated")
    assert change.before == {"subject_pattern": TRUST["subject_pattern"]}
    assert events(acme, "trusted_publisher.deleted")[0].before["name"] == "github"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"issuer": "http://ci.example.com"}, "/issuer"),
        ({"issuer": "ci.example.com"}, "/issuer"),
        ({"issuer": "https://user:secret@ci.example.com"}, "/issuer"),
        ({"issuer": "https://ci.example.com/?x=1"}, "/issuer"),
        ({"issuer": "file:///etc/passwd"}, "/issuer"),
        ({"issuer": "https://ci.example.com/ö"}, "/issuer"),
        ({"issuer": "https://[::1"}, "/issuer"),
        ({"audience": ""}, "/audience"),
        ({"audience": "ö"}, "/audience"),
        ({"subject_pattern": "repo:*"}, "/subject_pattern"),
        ({"subject_pattern": "*"}, "/subject_pattern"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["owner"]}, "/scopes/0"),
        ({"name": "x" * 101}, "/name"),
        ({"organization": "globex"}, "/organization"),
        ({"created_by": "x"}, "/created_by"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_with_its_place(api, change, pointer):
    response = api.post(URL, TRUST | change)
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert not TrustedPublisher.objects.exists()


def test_the_same_trust_twice_is_a_conflict(api):
    assert api.post(URL, TRUST).status_code == 201
    again = api.post(URL, TRUST | {"name": "other"})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/publisher-exists")


def test_there_is_an_end_to_trust(api, acme, monkeypatch):
    monkeypatch.setattr(trusted_publishers, "MOST_PUBLISHERS", 2)
    TrustedPublisherFactory.create_batch(2, organization=acme)
    assert api.post(URL, TRUST).json()["type"] == "/problems/too-many-publishers"


@pytest.mark.parametrize(
    "limits",
    [
        {"scopes": ["organization:admin"]},
        {"expires_at": datetime.datetime(2999, 1, 1, tzinfo=datetime.UTC)},
        {"allowed_cidrs": ["127.0.0.0/8"]},
        {"allowed_namespaces": ["prod"]},
    ],
    ids=str,
)
def test_a_limited_key_trusts_nobody_with_more_than_itself(acme, limits):
    narrow, publisher = api_of(acme, **limits), TrustedPublisherFactory(organization=acme, scopes=["catalog:write"])
    assert narrow.post(URL, TRUST).json()["type"] == "/problems/key-too-wide"
    turned = narrow.patch(
        f"{URL}{publisher.pk}", {"subject_pattern": "repo:evil/x:y", "scopes": ["organization:admin"]}
    )
    assert turned.status_code == 403
    assert TrustedPublisher.objects.get().subject_pattern == publisher.subject_pattern


def test_removing_a_publisher_stops_its_keys_at_once(api, acme):
    publisher = TrustedPublisherFactory(organization=acme)
    running = ApiKeyFactory(organization=acme, publisher=publisher, created_by_kind="publisher")
    other = ApiKeyFactory(organization=acme)
    assert api.delete(f"{URL}{publisher.pk}").status_code == 204
    assert ApiKey.objects.get(pk=running.pk).status == "revoked"
    assert ApiKey.objects.get(pk=other.pk).status == "active"


def test_the_page_trusts_changes_and_removes(alice_client, acme, alice):
    assert "No publisher is trusted yet" in alice_client.get(PAGE).content.decode()
    assert "repo:acme/data:ref" in alice_client.get(f"{PAGE}?new=1").content.decode()
    assert alice_client.post(PAGE, TRUST | {"allowed_namespaces": "prod, test"})["Location"] == PAGE
    publisher = TrustedPublisher.objects.get()
    assert (publisher.allowed_namespaces, publisher.created_by) == (["prod", "test"], alice)
    text = alice_client.get(PAGE).content.decode()
    assert "repo:acme/*:environment:production" in text
    assert "&quot;organization\\&quot;: \\&quot;acme\\&quot;" in text
    assert 'value="prod, test"' in alice_client.get(f"{PAGE}?change={publisher.pk}").content.decode()
    alice_client.post(f"{PAGE}{publisher.pk}/change", TRUST | {"name": "gitlab"})
    publisher.refresh_from_db()
    assert (publisher.name, publisher.allowed_namespaces) == ("gitlab", [])
    assert "Remove gitlab" in alice_client.get(f"{PAGE}?delete={publisher.pk}").content.decode()
    assert alice_client.post(f"{PAGE}{publisher.pk}/delete")["Location"] == PAGE
    assert not TrustedPublisher.objects.exists()


@pytest.mark.parametrize(
    "change", [{"subject_pattern": "repo:*"}, {"issuer": "x"}, {"scopes": []}, {"name": ""}], ids=str
)
def test_the_form_says_at_the_field_what_is_wrong(alice_client, acme, change):
    response = alice_client.post(PAGE, TRUST | change)
    assert response.status_code == 400
    assert 'class="errs"' in response.content.decode() or "invalid" in response.content.decode()
    assert not TrustedPublisher.objects.exists()


def test_names_are_text(alice_client, acme):
    publisher = TrustedPublisherFactory(
        organization=acme, name="<img src=x>", last_subject="<b>", last_used_at=timezone.now()
    )
    for path in ("", f"?change={publisher.pk}", f"?delete={publisher.pk}"):
        assert "<img src=x" not in alice_client.get(PAGE + path).content.decode()


def test_a_page_of_50_takes_as_many_queries_as_one_of_1(api, acme, django_assert_max_num_queries):
    TrustedPublisherFactory.create_batch(49, organization=acme)
    api.get(URL)
    with django_assert_max_num_queries(8):
        assert len(api.get(URL).json()["results"]) == 49
