"""Equal content has an equal digest, however it is written; anything else has another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.spec.digest import content_digest
from catalog.spec.parse import parse_spec
from tests.catalog.spec_documents import ORDERS, REMOVED, orders


def digest(document):
    return content_digest(parse_spec(document))


def test_a_digest_is_a_sha256():
    assert len(digest(ORDERS)) == 32


def test_a_digest_stays_the_same_over_releases():
    assert digest(ORDERS).hex() == "9b44d08124798059041accfe54b6abc6d3ca34bbf3acb51a26d6d1594e130967"


def shuffled(value, random):
    if isinstance(value, dict):
        items = [(key, shuffled(item, random)) for key, item in value.items()]
        random.shuffle(items)
        return dict(items)
    return [shuffled(item, random) for item in value] if isinstance(value, list) else value


@given(st.randoms())
def test_the_order_of_keys_does_not_matter(random):
    assert digest(shuffled(ORDERS, random)) == digest(ORDERS)


@pytest.mark.parametrize(
    "change",
    [
        ("version", "2.0.0"),
        ("version", REMOVED),
        ("source", REMOVED),
        ("source/commit", "ffffff"),
        ("pipeline/tags", ["PII", "ecommerce", "pii"]),
        ("pipeline/namespace", REMOVED),
        ("checks/0/severity", REMOVED),
        ("slo/freshness_minutes", 90.0),
        ("pipeline/description", "Sync orders\n"),
        ("pipeline/schedule", "0  6 * * *"),
    ],
)
def test_what_is_no_content_does_not_matter(change):
    assert digest(orders(change)) == digest(ORDERS)


def test_sql_is_short_for_type_and_code_ref():
    short = {"id": "orders_clean", "sql": "transforms/orders_clean.sql", "inputs": ["raw_orders"]}
    assert digest(orders(("transforms/0", short | {"outputs": ["clean_orders"]}))) == digest(ORDERS)


@pytest.mark.parametrize(
    "change",
    [
        ("pipeline/owner", "other@example.com"),
        ("pipeline/schedule", None),
        ("pipeline/timezone", REMOVED),
        ("pipeline/tags", []),
        ("slo", REMOVED),
        ("checks", []),
        ("transforms/0/code_sha256", "0" * 64),
        ("sources/0/object", "ecommerce.orders2"),
        ("lineage", REMOVED),
    ],
)
def test_content_matters(change):
    assert digest(orders(change)) != digest(ORDERS)
