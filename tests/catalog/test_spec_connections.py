"""Connections of a spec exist, fit its types and say where its objects are."""

from catalog.spec.datasets import ConnectionInfo
from catalog.spec.parse import collect_errors, parse_spec, validate_connections
from catalog.spec.validate import connection_refs
from tests.catalog.spec_documents import REMOVED, orders

CONNECTIONS = {
    "pg-raw": ConnectionInfo("pg-raw", "postgres", {"host": "db.acme.internal", "database": "shop"}),
    "bq-analytics": ConnectionInfo("bq-analytics", "bigquery", {"project": "acme-analytics"}),
}


def errors_of(document, connections=CONNECTIONS):
    return {(error.pointer, error.code): error.detail for error in collect_errors(document, connections)[1]}


def test_connections_that_fit_are_accepted():
    spec, errors = collect_errors(orders(), CONNECTIONS)
    assert spec is not None
    assert errors == []
    assert validate_connections(spec, CONNECTIONS) == []


def test_a_spec_tells_which_connections_it_needs():
    assert connection_refs(orders()) == {"pg-raw", "bq-analytics"}
    assert connection_refs([{"connection_ref": "x"}]) == set()


def test_an_unknown_connection_is_refused_with_the_nearest():
    errors = errors_of(orders(("sources/0/connection_ref", "pg-row")))
    assert set(errors) == {("/sources/0/connection_ref", "unknown_connection")}
    assert 'Did you mean "pg-raw"?' in errors["/sources/0/connection_ref", "unknown_connection"]


def test_without_any_connection_the_way_is_told():
    errors = errors_of(orders(), {})
    assert set(errors) == {
        ("/sources/0/connection_ref", "unknown_connection"),
        ("/targets/0/connection_ref", "unknown_connection"),
    }
    assert all("Create it first" in detail for detail in errors.values())


def test_a_connection_of_another_type_is_refused():
    errors = errors_of(orders(("sources/0/type", "mysql")))
    assert 'pg-raw" is a postgres connection' in errors["/sources/0/type", "connection_mismatch"]


def test_an_object_that_cannot_be_placed_is_refused():
    errors = errors_of(orders(("targets/0/object", "orders")))
    assert "has no dataset" in errors["/targets/0/object", "incomplete_object"]


def test_connection_errors_come_with_all_others():
    document = orders(("pipeline/owner", REMOVED), ("pipeline/schedule", "x"), ("sources/0/connection_ref", "no"))
    assert set(errors_of(document)) == {
        ("/pipeline/owner", "required"),
        ("/pipeline/schedule", "invalid_schedule"),
        ("/sources/0/connection_ref", "unknown_connection"),
    }


def test_a_parsed_spec_can_be_checked_later():
    errors = validate_connections(parse_spec(orders()), {})
    assert [error.pointer for error in errors] == ["/sources/0/connection_ref", "/targets/0/connection_ref"]
