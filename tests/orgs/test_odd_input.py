"""Input that no form and no client of ours sends is refused like any other, and never breaks anything."""

import pytest

KEYS = "/api/v1/api-keys/"


@pytest.mark.parametrize("slug", ["%00", "a%ED%A0%80", "%FF", "x" * 3000])
def test_an_organization_of_that_name_is_not_there(alice_client, slug):
    assert alice_client.get(f"/o/{slug}/start/").status_code in {400, 404}


@pytest.mark.parametrize(
    "query",
    ["actor_id=%00", "target_id=%00", "actor_id=%FF", "target_id=" + "x" * 5000, "action=%00", "cursor=%00",
     "limit=%00", "after=%00"],
)  # fmt: skip
def test_filters_find_nothing_or_are_refused(api, query):
    assert api.get(f"/api/v1/audit-events/?{query}").status_code in {200, 400}


@pytest.mark.parametrize("pk", ["%00", "%FF", "x" * 3000, "%2e%2e", "00000000-0000-0000-0000-000000000000"])
def test_a_key_of_that_id_is_not_there(api, pk):
    assert api.get(KEYS + pk).status_code == 404
    assert api.delete(KEYS + pk).status_code == 404
    assert api.post(f"{KEYS}{pk}/rotate", {}).status_code == 404


def test_forms_refuse_what_cannot_be_stored(alice_client):
    assert alice_client.post("/o/acme/settings/api-keys/", {"name": "a\x00b", "preset": "ci"}).status_code == 400
    assert alice_client.post("/o/acme/settings/", {"name": "a\x00b"}).status_code == 400
    assert alice_client.get("/o/acme/settings/api-keys/?rotate=%00").status_code == 404
    assert alice_client.get("/o/acme/settings/audit/?action=%00").status_code == 200
    assert alice_client.get("/o/acme/settings/audit/?cursor=%00").status_code == 400


@pytest.mark.parametrize(
    "form", [{"email": "a\x00@b.cc", "password": "x"}, {"email": "a@b.cc", "password": "x\x00"}, {"email": "a@b.cc"}]
)
def test_the_login_refuses_it_too(client, db, form):
    assert client.post("/login", form).status_code == 400


def test_a_theme_and_a_link_nobody_made_change_nothing(client, db):
    assert client.post("/theme", {"theme": "\x00", "next": "/\x00"})["Location"] == "/"
    assert client.get("/confirm/%00").status_code == 400
