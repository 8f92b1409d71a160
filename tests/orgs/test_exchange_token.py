"""`POST /api/v1/tokens`: a CI platform's token for a key of 15 minutes, and everything that is none."""

import base64
import datetime
import hashlib
import hmac
import ipaddress
import json
import socket
import threading
import time

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection
from django.utils import timezone

from orgs import issuers
from orgs.attempts import Pace
from orgs.models import ApiKey, AuditEvent, TrustedPublisher, UsedToken
from orgs.services.trusted_publishers import forget_exchanged
from orgs.subject_patterns import defect_of, matches
from orgs.tenancy import tenant_scope
from tests.conftest import ApiClient
from tests.factories import TrustedPublisherFactory
from tests.factories.issuer import OTHER_KEYS, RSA_KEYS, SMALL_RSA_KEY, Issuer, give, jwk_of

URL = "/api/v1/tokens"
ME = "/api/v1/organizations/me"
AUDIENCE = "https://catalog.example.com"
DISCOVERY, KEYS = "/.well-known/openid-configuration", "/.well-known/jwks"


@pytest.fixture
def issuer(settings):
    settings.OUTBOUND_ALLOWED = [ipaddress.ip_network("127.0.0.1")]
    issuers.forget_keys()
    issuer = Issuer()
    yield issuer
    issuer.close()


@pytest.fixture
def publisher(acme, issuer):
    return TrustedPublisherFactory(
        organization=acme,
        name="github",
        issuer=issuer.url,
        audience=AUDIENCE,
        subject_pattern="repo:acme/*:ref:refs/heads/main",
        scopes=["catalog:read", "plan:read", "catalog:write"],
    )


def exchange(token, organization="acme", **fields):
    return ApiClient().post(URL, {"organization": organization, "subject_token": token, **fields})


def refused(token, organization="acme", **fields):
    """The problem, after seeing that nothing was made."""
    response = exchange(token, organization, **fields)
    assert (response.status_code, ApiKey.objects.count(), UsedToken.objects.count()) == (401, 0, 0), response.content
    assert response.json()["type"] == "/problems/token-refused"
    return response.json()


def test_a_ci_token_becomes_a_key_of_15_minutes_with_the_publishers_scopes(publisher, issuer, acme):
    response = exchange(issuer.token())
    assert response.status_code == 200, response.content
    assert response["Cache-Control"] == "no-store"
    body = response.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert body["scope"] == "catalog:read plan:read catalog:write"
    key = ApiClient(body["access_token"])
    assert key.get(ME).json()["slug"] == "acme"
    assert key.get("/api/v1/api-keys/").status_code == 403
    api_key = ApiKey.objects.get()
    assert abs(api_key.expires_at - timezone.now() - datetime.timedelta(minutes=15)) < datetime.timedelta(minutes=1)
    assert (api_key.name, api_key.publisher_id, api_key.created_by_kind) == ("github", publisher.pk, "publisher")
    ApiKey.objects.update(expires_at=timezone.now())
    assert key.get(ME).status_code == 401


