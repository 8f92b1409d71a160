"""The difference between two specs is told by structure, entries of lists by their id."""

from hypothesis import given
from hypothesis import strategies as st

from catalog.spec.diff import Change, diff_specs
from tests.catalog.spec_documents import ORDERS, REMOVED, orders


def diff(*changes):
    return diff_specs(ORDERS, orders(*changes))


def test_equal_specs_do_not_differ():
    assert diff_specs(ORDERS, orders()) == []


def test_a_changed_value_is_told_with_before_and_after():
    assert diff(("pipeline/schedule", None)) == [
        Change("/pipeline/schedule", "changed", before="0 6 * * *", after=None)
    ]


def test_entries_are_matched_by_id():
    changed = diff(("sources/0/object", "ecommerce.orders_v2"))
    assert changed == [
        Change("/sources/raw_orders/object", "changed", before="ecommerce.orders", after="ecommerce.orders_v2")
    ]


def test_an_added_and_a_removed_entry():
    extra = {
        "id": "raw_refunds",
        "type": "postgres",
        "connection_ref": "pg-raw",
        "object": "ecommerce.refunds",
    }
    assert diff(("sources/1", extra)) == [Change("/sources/raw_refunds", "added", after=extra)]
    assert diff(("sources", [extra])) == [
        Change("/sources/raw_orders", "removed", before=ORDERS["sources"][0]),
        Change("/sources/raw_refunds", "added", after=extra),
    ]


def test_an_added_and_a_removed_section():
    assert diff(("slo", REMOVED)) == [Change("/slo", "removed", before=ORDERS["slo"])]
    assert diff_specs({}, {"slo": {}}) == [Change("/slo", "added", after={})]


def test_tags_come_and_go_one_by_one():
    assert diff(("pipeline/tags", ["ecommerce", "tier-1"])) == [
        Change("/pipeline/tags/pii", "removed", before="pii"),
        Change("/pipeline/tags/tier-1", "added", after="tier-1"),
    ]


def test_a_new_order_is_a_change():
    assert diff(("pipeline/tags", ["pii", "ecommerce"])) == [
        Change("/pipeline/tags", "changed", before=["ecommerce", "pii"], after=["pii", "ecommerce"])
    ]


def test_jobs_edges_and_columns_are_matched_by_what_names_them():
    old = {"openlineage": [{"namespace": "a", "job": "b"}], "edges": [{"from": "x", "to": "y"}]}
    new = {"openlineage": [{"namespace": "a", "job": "c"}], "edges": [{"from": "x", "to": "y"}]}
    assert [(change.path, change.kind) for change in diff_specs(old, new)] == [
        ("/openlineage/a~1b", "removed"), ("/openlineage/a~1c", "added"),
    ]  # fmt: skip
    columns = [{"name": "id", "type": "int"}]
    assert diff_specs({"columns": columns}, {"columns": [{"name": "id", "type": "bigint"}]}) == [
        Change("/columns/id/type", "changed", before="int", after="bigint")
    ]


def test_a_change_can_be_sent():
    assert Change("/slo", "removed", before={}).as_dict() == {
        "path": "/slo", "kind": "removed", "before": {}, "after": None,
    }  # fmt: skip


values = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "name", "x", "from", "to"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["p", "q"]), values), st.dictionaries(st.sampled_from(["p", "q"]), values))
def test_specs_differ_exactly_when_a_change_is_told(old, new):
    assert bool(diff_specs(old, new)) == (old != new)
