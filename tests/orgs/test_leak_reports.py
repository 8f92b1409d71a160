"""`POST /api/v1/security/token-leaks`: signed reports revoke keys, everything else learns nothing."""

import base64
import hashlib
import ipaddress
import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core import mail
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from orgs import keys, leak_reporters, tasks
from orgs.actors import Actor
from orgs.attempts import Pace
from orgs.models import ApiKey, AuditEvent, PlatformKey
from orgs.services.key_uses import Caller, record_use
from orgs.services.platform_keys import issue_platform_key
from orgs.tenancy import tenant_scope
from tests.conftest import ApiClient, api_of
from tests.factories import ApiKeyFactory, UserFactory
from tests.factories.issuer import Issuer, give

URL = "/api/v1/security/token-leaks"
ME = "/api/v1/organizations/me"
SIGNING_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


def published(**keys_by_id):
    def pem(key):
        return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    listed = [{"key_identifier": name, "key": pem(key), "is_current": True} for name, key in keys_by_id.items()]
    return json.dumps({"public_keys": listed})


@pytest.fixture(autouse=True)
def scanner(settings, tmp_path):
    """The file with the scanner's public keys."""
    leak_reporters.forget_keys()
    path = tmp_path / "keys.json"
    path.write_text(published(first=SIGNING_KEY))
    settings.LEAK_REPORT_KEYS = str(path)
    return path


def send(reports, *, key=SIGNING_KEY, key_id="first", algorithm=None, **headers):
    body = reports if isinstance(reports, bytes) else json.dumps(reports).encode()
    signature = base64.b64encode(key.sign(body, algorithm or ECDSA(SHA256()))).decode()
    signed = {"Github-Public-Key-Identifier": key_id, "Github-Public-Key-Signature": signature, **headers}
    return ApiClient().post(URL, body, headers={name: value for name, value in signed.items() if value is not None})


def leak(text, **fields):
    return {"token": text, "type": "dataxpipe_api_key", "url": "https://github.example/acme/data", **fields}


def mail_all():
    for job in ProcrastinateJob.objects.filter(task_name="mail_key_leak").order_by("id"):
        tasks.mail_key_leak(**job.args)


def test_a_reported_key_is_revoked_and_told_about(acme, alice, bob):
    leaked = api_of(acme, name="airflow-prod")
    record_use(api_key=leaked.api_key, caller=Caller(namespace="prod", producer="airflow/2.10", ip_address="10.0.0.7"))
    text = leaked.api_key.text
    response = send([leak(text, source="commit")])
    assert response.status_code == 200, response.content
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    assert response.json() == [
        {"token_hash": digest, "token_type": "dataxpipe_api_key", "label": "true_positive"},
    ]
    assert leaked.get(ME).status_code == 401
    with tenant_scope(acme):
        event = AuditEvent.objects.get(action="api_key.leaked")
        assert AuditEvent.objects.filter(action="api_key.revoked").count() == 1
    assert event.after == {"url": "https://github.example/acme/data", "source": "commit"}
    mail_all()
    (message,) = mail.outbox
    assert message.to == [alice.email]
    assert message.subject == "The key airflow-prod leaked and is revoked"
    for body in (message.body, message.alternatives[0].content):
        assert "https://github.example/acme/data" in body
        assert "prod · airflow/2.10 · 10.0.0.7" in body
        assert text not in body


def test_a_report_that_comes_again_changes_nothing(acme, alice):
    text = ApiKeyFactory(organization=acme).text
    for _ in range(3):
        assert send([leak(text), leak(text)]).json()[1]["label"] == "true_positive"
    mail_all()
    assert len(mail.outbox) == 1
    with tenant_scope(acme):
        assert AuditEvent.objects.filter(action__in=["api_key.leaked", "api_key.revoked"]).count() == 2


def test_keys_of_several_organizations_come_in_one_report(acme, globex, alice, gary):
    texts = [ApiKeyFactory(organization=organization).text for organization in (acme, globex)]
    assert [row["label"] for row in send([leak(text) for text in texts]).json()] == ["true_positive"] * 2
    assert not ApiKey.objects.usable().exists()
    mail_all()
    assert sorted(message.to[0] for message in mail.outbox) == ["alice@acme.example", "gary@globex.example"]


def test_a_platform_key_is_revoked_and_staff_told(db, acme, alice):
    staff = UserFactory(email="operator@example.com", is_staff=True)
    text = issue_platform_key(name="ops", actor=Actor.system("test")).text
    assert send([leak(text)]).json()[0]["label"] == "true_positive"
    assert not PlatformKey.objects.usable().exists()
    mail_all()
    assert [message.to for message in mail.outbox] == [[staff.email]]


@pytest.mark.parametrize(
    "text",
    [pytest.param(keys.generate().text, id="well-formed"), "dxp_" + "x" * 49, "", "ghp_something", "é" * 60],
)
def test_what_is_no_key_of_ours_is_a_false_positive_and_nothing_more(acme, text):
    working = api_of(acme)
    (row,) = send([leak(text)]).json()
    assert row["label"] == "false_positive"
    assert working.get(ME).status_code == 200


def test_a_key_that_has_ended_is_still_recognized(acme, alice):
    for fields in ({"revoked_at": timezone.now()}, {"expires_at": timezone.now()}):
        assert send([leak(ApiKeyFactory(organization=acme, **fields).text)]).json()[0]["label"] == "true_positive"
    assert not ProcrastinateJob.objects.filter(task_name="mail_key_leak").exists()