def test_rfc_8693_says_it_the_same_way(publisher, issuer):
    response = exchange(
        issuer.token(),
        grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token_type="urn:ietf:params:oauth:token-type:id_token",
        scope="plan:read",
    )
    assert response.json()["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert response.json()["scope"] == "plan:read"


def test_the_exchange_is_remembered_with_the_subject_and_without_a_secret(publisher, issuer, acme):
    token = issuer.token(jti="run-101")
    text = exchange(token).json()["access_token"]
    with tenant_scope(acme):
        event = AuditEvent.objects.get(action="api_key.exchanged")
    assert (event.actor_kind, event.actor_id) == ("publisher", str(publisher.pk))
    assert event.after["subject"] == "repo:acme/data:ref:refs/heads/main"
    assert (event.after["issuer"], event.after["token_id"]) == (issuer.url, "run-101")
    assert text not in str(event.after)
    assert token not in str(event.after)
    publisher.refresh_from_db()
    assert publisher.last_subject == "repo:acme/data:ref:refs/heads/main"
    assert publisher.last_used_at is not None


@pytest.mark.parametrize("algorithm", OTHER_KEYS)
def test_other_asymmetric_algorithms_will_do(publisher, issuer, algorithm):
    issuer.keys = [jwk_of(OTHER_KEYS[algorithm], "first", algorithm)]
    assert exchange(issuer.token(key=OTHER_KEYS[algorithm], algorithm=algorithm)).status_code == 200


def test_an_issuer_with_one_key_needs_no_key_id(publisher, issuer):
    issuer.keys = [jwk_of(RSA_KEYS[0], None, "RS256")]
    assert exchange(issuer.token(header={})).status_code == 200


def test_namespaces_of_the_publisher_bind_the_key(publisher, issuer):
    TrustedPublisher.objects.update(allowed_namespaces=["prod"], scopes=["catalog:read", "catalog:write"])
    exchange(issuer.token())
    assert ApiKey.objects.get().allowed_namespaces == ["prod"]


def wrong_claims(now):
    return {
        "another audience": {"aud": "https://elsewhere.example.com"},
        "audiences of others": {"aud": ["a", "b"]},
        "no audience": {"aud": None},
        "an audience that is no text": {"aud": {"x": 1}},
        "expired": {"exp": now - 60},
        "no end": {"exp": None},
        "an end that is text": {"exp": "tomorrow"},
        "an end beyond time": {"exp": 10**30},
        "a life of a year": {"exp": now + 365 * 86400},
        "issued in the future": {"iat": now + 600},
        "no time of issue": {"iat": None},
        "a time of issue that is text": {"iat": str(now)},
        "not yet": {"nbf": now + 600},
        "no subject": {"sub": None},
        "an empty subject": {"sub": ""},
        "a subject that is no text": {"sub": 7},
        "another repository's owner": {"sub": "repo:evil/data:ref:refs/heads/main"},
        "an owner that begins alike": {"sub": "repo:acme-evil/data:ref:refs/heads/main"},
        "another branch": {"sub": "repo:acme/data:ref:refs/heads/feature"},
        "a branch that goes on": {"sub": "repo:acme/data:ref:refs/heads/main-2"},
        "a pull request": {"sub": "repo:acme/data:pull_request"},
        "a repository named to reach across": {"sub": "repo:acme/x:y/z:ref:refs/heads/main"},
        "a line break at the end": {"sub": "repo:acme/data:ref:refs/heads/main\n"},
        "an issuer with a slash more": {"iss": "https://token.actions.githubusercontent.com/"},
        "an issuer that is no text": {"iss": 7},
        "no issuer": {"iss": None},
    }


@pytest.mark.parametrize("wrong", wrong_claims(0))
def test_a_token_that_says_the_wrong_thing_is_refused(publisher, issuer, wrong):
    changed = wrong_claims(int(time.time()))[wrong]
    refused(issuer.token(**changed) if "iss" not in changed else token_with(issuer, changed))


def token_with(issuer, changed):
    """PyJWT refuses to make some of these."""
    claims = {name: value for name, value in (issuer.claims() | changed).items() if value is not None}
    return jwt.PyJWS().encode(json.dumps(claims).encode(), RSA_KEYS[0], "RS256", {"kid": "first"})


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed_by_hand(header, claims, sign):
    signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{signed}.{b64(sign(signed.encode()))}"


def public_pem():
    return RSA_KEYS[0].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def mac(signed):
    return hmac.digest(public_pem(), signed, hashlib.sha256)


FORGERIES = {
    "no signature (alg none)": lambda issuer: jwt.encode(issuer.claims(), None, "none"),
    "alg None": lambda issuer: signed_by_hand({"alg": "None", "kid": "first"}, issuer.claims(), lambda _: b""),
    "HS256 with the public key": lambda issuer: signed_by_hand({"alg": "HS256", "kid": "first"}, issuer.claims(), mac),
    "RS256 named, HS256 done": lambda issuer: signed_by_hand({"alg": "RS256", "kid": "first"}, issuer.claims(), mac),
    "alg that is a list": lambda issuer: signed_by_hand({"alg": ["RS256"], "kid": "first"}, issuer.claims(), mac),
    "somebody else's key": lambda issuer: issuer.token(key=RSA_KEYS[1]),
    "an unknown key id": lambda issuer: issuer.token(header={"kid": "second"}),
    "a key of its own in the header": lambda issuer: issuer.token(
        key=RSA_KEYS[1], header={"kid": "first", "jwk": jwk_of(RSA_KEYS[1], "first", "RS256")}
    ),
    "an address of keys in the header": lambda issuer: issuer.token(
        key=RSA_KEYS[1], header={"kid": "first", "jku": f"{issuer.url}/evil"}
    ),
    "another algorithm than the key's": lambda issuer: issuer.token(algorithm="RS512"),
    "an edited payload": lambda issuer: edited(issuer.token()),
    "a payload that is no object": lambda issuer: jwt.PyJWS().encode(b"[1]", RSA_KEYS[0], "RS256", {"kid": "first"}),
    "too few parts": lambda issuer: issuer.token().rpartition(".")[0],
    "garbage": lambda issuer: "garbage",
    "dots": lambda issuer: "..",
    "an API key": lambda issuer: "dxp_" + "x" * 49,
    "letters of others": lambda issuer: issuer.token() + "é",
}


def edited(token):
    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return f"{head}.{b64(json.dumps(claims | {'sub': 'repo:acme/other:ref:refs/heads/main'}).encode())}.{signature}"


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_token_is_refused(publisher, issuer, forge):
    refused(forge(issuer))


def test_an_oversized_token_is_refused_before_it_is_read(publisher, issuer):
    response = exchange(issuer.token(padding="x" * 20_000))
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/subject_token"
    assert issuer.asked == []


@pytest.mark.parametrize(
    "body",
    [{}, [], {"organization": "acme"}, {"organization": "acme", "subject_token": 7}, {"organization": ["acme"]}],
    ids=str,
)
def test_a_body_that_asks_nothing_is_400(publisher, body):
    assert ApiClient().post(URL, body).status_code == 400


@pytest.mark.parametrize(
    "fields",
    [
        {"grant_type": "client_credentials"},
        {"subject_token_type": "saml"},
        {"scope": "everything"},
        {"scope": ""},
        {"x": 1},
    ],
    ids=str,
)
def test_what_is_not_offered_is_400(publisher, issuer, fields):
    assert exchange(issuer.token(), **fields).status_code == 400


def test_more_scopes_than_the_publishers_are_refused(publisher, issuer):
    refused(issuer.token(), scope="catalog:read organization:admin")


def test_another_tenants_publisher_opens_nothing_here(publisher, issuer, globex):
    assert "globex fits this token" in refused(issuer.token(), "globex")["detail"]
    TrustedPublisherFactory(organization=globex, issuer=issuer.url, subject_pattern="repo:globex/*:ref:refs/heads/main")
    refused(issuer.token(), "globex")
    assert exchange(issuer.token()).status_code == 200


def test_an_unknown_organization_is_answered_as_one_that_does_not_trust(publisher, issuer, globex):
    token = issuer.token()
    unknown, distrusting = refused(token, "nobody-here"), refused(token, "globex")
    assert {**unknown, "detail": unknown["detail"].replace("nobody-here", "globex")} == distrusting
    assert distrusting["subject"] == "repo:acme/data:ref:refs/heads/main"
    assert issuer.asked == []


def test_a_token_is_exchanged_once(publisher, issuer):
    token = issuer.token()
    assert exchange(token).status_code == 200
    again = exchange(token)
    assert (again.status_code, again.json()["type"]) == (401, "/problems/token-refused")
    assert "exchanged before" in again.json()["detail"]
    assert exchange(issuer.token()).status_code == 200
    assert ApiKey.objects.count() == 2


def test_a_suspended_organization_makes_no_keys(publisher, issuer, acme):
    acme.status = "suspended"
    acme.save()
    response = exchange(issuer.token())
    assert (response.status_code, ApiKey.objects.count()) == (403, 0)
    assert response.json()["type"] == "/problems/organization-suspended"


def test_the_same_id_in_another_token_is_the_same_token(publisher, issuer):
    assert exchange(issuer.token(jti="run-101")).status_code == 200
    assert exchange(issuer.token(jti="run-101", run_attempt="2")).status_code == 401


def test_a_token_without_an_id_is_exchanged_once_too_and_not_with_a_bent_signature(publisher, issuer):
    issuer.keys = [jwk_of(OTHER_KEYS["ES256"], "first", "ES256")]
    token = issuer.token(jti=None, key=OTHER_KEYS["ES256"], algorithm="ES256")
    assert exchange(token).status_code == 200
    signed, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    bent = raw[:32] + (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    for again in (token, f"{signed}.{b64(bent)}"):
        assert "exchanged before" in exchange(again).json()["detail"]


def test_a_token_that_was_refused_may_come_again_when_it_is_trusted(publisher, issuer):
    TrustedPublisher.objects.update(subject_pattern="repo:acme/*:ref:refs/heads/release")
    token = issuer.token()
    refused(token)
    TrustedPublisher.objects.update(subject_pattern="repo:acme/*:ref:refs/heads/main")
    assert exchange(token).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_twenty_who_come_with_one_token_at_once_one_gets_a_key(publisher, issuer):
    token, statuses = issuer.token(), []

    def come():
        statuses.append(exchange(token).status_code)
        connection.close()

    threads = [threading.Thread(target=come) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [401] * 19
    assert ApiKey.objects.count() == 1


def test_keys_are_asked_for_once_and_again_when_the_issuer_changes_them(publisher, issuer, monkeypatch):
    for _ in range(3):
        assert exchange(issuer.token()).status_code == 200
    assert issuer.asked == [DISCOVERY, KEYS]
    issuer.keys = [jwk_of(RSA_KEYS[1], "second", "RS256")]
    clock = [time.monotonic() + 61]
    monkeypatch.setattr(issuers.time, "monotonic", lambda: clock[0])
    assert exchange(issuer.token(key=RSA_KEYS[1], header={"kid": "second"})).status_code == 200
    assert issuer.asked == [DISCOVERY, KEYS] * 2
    assert exchange(issuer.token()).status_code == 401  # the key that was taken back


def test_made_up_key_ids_do_not_make_the_server_ask_again_and_again(publisher, issuer):
    for number in range(10):
        assert exchange(issuer.token(header={"kid": f"made-up-{number}"})).status_code == 401
    assert issuer.asked == [DISCOVERY, KEYS]


def test_an_issuer_that_is_away_does_not_stop_those_who_know_its_keys(publisher, issuer, monkeypatch):
    assert exchange(issuer.token()).status_code == 200
    issuer.answers[DISCOVERY] = lambda handler: give(handler, 503, b"{}")
    clock = [time.monotonic() + 2 * 3600]
    monkeypatch.setattr(issuers.time, "monotonic", lambda: clock[0])
    assert exchange(issuer.token()).status_code == 200
    clock[0] += 24 * 3600
    assert "cannot be had" in exchange(issuer.token()).json()["detail"]


def redirect(handler):
    give(handler, 302, b"", Location="/.well-known/jwks")


def drip(handler):
    handler.send_response(200)
    handler.end_headers()
    for _ in range(200):
        try:
            handler.wfile.write(b" ")
        except OSError:
            return
        time.sleep(0.05)


ODD_ANSWERS = {
    "a redirect": (DISCOVERY, redirect),
    "an error": (DISCOVERY, lambda handler: give(handler, 500, b"oops")),
    "no JSON": (DISCOVERY, lambda handler: give(handler, 200, b"<html>")),
    "a list": (DISCOVERY, lambda handler: give(handler, 200, b"[]")),
    "another issuer": (DISCOVERY, lambda handler: give(handler, 200, b'{"issuer": "https://evil.example"}')),
    "too much": (KEYS, lambda handler: give(handler, 200, b" " * 70_000)),
    "deep nesting": (KEYS, lambda handler: give(handler, 200, b"[" * 60_000)),
    "no keys": (KEYS, lambda handler: give(handler, 200, b'{"keys": 7}')),
    "keys that are none": (KEYS, lambda handler: give(handler, 200, b'{"keys": [7, {}, {"kty": "RSA"}, null]}')),
    "a redirect of the keys": (KEYS, redirect),
}


@pytest.mark.parametrize(("path", "answer"), ODD_ANSWERS.values(), ids=ODD_ANSWERS)
def test_an_issuer_that_answers_oddly_is_not_believed(publisher, issuer, path, answer):
    issuer.answers[path] = answer
    refused(issuer.token())


def test_an_issuer_that_drips_is_cut_off(publisher, issuer, monkeypatch):
    monkeypatch.setattr("dataxpipe.outbound.DEADLINE_SECONDS", 0.3)
    issuer.answers[KEYS] = drip
    began = time.monotonic()
    refused(issuer.token())
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "keys",
    [
        [{"kty": "oct", "kid": "first", "alg": "HS256", "k": b64(public_pem())}],
        [jwk_of(RSA_KEYS[0], "first", "RS256") | {"use": "enc"}],
        [jwk_of(SMALL_RSA_KEY, "first", "RS256")],
        [jwk_of(RSA_KEYS[0], "first", "RS256") | {"alg": "none"}],
        [],
    ],
    ids=["a secret", "for encryption", "a short one", "alg none", "none"],
)
def test_keys_that_are_not_for_signatures_do_not_count(publisher, issuer, keys):
    issuer.keys = keys
    key = SMALL_RSA_KEY if keys and keys[0].get("n") == jwk_of(SMALL_RSA_KEY, "first", "RS256")["n"] else RSA_KEYS[0]
    with pytest.warns() if key is SMALL_RSA_KEY else no_warning():
        token = issuer.token(key=key)
    refused(token)


def no_warning():
    import contextlib

    return contextlib.nullcontext()


def test_private_addresses_are_not_asked(publisher, issuer, settings):
    settings.OUTBOUND_ALLOWED = []
    assert "private network" in refused(issuer.token())["detail"]
    assert issuer.asked == []


def test_plain_http_to_the_keys_is_refused_outside_of_what_the_operator_allows(publisher, issuer, settings):
    issuer.discovery = {"jwks_uri": "http://192.0.2.1/keys"}
    assert "private network" in refused(issuer.token())["detail"]


def test_an_exchanged_key_is_not_rotated_and_makes_nothing_that_outlives_it(publisher, issuer, api):
    TrustedPublisher.objects.update(scopes=["organization:admin"])
    key = ApiClient(exchange(issuer.token()).json()["access_token"])
    pk = ApiKey.objects.get(created_by_kind="publisher").pk
    for client in (api, key):
        response = client.post(f"/api/v1/api-keys/{pk}/rotate", {})
        assert response.json()["type"] == "/problems/key-not-rotatable"
    assert key.post("/api/v1/api-keys/", {"name": "x", "scopes": ["organization:admin"]}).status_code == 403


def test_what_has_ended_is_forgotten(publisher, issuer):
    exchange(issuer.token())
    forget_exchanged()
    assert (ApiKey.objects.count(), UsedToken.objects.count()) == (1, 1)
    past = timezone.now() - datetime.timedelta(days=8)
    ApiKey.objects.update(expires_at=past)
    UsedToken.objects.update(expires_at=past)
    forget_exchanged()
    assert (ApiKey.objects.count(), UsedToken.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("pattern", "subject", "fits"),
    [
        ("repo:acme/data:ref:refs/heads/main", "repo:acme/data:ref:refs/heads/main", True),
        ("repo:acme/*:ref:refs/heads/main", "repo:acme/data:ref:refs/heads/main", True),
        ("repo:acme/*:ref:refs/heads/main", "repo:acme/:ref:refs/heads/main", True),
        ("repo:acme/*:ref:refs/heads/main", "repo:acme/a/b:ref:refs/heads/main", False),
        ("repo:acme/*:environment:production", "repo:acme/x:ref:refs/heads/y:environment:production", False),
        ("repo:acme/data:ref:refs/heads/*", "repo:acme/data:ref:refs/heads/release/1", False),
        ("repo:acme/data:ref:refs/heads/**", "repo:acme/data:ref:refs/heads/release/1", True),
        ("repo:acme/data:*", "repo:acme/data:pull_request", True),
        ("repo:acme/data:*", "repo:acme/data:ref:refs/heads/main", False),
        ("project_path:acme/**:ref_type:branch:ref:main", "project_path:acme/a/b:ref_type:branch:ref:main", True),
        ("repo:acme/data:.*", "repo:acme/data:x", False),
        ("repo:acme/d?ta:x", "repo:acme/data:x", False),
        ("repo:acme/data:ref:refs/heads/main", "REPO:acme/data:ref:refs/heads/main", False),
        ("repo:acme/*", "xrepo:acme/data", False),
    ],
)
def test_a_wildcard_stays_within_its_part(pattern, subject, fits):
    assert matches(pattern, subject) is fits


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "*",
        "**",
        "repo:*",
        "repo:*/data:x",
        "repo:ac*/data:x",
        "*:acme/data",
        "repo:acme/***",
        "x" * 501,
        "é:a/b",
        "a\n",
        "repo:acme/" + "*:" * 6,
    ],
)
def test_a_pattern_that_would_trust_strangers_is_refused(pattern):
    assert defect_of(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["anything-exact", "repo:acme/*", "system:serviceaccount:*", "project_path:acme/**:ref_type:branch:ref:main"],
)
def test_a_pattern_that_writes_out_its_owner_is_sound(pattern):
    assert defect_of(pattern) is None


