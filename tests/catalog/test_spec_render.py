"""A rendered spec reads back as it was, in the order of the documentation, without aliases."""

from hypothesis import example, given
from hypothesis import strategies as st

from catalog.spec.parse import parse_spec
from catalog.spec.render import render_yaml
from dataxpipe.requests import read_yaml
from tests.catalog.spec_documents import ORDERS, orders


def test_the_example_reads_back_as_it_was():
    assert read_yaml(render_yaml(ORDERS).encode()) == ORDERS


def test_keys_stand_in_the_order_of_the_documentation():
    document = parse_spec({key: ORDERS[key] for key in reversed(ORDERS)}).as_document()
    top = [line.rstrip(":").split(":")[0] for line in render_yaml(document).splitlines() if line[0].isalpha()]
    assert top == list(ORDERS)


def test_equal_parts_are_written_out():
    columns = [{"name": "id"}]
    text = render_yaml(orders(("sources/0/columns", columns), ("targets/0/columns", columns)))
    assert "&" not in text
    assert "*id" not in text


storable = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@given(st.dictionaries(storable, storable | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.none(), max_size=5))
@example({"a": "1e5", "b": "0o17", "c": "1.", "d": ".5", "e": "0x1f", "f": "+1", "yes": "no", "~": "", "g": "007"})
@example({"a": "x: y", "b": "# no", "c": " lead", "d": "two\nlines\n", "e": "\x85\u2028\ufeff", "f": "12:30:45"})
def test_whatever_is_rendered_reads_back_as_it_was(document):
    assert read_yaml(render_yaml(document).encode()) == document
