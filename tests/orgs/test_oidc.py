"""Logging in at an identity provider, served over real HTTP, and its tokens at the API."""

import base64
import hashlib
import ipaddress
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from orgs import issuers
from orgs.attempts import Pace
from orgs.models import AuditEvent, OidcIdentity, User
from orgs.services.oidc_identities import linked_person
from orgs.tenancy import tenant_scope
from tests.conftest import ApiClient, PersonClient, _member
from tests.factories import MembershipFactory, UserFactory
from tests.factories.issuer import RSA_KEYS, Issuer, give
from tests.orgs.second_factors import phone_of

ME = "/api/v1/organizations/me"
CLIENT = "dataxpipe-web"


@pytest.fixture
def provider(settings):
    settings.OUTBOUND_ALLOWED = [ipaddress.ip_network("127.0.0.1")]
    issuers.forget_keys()
    provider = Issuer()
    settings.OIDC_ISSUER = provider.url
    settings.OIDC_RP_CLIENT_ID, settings.OIDC_RP_CLIENT_SECRET = CLIENT, "secret"
    settings.OIDC_NAME = "Acme ID"
    settings.OIDC_API_AUDIENCES = ["https://catalog.example.com"]
    yield provider
    provider.close()


def claims_of(**changed):
    """What the provider says of alice; None leaves a claim out."""
    person = {"sub": "alice-1", "email": "alice@acme.example", "email_verified": True, "name": "Alice", "aud": CLIENT}
    return {**person, **changed}


def begin(client, path="/login/oidc"):
    """The parameters the browser carries to the provider."""
    response = client.get(path)
    assert response.status_code == 302, response.content
    return {name: values[0] for name, values in parse_qs(urlsplit(response["Location"]).query).items()}


def come_back(client, provider, asked, *, key=RSA_KEYS[0], algorithm="RS256", state=None, **changed):
    token = provider.token(key=key, algorithm=algorithm, **{"nonce": asked["nonce"], **claims_of(**changed)})
    answer = json.dumps({"access_token": "x", "id_token": token, "token_type": "Bearer"}).encode()
    provider.answers["/token"] = lambda handler: give(handler, 200, answer)
    return client.get(f"/login/oidc/callback?code=c0de&state={state or asked['state']}")


def is_in(client):
    return client.get("/account/").status_code == 200


def test_a_member_comes_in_by_the_verified_address_and_later_by_the_subject(provider, alice, acme):
    client = PersonClient()
    assert "Log in with Acme ID" in client.get("/login").content.decode()
    asked = begin(client, "/login/oidc?next=/o/acme/pipelines/")
    response = come_back(client, provider, asked)
    assert response["Location"] == "/o/acme/pipelines/"
    assert is_in(client)
    assert linked_person(provider.url, "alice-1") == alice
    with tenant_scope(acme):
        assert AuditEvent.objects.get(action="member.identity_linked").after == {"issuer": provider.url}
    again = PersonClient()
    come_back(again, provider, begin(again), email="renamed@elsewhere.example")
    assert is_in(again)
    assert User.objects.count() == 1
    assert PersonClient().get("/o/acme/").status_code == 302


def test_the_flow_has_state_nonce_and_pkce(provider, alice):
    client = PersonClient()
    asked = begin(client)
    assert asked["client_id"] == CLIENT
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["state"]) >= 32
    assert len(asked["nonce"]) >= 32
    come_back(client, provider, asked)
    (form,) = provider.posted
    verifier = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(verifier).rstrip(b"=").decode() == asked["code_challenge"]
    assert (form["grant_type"], form["code"]) == ("authorization_code", "c0de")
    assert form["redirect_uri"] == "http://testserver/login/oidc/callback"


def test_somebody_new_gets_an_account_without_a_password(provider, db):
    client = PersonClient()
    assert come_back(client, provider, begin(client), sub="new-1", email="New@Example.com")["Location"] == "/"
    user = User.objects.get()
    assert (user.email, user.name, user.has_usable_password()) == ("new@example.com", "Alice", False)
    assert user.email_confirmed_at is not None
    assert is_in(client)


def test_whoever_signed_up_with_the_address_of_somebody_else_is_put_out(provider, db):
    squatter = UserFactory(email="alice@acme.example", email_confirmed_at=None)
    squatting, client = PersonClient(), PersonClient()
    squatting.force_login(squatter)
    come_back(client, provider, begin(client))
    assert is_in(client)
    assert not is_in(squatting)
    squatter.refresh_from_db()
    assert not squatter.has_usable_password()