def test_a_pattern_is_matched_in_no_time():
    """With a regular expression this would take longer than the test suite."""
    assert not matches("a:b/*-*-*-*-*!", "a:b/" + "-" * 990)


@pytest.mark.parametrize("text", ["nul\0", "half\ud800"], ids=["nul", "surrogate"])
@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "jti"])
def test_a_claim_that_no_database_takes_is_no_word_of_an_issuer(publisher, issuer, claim, text):
    assert "characters" in refused(issuer.token(**{claim: text}))["detail"]
    assert "characters" in refused(issuer.token(aud=[AUDIENCE, text]))["detail"]


@pytest.mark.usefixtures("limits")
def test_an_address_asks_so_often_and_its_whole_network_counts(db, monkeypatch):
    monkeypatch.setattr("orgs.api.trusted_publishers.EXCHANGES", Pace(3, 86_400))
    asked = {"organization": "acme", "subject_token": "none"}
    codes = [ApiClient().post(URL, asked, REMOTE_ADDR=f"2001:db8::{number}").status_code for number in range(4)]
    assert codes == [401, 401, 401, 429]


@pytest.mark.parametrize(
    "address",
    ["64:ff9b:1::a00:1", "64:ff9b::a00:1", "::a00:1", "::ffff:0:a00:1", "2002:a00:1::", "fec0::1", "fd00:ec2::254"],
)
def test_ipv6_addresses_that_lead_inside_are_private_too(publisher, issuer, settings, monkeypatch, address):
    settings.OUTBOUND_ALLOWED = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: [(None, None, None, None, (address, 443))])
    assert "private network" in refused(issuer.token())["detail"]
