"""JSON bodies are read strictly: what is returned can be stored, the rest is a problem with a pointer."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataxpipe.problems import BodyTooLarge, MalformedBody, Problem
from dataxpipe.requests import json_pointer, read_json


def refusal(body: bytes | str) -> tuple[str, str | None]:
    with pytest.raises(MalformedBody) as caught:
        read_json(body if isinstance(body, bytes) else body.encode())
    return caught.value.errors[0].code, caught.value.errors[0].pointer


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def test_a_document_is_read_as_it_stands():
    body = b'{"a": [1, -2.5, 1e3, true, null, "\\ud83d\\ude00", "\\\\u0000"], "\xc3\xa4": {}}'
    assert read_json(body) == {"a": [1, -2.5, 1000.0, True, None, "\U0001f600", "\\u0000"], "ä": {}}


def test_any_value_may_be_the_document():
    assert [read_json(body) for body in (b"3", b'"x"', b"null", b" [] \n")] == [3, "x", None, []]


def test_integers_of_64_bits_are_kept_exactly():
    assert read_json(b"[9223372036854775807, -9223372036854775808]") == [2**63 - 1, -(2**63)]


@pytest.mark.parametrize("digits", ["9223372036854775808", "-9223372036854775809", "9" * 5000])
def test_larger_integers_are_refused_where_they_stand(digits):
    assert refusal(f'{{"runs": [{{"rows": {digits}}}]}}') == ("integer_range", "/runs/0/rows")


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_are_not_json_are_refused(constant):
    assert refusal(f'{{"value": {constant}}}') == ("not_a_number", "/value")


def test_a_float_beyond_a_double_is_refused():
    assert refusal('{"value": [0, 1e999]}') == ("number_range", "/value/1")


def test_a_repeated_key_is_refused_by_name():
    assert refusal('{"a": [{"b": 1, "c": 2, "b": 3}]}') == ("duplicate_key", "/a/0/b")


def test_a_repeated_key_at_the_top_is_refused():
    assert refusal('{"a/b": 1, "a/b": 2}') == ("duplicate_key", "/a~1b")


def test_every_repeated_key_is_named_at_once():
    with pytest.raises(MalformedBody) as caught:
        read_json(b'[{"a": 1, "a": 2}, {"b": 1, "b": NaN}]')
    assert {error.pointer for error in caught.value.errors} == {"/0/a", "/1/b"}


def test_errors_are_named_up_to_a_hundred():
    with pytest.raises(MalformedBody) as caught:
        read_json(b"[" + b"NaN," * 5000 + b"1]")
    assert len(caught.value.errors) == 100


def test_a_thousand_keys_are_read_and_one_more_is_refused():
    document = {f"k{number}": number for number in range(1000)}
    assert read_json(json.dumps(document).encode()) == document
    document["one more"] = 1
    assert refusal(json.dumps([document])) == ("too_many_keys", "/0")


def test_32_levels_are_read_and_33_are_refused():
    assert read_json(nested(32).encode())
    assert refusal(nested(33)) == ("too_deep", "/0" * 32)


def test_brackets_inside_text_do_not_count_as_levels():
    assert read_json(json.dumps(["[{" * 100]).encode()) == ["[{" * 100]


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_bomb_of_brackets_is_refused(opening):
    assert refusal(opening * 200_000) == ("too_deep", None)


def test_nul_is_refused_in_values_and_keys():
    assert refusal(r'{"a": ["x\u0000y"]}') == ("nul", "/a/0")
    assert refusal(r'{"a": {"x\u0000": 1}}') == ("nul", "/a")


@pytest.mark.parametrize("half", [r"\ud800", r"\uDFFF", r"\ud83d x", r"\ude00\ud83d"])
def test_half_of_a_surrogate_pair_is_refused(half):
    assert refusal(f'{{"a": "{half}"}}') == ("lone_surrogate", "/a")


def test_pointers_can_always_be_sent_back():
    assert refusal(r'{"\ud800": {"a": 1, "a": 2}}') == ("duplicate_key", "/?/a")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xef\xbb\xbf{}", "byte_order_mark"),
        (b'"\xff"', "encoding"),
        (b'"\xed\xa0\x80"', "encoding"),
        (b"\xff\xfe{\x00}\x00", "encoding"),
        (b"{'a': 1}", "syntax"),
        (b'{"a": 1,}', "syntax"),
        (b"{} {}", "syntax"),
        (b"01", "syntax"),
        (b'"a\x00b"', "syntax"),
        (b'"a\nb"', "syntax"),
    ],
)
def test_what_is_not_json_is_refused(body, code):
    assert refusal(body) == (code, None)


def test_syntax_errors_say_where():
    with pytest.raises(MalformedBody, match="line 2, column 7"):
        read_json(b'{\n "a": x}')


def test_ten_mebibytes_are_the_most():
    assert read_json(b'"' + b"a" * (10 * 1024**2 - 2) + b'"')
    with pytest.raises(BodyTooLarge, match="10 MiB"):
        read_json(b'"' + b"a" * (10 * 1024**2) + b'"')


def test_pointers_follow_rfc_6901():
    assert json_pointer(["a/b", "m~n", 0, ""]) == "/a~1b/m~0n/0/"


@given(st.binary())
@example(b"[" * 5000)
@example(b'{"a":1,"a":\xff')
def test_arbitrary_bytes_raise_nothing_but_a_problem(body):
    try:
        read_json(body)
    except Problem as problem:
        json.dumps(problem.as_dict()).encode()


@given(st.text(alphabet='{}[]",:0123456789eE+-.\\u dDaNfInity\0é', max_size=60))
def test_text_that_looks_like_json_raises_nothing_but_a_problem(text):
    try:
        read_json(text.encode())
    except Problem as problem:
        json.dumps(problem.as_dict()).encode()


storable_text = st.text(st.characters(exclude_characters="\0", codec="utf-8"))
finite = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | finite | storable_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcé~/"), inner, max_size=4),
    max_leaves=20,
)


@given(json_values, st.booleans())
def test_what_may_be_stored_is_read_back_unchanged(value, escaped):
    assert read_json(json.dumps(value, ensure_ascii=escaped).encode()) == value
