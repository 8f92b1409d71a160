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
