"""Bodies are read by content type and encoding; a gzip bomb is refused before it unfolds."""

import contextlib
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataxpipe.problems import BodyTooLarge, MalformedBody, Problem, UnsupportedMediaType
from dataxpipe.requests import read_body

DOCUMENT = {"a": 1}


@pytest.mark.parametrize(
    "content_type",
    [
        "", "application/json", "Application/JSON ; charset=UTF-8", 'application/json; charset="utf-8"',
        "application/vnd.openlineage+json", "application/problem+json",
    ],
)  # fmt: skip
def test_json_is_read_under_its_names(content_type):
    assert read_body(content_type, "", b'{"a": 1}') == DOCUMENT


@pytest.mark.parametrize("content_type", ["application/yaml", "application/x-yaml", "text/yaml; charset=utf-8"])
def test_yaml_is_read_where_a_spec_is_expected(content_type):
    assert read_body(content_type, "", b"a: 1", allow_yaml=True) == DOCUMENT
    with pytest.raises(UnsupportedMediaType, match="Send application/json"):
        read_body(content_type, "", b"a: 1")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_curl_without_a_type_is_told_which_header_to_add(content_type):
    with pytest.raises(UnsupportedMediaType, match="-H 'Content-Type: application/yaml'"):
        read_body(content_type, "", b"a: 1", allow_yaml=True)
    with pytest.raises(UnsupportedMediaType, match="-H 'Content-Type: application/json'"):
        read_body(content_type, "", b"a: 1")


@pytest.mark.parametrize(
    "content_type",
    ["text/html", "multipart/form-data; boundary=x", "json", "application/json; charset=latin-1"],
)
def test_other_types_are_refused(content_type):
    with pytest.raises(UnsupportedMediaType) as caught:
        read_body(content_type, "", b"{}", allow_yaml=True)
    assert caught.value.status == 415


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_a_gzip_body_is_unpacked(encoding):
    assert read_body("application/json", encoding, gzip.compress(b'{"a": 1}', mtime=0)) == DOCUMENT


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_a_plain_body_is_taken_as_it_is(encoding):
    assert read_body("application/json", encoding, b'{"a": 1}') == DOCUMENT


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip"])
def test_other_encodings_are_refused_and_gzip_is_offered(encoding):
    with pytest.raises(UnsupportedMediaType) as caught:
        read_body("application/json", encoding, b"{}")
    assert caught.value.headers == {"Accept-Encoding": "gzip"}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", gzip.compress(b"{}", mtime=0)[:-4], gzip.compress(b"{}", mtime=0)[:5],
        gzip.compress(b"{}", mtime=0) + b"x", gzip.compress(b"{}", mtime=0) * 2,
        gzip.compress(b"{}", mtime=0)[:-8] + bytes(8),
    ],
)  # fmt: skip
def test_broken_gzip_is_refused(body):
    with pytest.raises(MalformedBody) as caught:
        read_body("application/json", "gzip", body)
    assert caught.value.errors[0].code == "gzip"


def test_an_empty_body_inside_gzip_is_refused():
    with pytest.raises(MalformedBody, match="empty"):
        read_body("application/json", "gzip", gzip.compress(b"", mtime=0))


def test_a_bomb_is_refused():
    with pytest.raises(BodyTooLarge, match="10 MiB"):
        read_body("application/json", "gzip", gzip.compress(b" " * 11 * 1024**2, mtime=0))
    with pytest.raises(BodyTooLarge, match="256 kB"):
        read_body("text/yaml", "gzip", gzip.compress(b" " * 257 * 1024, mtime=0), allow_yaml=True)


def test_what_just_fits_is_read():
    assert read_body("", "gzip", gzip.compress(b'"' + b"a" * (10 * 1024**2 - 2) + b'"')).startswith("a")


@given(st.text(), st.sampled_from(["", "gzip", "identity", "br"]) | st.text(), st.binary(), st.booleans())
def test_arbitrary_requests_raise_nothing_but_a_problem(content_type, encoding, body, allow_yaml):
    with contextlib.suppress(Problem):
        read_body(content_type, encoding, body, allow_yaml=allow_yaml)
