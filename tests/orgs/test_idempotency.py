import datetime

import pytest
from django.utils import timezone

from orgs.models import ApiKey, IdempotencyRecord
from orgs.tenancy import tenant_scope
from tests.conftest import api_of

URL = "/api/v1/api-keys/"
BODY = {"name": "ci", "scopes": ["catalog:read"]}


def post(api, key="k-1", body=None, url=URL):
    return api.post(url, body or BODY, headers={**api.headers, "Idempotency-Key": key})


def test_a_repeat_gets_the_first_answer_and_makes_nothing(api):
    first, again = post(api), post(api)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    assert again["Cache-Control"] == "no-store"
    assert "Idempotent-Replayed" not in first
    assert ApiKey.objects.filter(name="ci").count() == 1


def test_another_key_or_none_makes_another(api):
    post(api)
    post(api, key="k-2")
    api.post(URL, BODY)
    assert ApiKey.objects.filter(name="ci").count() == 3


@pytest.mark.parametrize("change", [{"body": BODY | {"name": "cd"}}, {"url": URL.rstrip("/")}])
def test_the_same_key_with_another_request_is_refused(api, change):
    post(api)
    response = post(api, **change)
    assert (response.status_code, response.json()["type"]) == (422, "/problems/idempotency-key-reused")


def test_another_credential_is_not_handed_the_answer(api, acme):
    post(api)
    response = post(api_of(acme))
    assert response.status_code == 422
    assert "dxp_" not in response.content.decode()


def test_another_organization_has_keys_of_its_own(api, globex_api):
    assert post(api).json()["id"] != post(globex_api).json()["id"]


def test_a_refusal_may_be_tried_again(api):
    assert post(api, body={"name": "ci", "scopes": ["all"]}).status_code == 400
    assert post(api).status_code == 201


def test_after_a_day_the_key_is_free(api, acme):
    post(api)
    with tenant_scope(acme):
        IdempotencyRecord.objects.update(created_at=timezone.now() - datetime.timedelta(hours=25))
    assert "Idempotent-Replayed" not in post(api)
    assert ApiKey.objects.filter(name="ci").count() == 2


def test_the_kept_answer_cannot_be_read_from_the_table(api, acme):
    text = post(api).json()["key"]
    with tenant_scope(acme):
        assert text not in str(IdempotencyRecord.objects.values().get())


@pytest.mark.parametrize("key", ["x" * 256, "a b", "é", ""])
def test_unusable_keys_are_refused(api, key):
    assert post(api, key=key).status_code == 400
    assert not ApiKey.objects.filter(name="ci").exists()
