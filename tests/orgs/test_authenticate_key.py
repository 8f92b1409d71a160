import datetime

import pytest
from django.utils import timezone

from orgs import keys
from orgs.models import ApiKey, AuditEvent
from orgs.tenancy import tenant_scope
from tests.conftest import ApiClient, api_of
from tests.factories import ApiKeyFactory

ME = "/api/v1/organizations/me"


def reuses(organization):
    with tenant_scope(organization):
        return AuditEvent.objects.filter(action="api_key.reuse_detected").count()


def test_a_key_is_taken_from_either_header(acme):
    text = ApiKeyFactory(organization=acme).text
    client = ApiClient()
    for headers in ({"X-API-KEY": text}, {"Authorization": f"Bearer {text}"}, {"Authorization": f"bearer  {text}"}):
        assert client.get(ME, headers=headers).status_code == 200


def test_the_checksum_is_part_of_the_form():
    text = keys.generate().text
    assert keys.is_well_formed(text)
    for position in (4, 20, 46, 47, 52):
        other = "A" if text[position] != "A" else "B"
        assert not keys.is_well_formed(text[:position] + other + text[position + 1 :])


def test_a_mistyped_key_is_refused_without_a_query(db, django_assert_num_queries):
    text = keys.generate().text
    for wrong in (text[:-1], text + "x", text.upper(), text.replace("dxp_", "dxq_"), "x" * 5000, "é", "", " "):
        with django_assert_num_queries(0):
            assert ApiClient(wrong or " ").get(ME).status_code == 401


def test_an_unknown_key_costs_one_query_and_writes_nothing(db, django_assert_num_queries):
    with django_assert_num_queries(1):
        response = ApiClient(keys.generate().text).get(ME)
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_unknown_expired_and_revoked_keys_are_answered_alike(acme):
    past = timezone.now() - datetime.timedelta(seconds=1)
    answers = [
        ApiClient(text).get(ME)
        for text in (
            keys.generate().text,
            ApiKeyFactory(organization=acme, expires_at=past).text,
            ApiKeyFactory(organization=acme, revoked_at=past).text,
        )
    ]
    assert {response.status_code for response in answers} == {401}
    assert len({response.content for response in answers}) == 1
    names = {tuple(sorted(set(response.headers) - {"X-Request-ID"})) for response in answers}
    assert len(names) == 1


def test_revocation_works_at_the_next_request(api, acme):
    other = api_of(acme)
    assert other.get(ME).status_code == 200
    assert api.delete(f"/api/v1/api-keys/{other.api_key.pk}").status_code == 204
    assert other.get(ME).status_code == 401


def test_revoking_again_changes_nothing(api, acme):
    other = ApiKeyFactory(organization=acme)
    for _ in range(2):
        assert api.delete(f"/api/v1/api-keys/{other.pk}").status_code == 204
    with tenant_scope(acme):
        assert AuditEvent.objects.filter(action="api_key.revoked").count() == 1


def test_use_after_the_end_is_remembered_once_an_hour(acme):
    ended = api_of(acme, revoked_at=timezone.now())
    for _ in range(3):
        assert ended.get(ME).status_code == 401
    assert reuses(acme) == 1


def test_a_key_that_makes_no_sense_is_not_remembered_anywhere(acme):
    ApiClient(keys.generate().text).get(ME)
    assert reuses(acme) == 0


def test_a_key_bound_to_addresses_works_from_there_alone(acme):
    assert api_of(acme, allowed_cidrs=["127.0.0.0/8", "::1/128"]).get(ME).status_code == 200
    assert api_of(acme, allowed_cidrs=["10.0.0.0/8"]).get(ME).status_code == 401


@pytest.mark.parametrize("query", ["?key={}", "?{}", "?q=a%20{}", "?api_key={}&limit=5", "?%64xp_{0:.0}" + "A" * 49])
def test_a_key_in_the_url_is_refused(api, query):
    text = query.format(keys.generate().text)
    response = api.get(ME + text)
    assert (response.status_code, response.json()["type"]) == (400, "/problems/credential-in-query")
    assert "dxp_" not in response.content.decode().replace("dxp_…", "")


def test_a_word_that_begins_like_a_key_is_no_key(api):
    assert api.get("/api/v1/members/?cursor=dxp_orders").json()["type"] == "/problems/cursor-invalid"


def test_the_last_use_is_kept_to_the_minute(acme):
    api = api_of(acme, last_used_at=None)
    api.get(ME)
    used_at = ApiKey.objects.get(pk=api.api_key.pk).last_used_at
    assert (used_at.second, used_at.microsecond) == (0, 0)
    assert timezone.now() - used_at < datetime.timedelta(minutes=2)


def test_every_answer_of_the_api_to_nobody_names_the_scheme(anonymous_api):
    response = anonymous_api.get(ME)
    assert (response.status_code, response.json()["type"]) == (401, "/problems/not-authenticated")
    assert response["WWW-Authenticate"] == 'Bearer realm="dataxpipe"'
