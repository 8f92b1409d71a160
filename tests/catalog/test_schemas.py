"""The JSON Schemas of specs and connections are public and offline."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from catalog.connection_types import connection_types
from tests.factories.specs import pipeline_spec


def test_the_schema_of_specs_takes_the_example(anonymous_api):
    response = anonymous_api.get("/api/v1/schemas/pipeline.json")
    assert response.status_code == 200
    schema = response.json()
    Draft202012Validator.check_schema(schema)
    assert not list(Draft202012Validator(schema).iter_errors(pipeline_spec()))


@pytest.mark.parametrize("name", sorted(connection_types()))
def test_every_type_of_connection_has_a_schema(anonymous_api, name):
    schema = anonymous_api.get(f"/api/v1/schemas/connections/{name}.json").json()
    Draft202012Validator.check_schema(schema)
    assert set(schema["required"]) <= set(schema["properties"])


def test_an_unknown_type_has_none(anonymous_api):
    assert anonymous_api.get("/api/v1/schemas/connections/oracle.json").status_code == 404
