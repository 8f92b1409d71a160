"""What a caller accepts and what an address can answer must meet."""


def test_a_media_type_nobody_offers_is_answered_with_those_that_are(api):
    response = api.get("/api/v1/pipelines/", headers={"Accept": "text/csv"})
    assert response.status_code == 406
    assert response.json()["type"] == "/problems/not-acceptable"
    assert "application/json" in response.json()["detail"]


def test_what_a_browser_accepts_is_answered(api):
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert api.get("/api/v1/pipelines/", headers={"Accept": accept}).status_code == 200
