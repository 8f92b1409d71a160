"""Fields that nobody may choose, added to every body: refused by the API, ignored by forms, without effect."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.conftest import api_of, browser_of
from tests.factories.rows import fingerprint
from tests.orgs.who_state import COUNTS, who_may_what
from tests.routes import every_route
from tests.routes.calls import call, undone

SAFE = {"GET", "HEAD", "OPTIONS"}
UNSAFE = [route for route in every_route() if route.method not in SAFE]
# OpenLineage lets producers add fields; they are kept with the event and mean nothing.
OPEN = [route for route in UNSAFE if route.path.startswith("/api/v1/lineage")]
API = [route for route in UNSAFE if route.is_api and route not in OPEN]
FORMS = [route for route in UNSAFE if not route.is_api and not route.path.startswith("/webhooks/")]
FREE_FORM = {"labels", "config"}


def foreign_fields(globex: Any, gary: Any) -> dict[str, Any]:
    return {
        "organization": globex.slug,
        "organization_id": globex.pk,
        "organization_slug": globex.slug,
        "tenant": globex.slug,
        "pk": 1,
        "role": "owner",
        "plan": "business",
        "plan_name": "business",
        "status_reason": "x",
        "stripe_customer_id": "cus_of_another",
        "user": gary.pk,
        "user_id": gary.pk,
        "members": [gary.pk],
        "member_id": gary.pk,
        "created_by": gary.pk,
        "created_by_id": gary.pk,
        "created_by_label": "gary",
        "invited_by": gary.pk,
        "is_staff": True,
        "is_superuser": True,
        "is_active": True,
        "digest": "00",
    }


def nodes(body: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where objects stand in a body, the free-form ones left out."""
    if isinstance(body, list):
        return [found for index, inner in enumerate(body) for found in nodes(inner, (*place, index))]
    if not isinstance(body, dict):
        return []
    inside = [nodes(inner, (*place, key)) for key, inner in body.items() if key not in FREE_FORM]
    return [place, *(found for each in inside for found in each)]


def with_fields(body: Any, place: tuple[Any, ...], fields: dict[str, Any]) -> Any:
    if not place:
        return {**{name: value for name, value in fields.items() if name not in body}, **body}
    step, *rest = place
    copy = list(body) if isinstance(body, list) else dict(body)
    copy[step] = with_fields(body[step], tuple(rest), fields)
    return copy


def at(body: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        body = body[step]
    return body


def others_rows(globex: Any) -> dict[str, Any]:
    return {table: rows for table, rows in fingerprint(globex).items() if table not in COUNTS}


@pytest.mark.parametrize("route", API, ids=str)
def test_the_api_names_every_field_it_does_not_know_and_does_nothing(route, acme, globex, gary):
    route.prepare(acme)
    values = route.filled(acme)
    key = {"X-API-KEY": api_of(acme).api_key.text}
    before, fields, theirs = who_may_what(), foreign_fields(globex, gary), others_rows(globex)
    body = values["body"] if values["body"] is not None else {}
    for place in nodes(body):
        changed = with_fields(body, place, fields)
        with undone():
            answer = call(Client(), route, {**values, "body": changed}, **key)
            # 403: for people alone. Routes without a body look at none. The plan tells errors in an answer of 200.
            if answer.status != 403 and not (values["body"] is None and answer.status < 400):
                own = at(body, place)
                unnamed = [name for name in fields if name not in own and f"/{name}" not in answer.body]
                assert not unnamed, f"{unnamed} at {place}: {answer.status} {answer.body}"
            if answer.status >= 400 or route.path == "/api/v1/plan":
                assert who_may_what() == before
            assert others_rows(globex) == theirs


@pytest.mark.parametrize("route", [route for route in API if route.values["body"] is None], ids=str)
def test_a_call_without_a_body_looks_at_none(route, acme, globex, gary):
    route.prepare(acme)
    values = route.filled(acme)
    key, outcomes = {"X-API-KEY": api_of(acme).api_key.text}, []
    for body in (None, foreign_fields(globex, gary)):
        with undone():
            status = call(Client(), route, {**values, "body": body}, **key).status
            outcomes.append((status, who_may_what()))
    assert outcomes[1] == outcomes[0] or outcomes[1][0] == 400


@pytest.mark.parametrize("route", [*API, *OPEN], ids=str)
def test_no_header_and_no_query_leads_a_key_to_another_organization(route, acme, globex):
    route.prepare(acme)
    values = route.filled(acme)
    key, theirs = {"X-API-KEY": api_of(acme).api_key.text}, others_rows(globex)
    with undone():
        call(Client(), route, values, **key, **{"X-Organization": globex.slug, "X-Organization-Id": str(globex.pk)})
        assert others_rows(globex) == theirs
    with undone():
        query = {**values["query"], "organization": globex.slug}
        assert call(Client(), route, {**values, "query": query}, **key).status in {400, 403, route.answers}
        assert others_rows(globex) == theirs


@pytest.mark.parametrize("route", OPEN, ids=str)
def test_fields_of_producers_mean_nothing(route, acme, globex, gary):
    route.prepare(acme)
    values = route.filled(acme)
    key, theirs = {"X-API-KEY": api_of(acme).api_key.text}, others_rows(globex)
    before = who_may_what()
    for place in nodes(values["body"]):
        with undone():
            body = with_fields(values["body"], place, foreign_fields(globex, gary))
            call(Client(), route, {**values, "body": body}, **key)
            assert who_may_what() == before
            assert others_rows(globex) == theirs


@pytest.mark.parametrize("route", FORMS, ids=str)
def test_forms_do_what_they_do_without_the_fields(route, acme, globex, alice, gary):
    route.prepare(acme)
    values = route.filled(acme)
    theirs, more = (
        others_rows(globex),
        {**foreign_fields(globex, gary), "slug": "stolen", "id": 1, "email": "evil@x.test"},
    )
    outcomes = []
    for fields in ({}, more):
        with undone():
            body = with_fields(values["body"] or {}, (), fields)
            status = call(browser_of(alice), route, {**values, "body": body}).status
            outcomes.append((status, who_may_what()))
            assert others_rows(globex) == theirs
    assert outcomes[1] == outcomes[0]
