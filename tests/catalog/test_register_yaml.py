"""Registering from YAML, and what YAML can do that a spec may not."""

from __future__ import annotations

import gzip

import pytest

from catalog.models import Pipeline
from orgs.tenancy import tenant_scope
from tests.factories.specs import connections_of_spec, pipeline_spec

URL = "/api/v1/pipelines/"
SPEC = """\
version: "1.0.0"
pipeline:
  name: orders_sync
  description: Sync orders
  owner: commerce-data@example.com
  environment: production
  schedule: "0 6 * * *"     # at six
  timezone: Europe/Vienna
  tags: [ecommerce, pii]
"""


def post(api, text, content_type="application/yaml", **kwargs):
    body = text if isinstance(text, bytes) else text.encode()
    return api.post(URL, body, content_type=content_type, **kwargs)


@pytest.mark.parametrize("content_type", ["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"])
def test_a_yaml_spec_makes_a_pipeline(api, content_type):
    response = post(api, SPEC, content_type)
    assert response.status_code == 201, response.json()
    assert response.json()["pipeline"]["tags"] == ["ecommerce", "pii"]


def test_yaml_and_json_of_the_same_content_are_the_same_version(api, acme):
    connections_of_spec(acme)
    yaml_spec = post(api, SPEC)
    plain = {key: value for key, value in pipeline_spec().items() if key in ("version", "pipeline")}
    response = api.post(URL, plain)
    assert response.status_code == 200
    assert response.json()["version"]["digest"] == yaml_spec.json()["version"]["digest"]


def test_a_gzipped_spec_is_read(api):
    assert post(api, gzip.compress(SPEC.encode()), headers={"Content-Encoding": "gzip"}).status_code == 201


def test_a_version_without_quotes_is_a_number_and_refused(api):
    response = post(api, SPEC.replace('"1.0.0"', "1.10"))
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/version"
    assert "quotes" in response.json()["errors"][0]["detail"]


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8)
)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (SPEC + "sources: &a []\ntargets: *a\n", 400),
        (SPEC.replace("Sync orders", "!!python/object/apply:os.system ['true']"), 400),
        (SPEC.replace("Sync orders", "!custom x"), 400),
        (SPEC + "<<: {checks: []}\n", 400),
        (BOMB, 400),
        (SPEC + "pipeline: {}\n", 400),
        (SPEC + "---\nsecond: document\n", 400),
        (SPEC.replace("Sync orders", '"a\\0b"'), 400),
        (SPEC.replace("Sync orders", '"\\uD800"'), 400),
        (SPEC.replace("Sync orders", "9" * 40), 400),
        ("a: " + "[" * 40 + "]" * 40, 400),
        ("\t- tabs", 400),
        (b"\xff\xfe", 400),
        (b"", 400),
        ("x: " + "a" * 300_000, 413),
        ("[" + "1," * 12_000 + "1]", 413),
    ],
    ids=["alias", "python tag", "own tag", "merge", "bomb", "duplicate key", "two documents", "nul", "surrogate",
         "huge integer", "depth", "tab", "not utf-8", "empty", "300 kB", "too many nodes"],
)  # fmt: skip
def test_what_yaml_can_do_and_a_spec_may_not_leaves_nothing(api, acme, text, status):
    response = post(api, text)
    assert response.status_code == status, response.content[:300]
    assert response.headers["Content-Type"] == "application/problem+json"
    with tenant_scope(acme):
        assert not Pipeline.objects.exists()


def test_an_error_in_yaml_has_the_same_pointer_as_in_json(api):
    response = post(api, SPEC.replace("Europe/Vienna", "Europe/Wien"))
    assert [error["pointer"] for error in response.json()["errors"]] == ["/pipeline/timezone"]


def test_another_media_type_is_refused(api):
    response = post(api, SPEC, "text/csv")
    assert response.status_code == 415


def test_curls_own_media_type_is_answered_with_the_line_to_add(api):
    response = post(api, SPEC, "application/x-www-form-urlencoded")
    assert response.status_code == 415
    assert "Content-Type: application/yaml" in response.json()["detail"]