WRONG = {
    "another client": {"aud": "another-client"},
    "another client too": {"aud": [CLIENT, "another-client"]},
    "made for another client": {"azp": "another-client"},
    "another issuer": {"iss": "https://evil.example"},
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "an address that nobody verified": {"email_verified": False},
    "an address without a word": {"email_verified": None},
    "an address verified by a number": {"email_verified": 1.5},
    "no address": {"email": ""},
    "somebody else's key": {"key": RSA_KEYS[1]},
    "a secret instead of a key": {"key": "secret" * 10, "algorithm": "HS256"},
    "no subject": {"sub": None},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_token_that_is_wrong_lets_nobody_in(provider, alice, wrong):
    client = PersonClient()
    response = come_back(client, provider, begin(client), **WRONG[wrong])
    assert response["Location"] == "/login"
    assert not is_in(client)
    assert not OidcIdentity.objects.exists()
    assert "That did not work" in client.get("/login").content.decode()


def test_an_expired_token_lets_nobody_in(provider, alice):
    client, past = PersonClient(), int(timezone.now().timestamp()) - 3600
    come_back(client, provider, begin(client), iat=past, exp=past + 60)
    assert not is_in(client)


def test_a_state_is_good_once_and_in_its_own_browser(provider, alice):
    client, other = PersonClient(), PersonClient()
    asked = begin(client)
    assert come_back(other, provider, asked)["Location"] == "/login"
    assert come_back(client, provider, asked, state="made-up")["Location"] == "/login"
    come_back(client, provider, asked)
    assert is_in(client)
    client.post("/logout")
    come_back(client, provider, asked)
    assert not is_in(client)


@pytest.mark.parametrize(
    "answer",
    [(500, b"{}"), (200, b"<html>"), (200, b"[]"), (200, b"{}"), (200, b'{"id_token": 7}'), (302, b"")],
    ids=str,
)
def test_a_provider_that_answers_oddly_lets_nobody_in(provider, alice, answer):
    client = PersonClient()
    asked = begin(client)
    provider.answers["/token"] = lambda handler: give(handler, *answer, Location="/elsewhere")
    assert client.get(f"/login/oidc/callback?code=x&state={asked['state']}")["Location"] == "/login"
    assert not is_in(client)
    assert provider.asked[-1] == "/token"


def test_a_provider_that_is_away_breaks_nothing_else(provider, alice):
    provider.close()
    client = PersonClient()
    assert client.get("/login/oidc")["Location"] == "/login"
    assert client.get("/login").status_code == 200


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_coming_back_leads_to_this_site_alone(provider, alice, wanted):
    client = PersonClient()
    assert come_back(client, provider, begin(client, f"/login/oidc?next={wanted}"))["Location"] == "/"


def test_a_closed_account_stays_closed(provider, alice):
    User.objects.update(is_active=False)
    client = PersonClient()
    come_back(client, provider, begin(client))
    assert not is_in(client)


def test_the_address_may_come_from_the_user_endpoint_for_the_same_person_alone(provider, alice):
    said = {"sub": "alice-1", "email": "alice@acme.example", "email_verified": True}
    provider.answers["/userinfo"] = lambda handler: give(handler, 200, json.dumps(said).encode())
    client = PersonClient()
    said["sub"] = "somebody-else"
    come_back(client, provider, begin(client), email=None, email_verified=None)
    assert not is_in(client)
    said["sub"] = "alice-1"
    come_back(client, provider, begin(client), email=None, email_verified=None)
    assert is_in(client)


def test_without_a_provider_there_is_no_button_and_no_way(client, db):
    assert "Log in with" not in client.get("/login").content.decode()
    assert client.get("/login/oidc").status_code == 404


@pytest.fixture
def linked(provider, alice):
    OidcIdentity.objects.create(user=alice, issuer=provider.url, subject="alice-1")
    return alice


def api_with(provider, *, organization=None, **changed):
    client = ApiClient()
    token = provider.token(**{"sub": "alice-1", **changed})
    client.headers = {"Authorization": f"Bearer {token}"} | ({"X-Organization": organization} if organization else {})
    return client


def test_a_person_asks_the_api_as_a_member_of_the_only_organization(provider, linked, acme):
    api = api_with(provider)
    assert api.get(ME).json()["slug"] == "acme"
    made = api.post("/api/v1/api-keys/", {"name": "ci", "preset": "ci"}).json()
    assert (made["created_by"], made["has_creator_left"]) == ("alice", False)
    with tenant_scope(acme):
        event = AuditEvent.objects.get(action="api_key.created")
    assert (event.actor_kind, event.actor_id) == ("person", str(linked.pk))


def test_a_role_is_what_decides(provider, acme, vera):
    OidcIdentity.objects.create(user=vera, issuer=provider.url, subject="vera-1")
    api = api_with(provider, sub="vera-1")
    assert api.get("/api/v1/pipelines/").status_code == 200
    refused = api.get("/api/v1/api-keys/")
    assert (refused.status_code, refused.json()["required"]) == (403, "admin")


def test_with_several_organizations_one_is_named(provider, linked, acme, globex):
    MembershipFactory(organization=globex, user=linked, role="viewer")
    asked = api_with(provider).get(ME)
    assert asked.status_code == 400
    assert asked.json()["type"] == "/problems/organization-needed"
    assert asked.json()["organizations"] == ["acme", "globex"]
    assert api_with(provider, organization="globex").get(ME).json()["slug"] == "globex"


def test_an_organization_of_others_is_answered_as_one_that_does_not_exist(provider, linked, globex):
    theirs, unknown = (api_with(provider, organization=slug).get(ME) for slug in ("globex", "nobody-here"))
    assert (theirs.status_code, theirs.json()) == (404, unknown.json())


def test_whoever_belongs_nowhere_is_told_so(provider, db):
    OidcIdentity.objects.create(user=UserFactory(), issuer=provider.url, subject="alice-1")
    assert api_with(provider).get(ME).json()["organizations"] == []


def wrong_tokens(now):
    return {
        "another audience": {"aud": CLIENT},
        "another issuer": {"iss": "https://evil.example"},
        "an identity nobody has": {"sub": "alice-2"},
        "expired": {"iat": now - 600, "exp": now - 300},
        "no end": {"exp": None},
        "not signed by the provider": {"key": RSA_KEYS[1]},
        "signed with a secret": {"key": "secret" * 10, "algorithm": "HS256"},
    }


@pytest.mark.parametrize("wrong", wrong_tokens(0))
def test_a_wrong_token_opens_nothing(provider, linked, wrong):
    changed = wrong_tokens(int(timezone.now().timestamp()))[wrong]
    response = api_with(provider, **changed).get(ME)
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_a_removed_member_and_a_closed_account_are_out_at_the_next_request(provider, linked, acme):
    api = api_with(provider)
    assert api.get(ME).status_code == 200
    linked.memberships.all().delete()
    assert api.get(ME).status_code == 400
    MembershipFactory(organization=acme, user=linked)
    User.objects.update(is_active=False)
    assert api.get(ME).status_code == 401


def test_an_organization_that_asks_for_a_second_factor_asks_here_too(provider, linked, acme):
    acme.settings = {"require_second_factor": "yes"}
    acme.save()
    assert api_with(provider).get(ME).status_code == 403


def test_without_a_provider_a_token_is_no_credential(db, settings, provider):
    token = provider.token()
    settings.OIDC_ISSUER = ""
    assert ApiClient().get(ME, headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert provider.asked == []


def test_a_token_is_asked_about_once_an_hour(provider, linked):
    for _ in range(3):
        assert api_with(provider).get(ME).status_code == 200
    assert len(provider.asked) == 2


def test_keys_go_on_working_beside(provider, api):
    assert api.get(ME).status_code == 200
    assert ApiClient().get(ME, headers={"Authorization": f"Bearer {api.api_key.text}"}).status_code == 200


def test_members_added_later_are_found(provider, linked, acme):
    later = _member(acme, "later", "editor")
    OidcIdentity.objects.create(user=later, issuer=provider.url, subject="later-1")
    assert api_with(provider, sub="later-1").get(ME).status_code == 200


def test_a_squatters_phone_does_not_keep_the_owner_of_the_address_out(provider, db):
    squatter = UserFactory(email="alice@acme.example", email_confirmed_at=None)
    phone_of(squatter)
    client = PersonClient()
    come_back(client, provider, begin(client))
    assert is_in(client)
    assert not squatter.has_second_factor


def test_a_provider_that_asked_nothing_is_no_proof_for_who_has_a_password(provider, alice, acme):
    client = PersonClient()
    come_back(client, provider, begin(client))
    assert client.get("/account/export")["Location"].startswith("/prove")
    client.post("/prove?next=/account/export", {"password": "correct horse battery"})
    assert client.get("/account/export").status_code == 200


def test_it_is_one_for_who_has_no_password_and_with_a_second_factor(provider, alice):
    client = PersonClient()
    come_back(client, provider, begin(client), sub="new-1", email="new@example.com")
    assert client.get("/account/export").status_code == 200
    phone = phone_of(alice)
    client = PersonClient()
    come_back(client, provider, begin(client))
    client.post("/login/code", {"code": phone.code()})
    assert client.get("/account/export").status_code == 200


@pytest.mark.usefixtures("limits")
def test_nobody_begins_logins_without_end(provider, db, monkeypatch):
    monkeypatch.setattr("orgs.views.oidc.STARTS", Pace(3, 86_400))
    assert [PersonClient().get("/login/oidc").status_code for _ in range(4)] == [302, 302, 302, 429]
