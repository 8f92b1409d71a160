import json
import re
from html import unescape

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema

from dataxpipe.documentation import _schema
from dataxpipe.problems import problem_types
from tests.routes import resolved_routes

PROBLEMS = sorted(problem_types(), key=lambda problem: problem.slug)


@pytest.fixture(scope="module")
def schema():
    GENERATOR_STATS.reset()
    with GENERATOR_STATS.silence():
        return json.loads(_schema())


def test_the_description_is_valid_openapi_3_1(schema):
    validate_schema(schema)
    assert schema["openapi"] == "3.1.0"


def test_every_route_of_the_api_is_described(schema):
    described = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path).rstrip("/"))
        for path, operations in schema["paths"].items()
        for method in operations
    }
    # Schemas are files, not operations.
    routes = {key for key in resolved_routes() if key[1].startswith("/api/v1/") and "/schema" not in key[1]}
    assert routes == described


def test_nothing_had_to_be_guessed(capsys):
    GENERATOR_STATS.reset()
    _schema.__wrapped__()
    assert not GENERATOR_STATS, list(GENERATOR_STATS._warn_cache) + list(GENERATOR_STATS._error_cache)


def test_operations_have_names_of_their_own(schema):
    names = [operation["operationId"] for path in schema["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))


def test_either_header_will_do(schema):
    assert schema["paths"]["/api/v1/api-keys/"]["get"]["security"] == [{"apiKey": []}, {"bearer": []}]


def test_lists_are_pages(schema):
    operation = schema["paths"]["/api/v1/api-keys/"]["get"]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    if "$ref" in answer:
        answer = schema["components"]["schemas"][answer["$ref"].rpartition("/")[2]]
    assert set(answer["properties"]) == {"results", "next", "previous"}
    assert {"cursor", "limit"} <= {parameter["name"] for parameter in operation["parameters"]}


def test_the_description_and_its_page_need_no_credential_and_nothing_from_elsewhere(client, db):
    response = client.get("/api/v1/schema")
    assert response["Content-Type"].startswith("application/vnd.oai.openapi+json")
    page = client.get("/api/docs")
    assert "'unsafe-inline'" not in page["Content-Security-Policy"].split("style-src")[0]
    text = page.content.decode()
    assert "<script>" not in text
    assert set(re.findall(r'(?:src|href)="([^"]+)"', text)) == {
        address for address in re.findall(r'(?:src|href)="([^"]+)"', text) if address.startswith("/")
    }


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.slug)
def test_every_problem_type_has_a_page(client, db, problem):
    text = unescape(client.get(f"/problems/{problem.slug}").content.decode())
    assert problem.title in text
    assert f"/problems/{problem.slug}" in client.get("/problems/").content.decode()


def test_problem_types_have_names_of_their_own_and_say_what_they_mean():
    slugs = [problem.slug for problem in PROBLEMS]
    assert len(slugs) == len(set(slugs))
    inherited = [p.slug for p in PROBLEMS for base in p.__bases__ if getattr(base, "about", None) == p.about]
    assert inherited == []


def test_a_problem_type_nobody_made_up_is_not_found(client, db):
    assert client.get("/problems/made-up").status_code == 404
