import datetime

import pytest
from rest_framework.exceptions import ValidationError

from dataxpipe.fields import FlagField, InstantField, StrictSerializer, TextField, WholeNumberField, WordField
from dataxpipe.rendering import problem_of


class Order(StrictSerializer):
    name = TextField(max_length=5)
    count = WholeNumberField(required=False, max_value=10)
    is_paid = FlagField(required=False)
    size = WordField(["small", "large"], required=False)
    ordered_at = InstantField(required=False)


def errors_of(**data):
    serializer = Order(data=data)
    return {} if serializer.is_valid() else serializer.errors


def test_what_is_declared_is_read():
    assert errors_of(name="book", count=3, is_paid=True, ordered_at="2026-03-01T06:00:00+01:00") == {}


def test_instants_are_utc():
    serializer = Order(data={"name": "book", "ordered_at": "2026-03-01T06:00:00+01:00"})
    assert serializer.is_valid()
    assert serializer.validated_data["ordered_at"] == datetime.datetime(2026, 3, 1, 5, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 5),
        ("name", True),
        ("name", None),
        ("name", ["book"]),
        ("count", "3"),
        ("count", 3.0),
        ("count", True),
        ("count", 11),
        ("is_paid", "yes"),
        ("is_paid", 1),
        ("ordered_at", "2026-03-01T06:00:00"),
        ("ordered_at", "2026-03-01"),
        ("ordered_at", 1_770_000_000),
        ("ordered_at", "9999-99-99T00:00:00Z"),
        ("ordered_at", "0001-01-01T00:00:00+23:00"),
    ],
)
def test_other_types_are_refused(field, value):
    assert list(errors_of(**{"name": "book", field: value})) == [field]


def test_unknown_fields_are_named_together_with_the_other_defects():
    errors = errors_of(name=5, colour="red")
    assert errors["colour"][0].code == "unknown"
    assert errors["name"][0].code == "invalid"


def test_a_body_that_is_no_object_is_refused():
    assert not Order(data=[1]).is_valid()


def test_a_wrong_word_is_answered_with_the_right_ones():
    assert errors_of(name="book", size="huge")["size"] == ["One of small, large."]


def test_a_misspelt_field_is_answered_with_the_nearest():
    assert errors_of(name="book", ordred_at="x")["ordred_at"] == [
        "This field is not known here. Did you mean ordered_at?"
    ]
    assert errors_of(name="book", x="x")["x"] == ["This field is not known here."]


def test_something_else_than_an_object_is_told_so():
    serializer = Order(data=["book"])
    assert not serializer.is_valid()
    assert serializer.errors["non_field_errors"] == ["A JSON object is needed here."]


def test_the_detail_begins_with_the_first_defect():
    problem = problem_of(ValidationError(errors_of(name=5, count="3")))
    assert problem.detail == "/name: Not a valid string. (1 more)"
    assert [error.pointer for error in problem.errors] == ["/name", "/count"]
