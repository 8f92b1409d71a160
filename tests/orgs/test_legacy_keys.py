import os
import subprocess
import sys
from pathlib import Path

import pytest
from rest_framework.request import Request

from dataxpipe.problems import NotAuthenticated
from orgs.actors import Actor
from orgs.models import ApiKey, AuditEvent, Organization, PlatformEvent
from orgs.operators import OperatorAuthentication
from orgs.services.platform_keys import revoke_platform_key
from orgs.tenancy import tenant_scope
from tests.conftest import ApiClient
from tests.factories import OrganizationFactory

ROOT = Path(__file__).parents[2]
ME = "/api/v1/organizations/me"
DEV, ADMIN = ApiClient("dev-key"), ApiClient("admin-key")


@pytest.fixture
def demo(db: None) -> Organization:
    return OrganizationFactory(slug="acme-corp")


@pytest.fixture
def accepted(settings):
    settings.LEGACY_KEYS = True


def test_the_curl_line_of_the_guides_works(accepted, demo, client):
    assert client.get("/api/v1/pipelines/", headers={"X-API-KEY": "dev-key"}).status_code == 200
    assert client.get("/api/v1/pipelines/", headers={"Authorization": "Bearer dev-key"}).status_code == 200
    assert DEV.get(ME).json()["slug"] == "acme-corp"


def test_dev_key_is_for_the_catalog_and_admin_key_for_the_organization(accepted, demo):
    assert DEV.get("/api/v1/connections/").status_code == 200
    assert DEV.get("/api/v1/api-keys/").status_code == 403
    assert ADMIN.get("/api/v1/api-keys/").status_code == 200


def test_they_are_rows_like_others_made_once_and_audited(accepted, demo):
    for _ in range(3):
        assert DEV.get(ME).status_code == 200
    api_key = ApiKey.objects.get()
    assert (api_key.name, api_key.organization, api_key.created_by_label) == ("dev-key", demo, "DATAXPIPE_LEGACY_KEYS")
    with tenant_scope(demo):
        assert AuditEvent.objects.filter(action="api_key.created", target_id=str(api_key.pk)).count() == 1


def test_a_revoked_one_stays_revoked(accepted, demo):
    assert DEV.get(ME).status_code == 200
    assert ADMIN.delete(f"/api/v1/api-keys/{ApiKey.objects.get(name='dev-key').pk}").status_code == 204
    assert DEV.get(ME).status_code == 401


def test_without_the_variable_they_are_no_keys(demo, settings, django_assert_num_queries):
    assert settings.LEGACY_KEYS is False
    for client in (DEV, ADMIN):
        with django_assert_num_queries(0):
            assert client.get(ME).status_code == 401


def test_not_even_after_they_were_used(accepted, demo, settings):
    assert DEV.get(ME).status_code == 200
    settings.LEGACY_KEYS = False
    assert DEV.get(ME).status_code == 401


@pytest.mark.parametrize("address", ["192.168.0.7", "203.0.113.9", "fe80::1%eth0"])
def test_they_work_from_this_machine_alone(accepted, demo, address):
    assert DEV.get(ME, REMOTE_ADDR=address).status_code == 401
    assert DEV.get(ME, REMOTE_ADDR="::1").status_code == 200


def test_without_a_demo_organization_they_are_unknown(accepted, db):
    assert DEV.get(ME).status_code == 401


def start(**environment):
    ours = ("DATAXPIPE_", "DJANGO_", "DEBUG", "PORT")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [sys.executable, "manage.py", "diffsettings"],
        cwd=ROOT,
        env=inherited | {"DATAXPIPE_LEGACY_KEYS": "true"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


SECRETS = {"DATAXPIPE_SECRET_KEY": "x" * 50, "DATAXPIPE_ENCRYPTION_KEYS": "a:" + "A" * 43 + "="}


@pytest.mark.parametrize(
    "environment",
    [
        SECRETS,
        SECRETS | {"DEBUG": "false"},
        {"DEBUG": "true", "DATAXPIPE_ALLOWED_HOSTS": "localhost,catalog.example.com"},
        {"DEBUG": "true", "DATAXPIPE_ALLOWED_HOSTS": "*"},
        {"DEBUG": "true", "DATAXPIPE_ALLOWED_HOSTS": ".localhost,0.0.0.0"},
        {"DEBUG": "true", "DATAXPIPE_ALLOWED_HOSTS": "localhost.example.com"},
        {"DEBUG": "true", "DATAXPIPE_BASE_URL": "https://catalog.example.com"},
        {"DEBUG": "true", "DATAXPIPE_BASE_URL": "http://10.0.0.7:8000"},
    ],
    ids=str,
)
def test_the_process_refuses_to_start_where_somebody_else_could_send_them(environment):
    done = start(**environment)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("DATAXPIPE_LEGACY_KEYS accepts keys that everybody knows")


@pytest.mark.parametrize("hosts", ["localhost,127.0.0.1,[::1]", ".localhost", "acme.localhost,127.8.8.8"])
def test_it_starts_on_loopback_with_debug(hosts):
    done = start(DEBUG="true", DATAXPIPE_ALLOWED_HOSTS=hosts)
    assert done.returncode == 0, done.stderr
    assert "LEGACY_KEYS = True" in done.stdout


def test_the_platform_key_is_an_operators_and_can_be_revoked(accepted, db, rf):
    request = rf.get("/", headers={"X-API-KEY": "platform-key"})
    _, actor = OperatorAuthentication().authenticate(Request(request))
    assert (actor.kind, actor.label) == ("platform", "platform key platform-key")
    assert [event.action for event in PlatformEvent.objects.all()] == ["platform_key.issued"]
    revoke_platform_key(name_or_id="platform-key", actor=Actor.system("operator"))
    with pytest.raises(NotAuthenticated):
        OperatorAuthentication().authenticate(Request(request))


def test_the_platform_key_opens_no_tenant(accepted, demo):
    assert ApiClient("platform-key").get(ME).status_code == 401
