"""Clients that compress while they send know no length: their bodies come in chunks, and are read like any other."""

from io import BytesIO

import pytest

from dataxpipe.requests.chunked import with_chunked_bodies

LIMIT = 1_000


def body_and_length(**environ):
    """What the wrapped application finds."""
    seen = {}

    def application(environ, start_response):
        seen.update(environ)
        return []

    with_chunked_bodies(application, limit=LIMIT)(environ, None)
    return seen["wsgi.input"].read(), seen.get("CONTENT_LENGTH")


def chunked(body):
    return {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}


def test_a_chunked_body_gets_its_length():
    assert body_and_length(**chunked(b'{"a": 1}')) == (b'{"a": 1}', "8")


def test_of_a_body_over_the_limit_one_byte_more_is_read():
    assert body_and_length(**chunked(b"x" * 5 * LIMIT)) == (b"x" * (LIMIT + 1), str(LIMIT + 1))


@pytest.mark.parametrize("missing", ["wsgi.input_terminated", "HTTP_TRANSFER_ENCODING"])
def test_other_bodies_are_left_to_django(missing):
    environ = {"CONTENT_LENGTH": "3", **chunked(b"abc, and the next request")}
    del environ[missing]
    assert body_and_length(**environ) == (b"abc, and the next request", "3")


def test_a_body_over_the_limit_is_refused_with_the_limit(acme, api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = LIMIT
    response = api.post("/api/v1/runs/", {"pipeline_id": "x" * LIMIT})
    assert response.status_code == 413
    assert response.json()["limit"] == 10 * 1024 * 1024