REFUSED = {
    "no headers": {"Github-Public-Key-Identifier": None, "Github-Public-Key-Signature": None},
    "no signature": {"Github-Public-Key-Signature": None},
    "no identifier": {"Github-Public-Key-Identifier": None},
    "an unknown identifier": {"key_id": "second"},
    "another key": {"key": OTHER_KEY},
    "another hash": {"algorithm": ECDSA(SHA384())},
    "no base64": {"Github-Public-Key-Signature": "%%%"},
    "an empty signature": {"Github-Public-Key-Signature": ""},
    "a signature of nothing": {"Github-Public-Key-Signature": base64.b64encode(b"0" * 70).decode()},
}


@pytest.mark.parametrize("forgery", REFUSED.values(), ids=REFUSED)
def test_a_forged_report_is_refused_and_learns_nothing(acme, forgery):
    working = api_of(acme)
    known = send([leak(working.api_key.text)], **forgery)
    unknown = send([leak(keys.generate().text)], **forgery)
    assert known.status_code == 401
    assert known.json() == unknown.json()
    assert known.json()["type"] == "/problems/leak-report-refused"
    assert working.get(ME).status_code == 200


def test_a_signature_is_of_exactly_this_body(acme):
    working = api_of(acme)
    body = json.dumps([leak(keys.generate().text)]).encode()
    signature = base64.b64encode(SIGNING_KEY.sign(body, ECDSA(SHA256()))).decode()
    forged = json.dumps([leak(working.api_key.text)]).encode()
    assert send(forged, **{"Github-Public-Key-Signature": signature}).status_code == 401
    assert send(body + b" ", **{"Github-Public-Key-Signature": signature}).status_code == 401
    assert working.get(ME).status_code == 200


def test_without_a_configured_scanner_everything_is_refused(acme, settings):
    settings.LEAK_REPORT_KEYS = ""
    assert send([]).status_code == 401


def test_keys_of_another_kind_do_not_count(acme, scanner):
    big = ec.generate_private_key(ec.SECP384R1())
    scanner.write_text(published(first=big, second=rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    assert send([], key=big).status_code == 401


@pytest.mark.parametrize("text", ["", "{", "[]", '{"public_keys": 7}', '{"public_keys": [7, {"key": "x"}]}'])
def test_a_scanner_that_publishes_nonsense_is_not_believed(acme, scanner, text):
    scanner.write_text(text)
    assert send([]).status_code == 401


@pytest.mark.parametrize("body", [b"{}", b"[7]", b'[{"token": 7}]', b'[{"type": "x"}]', b"[", b'["x"]', b"[[]]"])
def test_a_signed_body_that_is_no_report_is_400(acme, body):
    assert send(body).status_code == 400


def test_too_much_is_refused(acme):
    assert send([leak("x")] * 1_001).status_code == 400
    assert send(b" " * (1024 * 1024 + 1)).status_code == 413


def test_a_key_in_the_address_is_not_kept(acme, alice):
    text = ApiKeyFactory(organization=acme).text
    send([leak(text, url=f"https://evil.example/?k={text}\nBcc: x", source=["x"], confidence=7)])
    with tenant_scope(acme):
        after = AuditEvent.objects.get(action="api_key.leaked").after
    assert after == {"url": f"https://evil.example/?k={keys.hint(text)} Bcc: x", "source": ""}


def test_keys_are_fetched_once_over_http_and_again_for_a_new_one(acme, settings, monkeypatch):
    settings.OUTBOUND_ALLOWED = [ipaddress.ip_network("127.0.0.1")]
    server, current = Issuer(), [published(first=SIGNING_KEY)]
    server.answers["/keys"] = lambda handler: give(handler, 200, current[0].encode())
    settings.LEAK_REPORT_KEYS = f"{server.url}/keys"
    try:
        for _ in range(3):
            assert send([]).status_code == 200
            assert send([], key_id="made-up").status_code == 401
        assert server.asked == ["/keys"]
        current[0] = published(second=OTHER_KEY)
        clock = time.monotonic() + 61
        monkeypatch.setattr(leak_reporters.time, "monotonic", lambda: clock)
        assert send([], key=OTHER_KEY, key_id="second").status_code == 200
        assert send([]).status_code == 401
        assert server.asked == ["/keys"] * 2
    finally:
        server.close()


def test_a_key_in_an_event_is_told_about_and_goes_on_working(acme, alice):
    leaky = api_of(acme, name="airflow-prod")
    event = {
        "eventType": "COMPLETE",
        "eventTime": "2026-03-02T06:00:00Z",
        "producer": "https://example.com",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": "01956c4e-9f2c-7000-8000-000000000001"},
        "job": {"namespace": "default", "name": "orders", "facets": {"sql": {"query": f"-- {leaky.api_key.text}"}}},
    }
    for _ in range(2):
        assert leaky.post("/api/v1/lineage", event).status_code == 201
    mail_all()
    (message,) = mail.outbox
    assert message.subject == "The key airflow-prod leaked"
    for body in (message.body, message.alternatives[0].content):
        assert "of an OpenLineage event, where it was masked" in body
        assert "still works" in body
        assert leaky.api_key.text not in body
    assert leaky.get(ME).status_code == 200


@pytest.mark.usefixtures("limits")
def test_who_guesses_at_signatures_is_refused_after_a_while_unread(db, monkeypatch):
    monkeypatch.setattr("orgs.api.token_leaks.REPORTS", Pace(3, 86_400))
    assert [send([leak("x")], key=OTHER_KEY).status_code for _ in range(4)] == [401, 401, 401, 429]
