import datetime

import pytest
from django.utils import timezone

from orgs.models import ApiKey, AuditEvent
from orgs.tenancy import tenant_scope
from tests.conftest import ApiClient, api_of
from tests.factories import ApiKeyFactory

ME = "/api/v1/organizations/me"


def url(api_key, act="rotate"):
    return f"/api/v1/api-keys/{api_key.pk}/{act}"


def test_both_keys_work_until_the_overlap_ends(api, acme):
    old = api_of(acme, name="airflow", scopes=["catalog:read"], allowed_namespaces=["prod"])
    response = api.post(url(old.api_key), {})
    assert response.status_code == 201
    body = response.json()
    assert (body["name"], body["scopes"], body["allowed_namespaces"]) == ("airflow", ["catalog:read"], ["prod"])
    assert ApiClient(body["key"]).get(ME).status_code == 200
    assert old.get(ME).status_code == 200
    old_key = ApiKey.objects.get(pk=old.api_key.pk)
    assert old_key.status == "rotating"
    assert str(old_key.successor_id) == body["id"]
    assert datetime.timedelta(hours=23) < old_key.expires_at - timezone.now() <= datetime.timedelta(hours=24)


def test_without_overlap_the_old_key_stops_at_once(api, acme):
    old = api_of(acme)
    api.post(url(old.api_key), {"overlap_seconds": 0})
    assert old.get(ME).status_code == 401


def test_the_overlap_can_be_ended_early(api, acme):
    old = api_of(acme)
    api.post(url(old.api_key), {"overlap_seconds": 3600})
    assert api.post(url(old.api_key, "end-overlap")).json()["status"] == "expired"
    assert old.get(ME).status_code == 401
    with tenant_scope(acme):
        actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["api_key.rotated", "api_key.overlap_ended", "api_key.reuse_detected"]


def test_a_successor_lives_as_long_as_its_predecessor_was_made_for(api, acme):
    old = ApiKeyFactory(organization=acme, expires_at=timezone.now() + datetime.timedelta(days=90))
    ApiKey.objects.filter(pk=old.pk).update(created_at=old.created_at - datetime.timedelta(days=275))
    body = api.post(url(old), {}).json()
    ends = datetime.datetime.fromisoformat(body["expires_at"])
    assert abs(ends - timezone.now() - datetime.timedelta(days=365)) < datetime.timedelta(minutes=1)


def test_an_overlap_never_prolongs_a_key(api, acme):
    soon = timezone.now() + datetime.timedelta(hours=1)
    old = ApiKeyFactory(organization=acme, expires_at=soon)
    api.post(url(old), {"overlap_seconds": 86400})
    assert ApiKey.objects.get(pk=old.pk).expires_at == soon


@pytest.mark.parametrize("seconds", [-1, 30 * 86400 + 1, "3600", 1.5, True, None])
def test_an_overlap_is_0_to_30_days(api, acme, seconds):
    old = ApiKeyFactory(organization=acme)
    assert api.post(url(old), {"overlap_seconds": seconds}).status_code == 400
    assert ApiKey.objects.get(pk=old.pk).successor is None


def test_a_key_is_rotated_once(api, acme):
    old = ApiKeyFactory(organization=acme)
    api.post(url(old), {})
    response = api.post(url(old), {})
    assert (response.status_code, response.json()["type"]) == (409, "/problems/key-already-rotated")


@pytest.mark.parametrize("field", ["revoked_at", "expires_at"])
def test_a_key_that_ended_cannot_be_rotated(api, acme, field):
    old = ApiKeyFactory(organization=acme, **{field: timezone.now()})
    response = api.post(url(old), {})
    assert (response.status_code, response.json()["type"]) == (409, "/problems/key-has-ended")


def test_a_key_that_is_not_rotating_has_no_overlap(api, acme):
    response = api.post(url(ApiKeyFactory(organization=acme), "end-overlap"))
    assert (response.status_code, response.json()["type"]) == (409, "/problems/key-not-rotating")


def test_a_narrow_key_cannot_rotate_a_wide_one_and_so_read_its_text(acme):
    wide = ApiKeyFactory(organization=acme)
    narrow = api_of(acme, scopes=["organization:admin"])
    assert narrow.post(url(wide), {}).status_code == 403
    assert ApiKey.objects.get(pk=wide.pk).successor is None


def test_another_organizations_key_is_not_there(api, globex):
    theirs = ApiKeyFactory(organization=globex)
    assert api.post(url(theirs), {}).status_code == 404
    assert api.delete(f"/api/v1/api-keys/{theirs.pk}").status_code == 404
    assert ApiKey.objects.get(pk=theirs.pk).status == "active"
