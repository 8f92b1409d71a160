"""Plain secrets are sealed on the way in, bound to their place, and never seen again."""

from __future__ import annotations

import json
import logging

import pytest
from cryptography.exceptions import InvalidTag
from django.core.management import call_command
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from catalog.credentials import reseal_secrets, unseal
from catalog.models import Connection, ConnectionSecret, DataKey
from dataxpipe.keyring import UnknownMasterKey
from orgs.models import AuditEvent
from orgs.tenancy import tenant_scope

URL = "/api/v1/connections/"
SECRET = "hunter2-äöü"
OLD, NEW = ({"old": b"1" * 32}, {"new": b"2" * 32, "old": b"1" * 32})


def create(api, **config):
    plain = {"host": "a", "port": 1, "user": "u", "password": SECRET}
    response = api.post(URL, {"id": "pg", "type": "postgres", "config": {**plain, **config}})
    assert response.status_code == 201, response.json()
    return response


def opened(organization, field="password"):
    with tenant_scope(organization):
        return unseal(ConnectionSecret.objects.get(field=field))


def test_a_secret_opens_where_it_was_sealed(api, acme):
    create(api)
    assert opened(acme) == SECRET


def test_a_secret_is_answered_as_set(api):
    answers = [create(api), api.get(f"{URL}pg"), api.get(URL), api.patch(f"{URL}pg", {"description": "x"})]
    for response in answers:
        body = response.json()
        shown = body["results"][0] if "results" in body else body
        assert shown["config"]["password"]["set"] is True
        assert shown["config"]["password"]["updated_at"].endswith("Z")
        assert SECRET.encode() not in response.content
        assert b"hunter2" not in response.content


def test_a_secret_is_in_no_row_no_audit_and_no_log(api, acme, caplog):
    caplog.set_level(logging.DEBUG)
    with CaptureQueriesContext(database) as queries:
        create(api, api_token="hunter2-too")
        api.patch(f"{URL}pg", {"config": {"password": "hunter2-three"}})
        api.patch(f"{URL}pg", {"config": {"host": "b"}})
    with tenant_scope(acme):
        rows = [list(Connection.objects.values()), list(AuditEvent.objects.values())]
    assert "hunter2" not in json.dumps(rows, default=str)
    logged = [record.getMessage() for record in caplog.records if record.name != "django.db.backends"]
    assert "hunter2" not in "".join(logged)
    assert "hunter2" not in "".join(query["sql"] for query in queries)


@pytest.mark.parametrize("name", ["password", "api_token", "apiKey", "PASSPHRASE", "aws_secret_access_key"])
def test_what_is_called_like_a_secret_is_sealed_even_if_no_schema_says_so(api, acme, name):
    create(api, **{name: SECRET})
    assert opened(acme, name) == SECRET


@pytest.mark.parametrize("name", ["access_key_id", "token_url"])
def test_what_only_sounds_like_a_secret_is_shown(api, name):
    assert create(api, **{name: "x"}).json()["config"][name] == "x"


def test_a_refused_secret_is_not_quoted(api):
    response = api.post(URL, {"id": "pg", "type": "postgres", "config": {"password": ["hunter2"]}})
    assert response.status_code == 400
    assert b"hunter2" not in response.content


def test_replacing_a_secret_is_remembered_without_it(api, acme):
    create(api)
    api.patch(f"{URL}pg", {"config": {"password": "next"}})
    assert opened(acme) == "next"
    with tenant_scope(acme):
        event = AuditEvent.objects.get(action="connection.updated")
        assert event.after["secrets_replaced"] == ["password"]
        assert "next" not in json.dumps(event.after)


def test_an_answer_sent_back_keeps_the_secret(api, acme):
    config = create(api).json()["config"]
    assert api.patch(f"{URL}pg", {"config": config}).status_code == 200
    assert opened(acme) == SECRET


def test_null_removes_a_secret(api, acme):
    create(api)
    assert "password" not in api.patch(f"{URL}pg", {"config": {"password": None}}).json()["config"]
    with tenant_scope(acme):
        assert not ConnectionSecret.objects.exists()


@pytest.mark.parametrize("change", [{"host": "evil.example"}, {"port": 2}, {"user": "root"}, {"user": None}])
def test_another_address_asks_for_the_secret_again(api, acme, change):
    create(api)
    response = api.patch(f"{URL}pg", {"config": change})
    assert response.status_code == 400
    assert [(e["pointer"], e["code"]) for e in response.json()["errors"]] == [("/config/password", "required")]
    assert api.get(f"{URL}pg").json()["config"]["host"] == "a"
    assert api.patch(f"{URL}pg", {"config": {**change, "password": "again"}}).status_code == 200
    assert opened(acme) == "again"


