"""YAML bodies are read by the core schema of YAML 1.2, without anything that means more than it shows."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataxpipe.problems import BodyTooLarge, MalformedBody, Problem
from dataxpipe.requests import read_yaml


def refusal(body: bytes | str) -> tuple[str, str | None]:
    with pytest.raises(MalformedBody) as caught:
        read_yaml(body if isinstance(body, bytes) else body.encode())
    return caught.value.errors[0].code, caught.value.errors[0].pointer


def test_a_document_is_read_as_it_stands():
    body = b"""
    # a comment
    pipeline:
      name: orders_sync
      tags: [ecommerce, "tier-1"]
      description: |
        Two
        lines
    slo: {freshness_minutes: 90, success_rate: 0.99}
    """
    assert read_yaml(body) == {
        "pipeline": {"name": "orders_sync", "tags": ["ecommerce", "tier-1"], "description": "Two\nlines\n"},
        "slo": {"freshness_minutes": 90, "success_rate": 0.99},
    }


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("Off", "Off"), ("y", "y"),
        ("true", True), ("True", True), ("FALSE", False), ("tRue", "tRue"),
        ("null", None), ("~", None), ("", None), ("Null", None), ("nULL", "nULL"),
        ("2026-01-01", "2026-01-01"), ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("12:30:45", "12:30:45"), ("1_000", "1_000"),
        ("0123", 123), ("0o17", 15), ("0xff", 255), ("0b11", "0b11"), ("-7", -7), ("+7", 7),
        ("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("-1.5E-1", -0.15), ("1.4.0", "1.4.0"),
        ("9223372036854775807", 2**63 - 1),
        ('"true"', "true"), ("'12'", "12"), ('""', ""), ("<<", "<<"), ("=", "="), ("é", "é"),
        ('"\\u00e9"', "é"), ("1a2b3c", "1a2b3c"),
    ],
)  # fmt: skip
def test_plain_scalars_follow_the_core_schema(scalar, value):
    found = read_yaml(f"a: {scalar}".encode())["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("key", ["yes", "on", "no", "<<", "2026-01-01"])
def test_keys_that_yaml_1_1_would_convert_stay_text(key):
    assert read_yaml(f"{key}: 1".encode()) == {key: 1}


@pytest.mark.parametrize("body", ["---\na: 1\n", "%YAML 1.2\n---\na: 1\n...\n", "a: 1 # end"])
def test_one_document_may_be_marked_as_such(body):
    assert read_yaml(body.encode()) == {"a": 1}


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ("a: &x 1", "anchor", "/a"),
        ("- &x [1]\n- *x", "anchor", "/0"),
        ("a: {&k b: 1}", "anchor", "/a"),
        ("a: *x", "alias", "/a"),
        ("*x : 1", "alias", ""),
        ("a: !!python/object/apply:os.system [ls]", "tag", "/a"),
        ("a: !!str 1", "tag", "/a"),
        ("a: ! 1", "tag", "/a"),
        ("a: [!x {}]", "tag", "/a/0"),
        ("!!omap\n- a: 1", "tag", ""),
        ("%TAG ! tag:x,2000:\n---\na: 1", "tag", ""),
        ("a: 1\n---\nb: 2", "multiple_documents", ""),
        ("--- 1\n...\n--- 2", "multiple_documents", ""),
        ("a: 1\na: 2", "duplicate_key", "/a"),
        ("x: [{a: 1, 'a': 2}]", "duplicate_key", "/x/0/a"),
        ("1: x", "key_not_text", ""),
        ("a: {true: x}", "key_not_text", "/a"),
        ("a: {null: x}", "key_not_text", "/a"),
        ("? \n: 1", "key_not_text", ""),
        ("? [a, b]\n: 1", "key_not_text", ""),
        ("? {a: b}\n: 1", "key_not_text", ""),
        ("a: 9223372036854775808", "integer_range", "/a"),
        ("a: -9223372036854775809", "integer_range", "/a"),
        ("a: [0xffffffffffffffffff]", "integer_range", "/a/0"),
        ("a: " + "9" * 5000, "integer_range", "/a"),
        ("a: 1e999", "number_range", "/a"),
        ("a: .inf", "not_a_number", "/a"),
        ("a: -.INF", "not_a_number", "/a"),
        ("a: .NaN", "not_a_number", "/a"),
        ('a: "x\\0y"', "nul", "/a"),
        ('{"x\\0": 1}', "nul", ""),
    ],
)
def test_what_means_more_or_cannot_be_stored_is_refused(body, code, pointer):
    assert refusal(body) == (code, pointer)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"# only a comment\n", "empty"),
        (b"\xef\xbb\xbfa: 1", "byte_order_mark"),
        (b"a: \xff", "encoding"),
        (b"\xff\xfea\x00", "encoding"),
        (b"a: [1", "syntax"),
        (b"a: b: c", "syntax"),
        (b"\ta: 1", "syntax"),
        (b"a: x\x00y", "syntax"),
        (b"a: x\x07y", "syntax"),
        (b'a: "\\ud800"', "syntax"),
        (b"%YAML 9.9\n---\na: 1", "syntax"),
        (b"@x", "syntax"),
    ],
)
def test_what_is_not_yaml_is_refused(body, code):
    assert refusal(body) == (code, None)


def test_refusals_say_where():
    with pytest.raises(MalformedBody, match="line 2, column 4"):
        read_yaml(b"a: 1\nb: *x")


def test_32_levels_are_read_and_33_are_refused():
    assert read_yaml(b"[" * 32 + b"]" * 32)
    assert refusal("[" * 33 + "]" * 33) == ("too_deep", "/0" * 32)
    assert refusal("- " * 1000 + "x") == ("too_deep", "/0" * 32)
    assert refusal("[" * 200_000)[0] == "too_deep"


def test_ten_thousand_nodes_are_the_most():
    assert len(read_yaml(b"[" + b"1," * 9_998 + b"1]")) == 9_999
    with pytest.raises(BodyTooLarge, match="10,000 nodes"):
        read_yaml(b"[" + b"1," * 9_999 + b"1]")


def test_a_thousand_keys_are_the_most():
    lines = [f"k{number}: 1" for number in range(1001)]
    assert len(read_yaml("\n".join(lines[:-1]).encode())) == 1000
    assert refusal("\n".join(lines)) == ("too_many_keys", "")


def test_256_kilobytes_are_the_most():
    assert read_yaml(b"a" * 256 * 1024)
    with pytest.raises(BodyTooLarge, match="256 kB"):
        read_yaml(b"a" * (256 * 1024 + 1))


@given(st.binary())
@example(b"!<tag:yaml.org,2002:python/name:x> y")
@example(b"--- |\n\x85")
def test_arbitrary_bytes_raise_nothing_but_a_problem(body):
    try:
        read_yaml(body)
    except Problem as problem:
        json.dumps(problem.as_dict()).encode()


@given(st.text(alphabet="ab01.: -?[]{},&*!|>'\"%@#\n\\~<", max_size=50))
def test_text_that_looks_like_yaml_raises_nothing_but_a_problem(text):
    try:
        read_yaml(text.encode())
    except Problem as problem:
        json.dumps(problem.as_dict()).encode()
