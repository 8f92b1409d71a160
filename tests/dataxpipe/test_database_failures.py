"""What the database refuses, loses or delays becomes the same few answers, for programs and for people."""

from __future__ import annotations

import logging

import pytest
from django.db import close_old_connections, connection

from catalog.models import Pipeline
from orgs.tenancy import TenantScopeRequired, tenant_scope
from tests.conftest import _member, api_of, browser_of
from tests.factories import OrganizationFactory, PipelineFactory

pytestmark = pytest.mark.urls("tests.dataxpipe.failing_routes")

STATUSES = {
    "sleep_too_long": 503,
    "lose_the_database": 503,
    "write_for_another_organization": 404,
    "use_a_right_that_is_missing": 500,
    "write_and_refuse": 418,
    "swallow_a_failure": 500,
    "forget_nothing": 200,
}
AFTER_COMMIT = pytest.mark.django_db(transaction=True)


@pytest.fixture
def acme_page(acme, alice):
    client = browser_of(alice)
    return lambda how: client.get(f"/o/acme/{how}/")


def names(organization) -> list[str]:
    with tenant_scope(organization):
        return list(Pipeline.objects.values_list("name", flat=True))


@pytest.mark.parametrize("how", STATUSES)
def test_the_api_answers(api, acme, how):
    response = api.get(f"/api/v1/failing/{how}/")
    assert response.status_code == STATUSES[how]
    assert names(acme) == (["kept"] if how == "forget_nothing" else [])


@pytest.mark.parametrize("how", STATUSES)
def test_a_page_of_an_organization_answers(acme_page, acme, how):
    assert acme_page(f"fail/{how}").status_code == STATUSES[how]
    assert names(acme) == (["kept"] if how == "forget_nothing" else [])


@pytest.mark.parametrize("how", ["sleep_too_long", "lose_the_database"])
def test_a_page_outside_of_organizations_answers(client, db, how):
    client.raise_request_exception = False
    response = client.get(f"/outside/{how}/")
    assert response.status_code == 503
    assert response["Retry-After"] == "1"
    assert b"Not available at the moment" in response.content


def test_a_busy_database_says_when_to_come_back(api, acme_page):
    for response in (api.get("/api/v1/failing/sleep_too_long/"), acme_page("fail/sleep_too_long")):
        assert response["Retry-After"] == "1"


def test_a_page_about_a_lost_database_asks_nothing_of_it(acme_page, django_assert_num_queries, monkeypatch):
    from dataxpipe import errors

    rendered = []
    monkeypatch.setattr(errors, "render_to_string", lambda names, context, request: rendered.append(request) or "")
    acme_page("fail/lose_the_database")
    assert rendered == [None]


def test_a_refused_row_looks_like_an_unknown_one_and_is_logged(api, acme_page, caplog):
    with caplog.at_level(logging.ERROR, logger="dataxpipe.security"):
        response = api.get("/api/v1/failing/write_for_another_organization/")
        acme_page("fail/write_for_another_organization")
    assert response.json()["type"] == "/problems/not-found"
    lines = [record.getMessage() for record in caplog.records if record.name == "dataxpipe.security"]
    assert len(lines) == 2
    assert all("catalog_pipelinetag" in line for line in lines)


def test_a_template_that_is_rendered_late_is_rendered_inside_the_scope(acme_page):
    assert b"lazily" in acme_page("lazy").content


def test_a_streamed_body_reads_in_scopes_of_its_own(acme_page, acme):
    PipelineFactory(organization=acme)
    assert acme_page("stream").getvalue() == b"1 True"


def test_a_streamed_body_that_forgot_its_scope_reads_nothing(acme_page, acme):
    PipelineFactory(organization=acme)
    with pytest.raises(TenantScopeRequired):
        acme_page("forgetful").getvalue()


@AFTER_COMMIT
def test_a_key_to_a_row_that_is_gone_is_a_conflict_for_programs_and_people():
    acme = OrganizationFactory(slug="acme")
    response = api_of(acme).get("/api/v1/failing/refer_to_a_row_that_is_gone/")
    assert response.status_code == 409
    assert response.json()["type"] == "/problems/conflict"
    page = browser_of(_member(acme, "alice", "owner")).get("/o/acme/fail/refer_to_a_row_that_is_gone/")
    assert page.status_code == 409
    assert not connection.in_atomic_block


@AFTER_COMMIT
def test_an_answer_from_400_on_has_written_nothing():
    acme = OrganizationFactory(slug="acme")
    assert api_of(acme).get("/api/v1/failing/write_and_refuse/").status_code == 418
    browser_of(_member(acme, "alice", "owner")).get("/o/acme/fail/write_and_refuse/")
    assert names(acme) == []


@AFTER_COMMIT
def test_a_lost_connection_is_told_and_the_next_request_has_another():
    acme = OrganizationFactory(slug="acme")
    api, browser = api_of(acme), browser_of(_member(acme, "alice", "owner"))
    paths = {"/api/v1/failing/{}/": api, "/o/acme/fail/{}/": browser, "/outside/{}/": browser}
    for path, client in paths.items():
        assert client.get(path.format("lose_the_connection")).status_code == 503
        close_old_connections()  # as the server does at the end of a request, and the test client does not
        assert client.get(path.format("do_nothing")).status_code == 200