def test_another_address_without_a_secret_needs_none(api):
    create(api)
    assert api.patch(f"{URL}pg", {"config": {"host": "b", "password": None}}).status_code == 200
    assert api.patch(f"{URL}pg", {"config": {"host": "c"}}).status_code == 200


@pytest.mark.parametrize("reference", ["vault/warehouse/password", "env/PG_PASSWORD"])
def test_a_reference_is_kept_and_shown(api, reference):
    response = api.post(URL, {"id": "pg", "type": "postgres", "config": {"host": "a", "password_secret": reference}})
    assert response.json()["config"]["password_secret"] == reference


@pytest.mark.parametrize("reference", ["hunter2", "file/etc/passwd", "vault/", "env/a b", 5, ""])
def test_what_is_no_reference_is_refused(api, reference):
    response = api.post(URL, {"id": "pg", "type": "postgres", "config": {"host": "a", "password_secret": reference}})
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/config/password_secret"


def test_a_secret_is_given_once_plain_or_as_a_reference(api):
    config = {"host": "a", "password": "x", "password_secret": "env/X"}
    response = api.post(URL, {"id": "pg", "type": "postgres", "config": config})
    assert [error["code"] for error in response.json()["errors"]] == ["conflict"]


def test_a_sealed_value_opens_nowhere_else(api, acme, globex_api, globex):
    create(api)
    create(globex_api)
    with tenant_scope(acme):
        secret = ConnectionSecret.objects.get()
        sealed = bytes(secret.sealed)
        secret.field = "other"
        with pytest.raises(InvalidTag):
            unseal(secret)
    with tenant_scope(globex):
        foreign = ConnectionSecret.objects.get()
        foreign.sealed = sealed
        with pytest.raises(InvalidTag):
            unseal(foreign)


def test_a_changed_value_does_not_open(api, acme):
    create(api)
    with tenant_scope(acme):
        secret = ConnectionSecret.objects.get()
        secret.sealed = bytes(secret.sealed)[:-1] + bytes([bytes(secret.sealed)[-1] ^ 1])
        with pytest.raises(InvalidTag):
            unseal(secret)


def test_every_organization_has_a_data_key_of_its_own(api, globex_api, acme, globex):
    create(api)
    create(globex_api)
    wrapped = []
    for organization in (acme, globex):
        with tenant_scope(organization):
            wrapped.append(bytes(DataKey.objects.get().wrapped))
    assert wrapped[0] != wrapped[1]


def test_after_a_new_master_key_old_secrets_still_open(api, acme, settings):
    settings.ENCRYPTION_KEYS = OLD
    create(api)
    settings.ENCRYPTION_KEYS = NEW
    assert opened(acme) == SECRET
    api.patch(f"{URL}pg", {"config": {"password": "fresh"}})
    with tenant_scope(acme):
        assert ConnectionSecret.objects.get().key_id == "new"
    assert opened(acme) == "fresh"


def test_resealing_lets_go_of_an_old_master_key(api, acme, settings):
    settings.ENCRYPTION_KEYS = OLD
    create(api)
    settings.ENCRYPTION_KEYS = NEW
    with tenant_scope(acme):
        assert reseal_secrets() == 1
        assert reseal_secrets() == 0
        assert [key.key_id for key in DataKey.objects.all()] == ["new"]
    settings.ENCRYPTION_KEYS = {"new": b"2" * 32}
    assert opened(acme) == SECRET


def test_a_master_key_that_is_gone_is_named(api, acme, settings):
    settings.ENCRYPTION_KEYS = OLD
    create(api)
    settings.ENCRYPTION_KEYS = {"new": b"2" * 32}
    with pytest.raises(UnknownMasterKey, match="old"):
        opened(acme)


def test_the_same_secret_is_sealed_differently_each_time(api, acme):
    create(api)
    with tenant_scope(acme):
        first = bytes(ConnectionSecret.objects.get().sealed)
    api.patch(f"{URL}pg", {"config": {"password": SECRET}})
    with tenant_scope(acme):
        second = bytes(ConnectionSecret.objects.get().sealed)
    assert first != second


def test_deleting_a_connection_deletes_its_secrets(api, acme):
    create(api)
    assert api.delete(f"{URL}pg").status_code == 204
    with tenant_scope(acme):
        assert not ConnectionSecret.objects.exists()


def test_the_command_reseals_every_organizations_secrets(api, acme, globex_api, globex, settings, capsys):
    settings.ENCRYPTION_KEYS = OLD
    create(api)
    create(globex_api)
    settings.ENCRYPTION_KEYS = NEW
    call_command("reseal_secrets")
    assert capsys.readouterr().out == "2 secrets resealed in 2 organizations, 0 second factors\n"
    settings.ENCRYPTION_KEYS = {"new": b"2" * 32}
    assert (opened(acme), opened(globex)) == (SECRET, SECRET)
