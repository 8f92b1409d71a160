"""Pages per person and minute."""

from __future__ import annotations

import pytest

from orgs import person_limits
from orgs.models import RateCounter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("limits")]


@pytest.fixture(autouse=True)
def two_a_minute(monkeypatch):
    monkeypatch.setattr(person_limits, "PAGES_PER_MINUTE", 2)
    monkeypatch.setattr(person_limits, "WINDOW_SECONDS", 86_400)  # no new window begins meanwhile


def test_over_the_limit_there_is_a_page_that_says_when(alice_client):
    assert [alice_client.get("/o/acme/pipelines/").status_code for _ in range(2)] == [200, 200]
    response = alice_client.get("/o/acme/pipelines/")
    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= 86_400
    page = response.content.decode()
    assert "You opened 2 pages within a minute" in page
    assert "Too many requests" in page


def test_persons_are_counted_apart_and_plans_do_not_matter(alice_client, bob_client, acme, api):
    for _ in range(3):
        alice_client.get("/account/")
    assert bob_client.get("/o/acme/pipelines/").status_code == 200
    assert api.get("/api/v1/organizations/me").status_code == 200


def test_all_of_a_persons_pages_count_together(alice_client):
    alice_client.get("/account/")
    alice_client.get("/organizations")
    assert alice_client.get("/o/acme/pipelines/").status_code == 429


def test_a_refused_page_asks_nothing_of_the_organization(alice_client, django_assert_max_num_queries):
    for _ in range(2):
        alice_client.get("/o/acme/pipelines/")
    with django_assert_max_num_queries(4):  # session, person, counter, memberships for the page's head
        assert alice_client.get("/o/acme/pipelines/").status_code == 429


def test_probes_and_who_is_not_logged_in_are_not_counted(client):
    for path in ("/healthz", "/readyz", "/login", "/problems/"):
        for _ in range(3):
            assert client.get(path).status_code == 200
    assert not RateCounter.objects.exists()


def test_probes_are_not_counted_for_a_person_either(alice_client):
    for _ in range(3):
        assert alice_client.get("/healthz").status_code == 200
    assert not RateCounter.objects.exists()
