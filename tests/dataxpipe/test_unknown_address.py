from django.test import Client


def test_an_unknown_api_address_is_a_problem(client):
    response = client.get("/api/v1/nothing/")
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["type"] == "/problems/not-found"


def test_an_unknown_page_is_a_page(client):
    response = client.get("/nothing")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


def test_every_answer_carries_its_request_id(client):
    assert client.get("/nothing", headers={"X-Request-ID": "caller-0001"})["X-Request-ID"] == "caller-0001"
    assert len(client.get("/nothing", headers={"X-Request-ID": "bad id!"})["X-Request-ID"]) == 32


def test_a_misspelt_api_address_says_where_the_right_ones_stand():
    response = Client(enforce_csrf_checks=True).post("/api/v1/run/", {}, content_type="application/json")
    assert response.status_code == 404
    assert "/api/docs" in response.json()["detail"]


def test_a_page_is_found_with_a_slash_too_many_or_too_few(client):
    assert client.get("/signup/?next=/x")["Location"] == "/signup?next=/x"
    assert client.get("/account")["Location"] == "/account/"
    assert client.get("/nothing/").status_code == 404
    assert client.post("/signup/").status_code == 404
