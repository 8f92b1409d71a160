"""Everything that is wrong with a spec is told at once, where it stands and in words that help."""

import pytest

from catalog.spec.parse import collect_errors
from catalog.spec.structure import published_schema
from tests.catalog.spec_documents import REMOVED, minimal, orders, source, target, transform


def errors_of(document):
    spec, errors = collect_errors(document)
    assert (spec is None) == bool(errors)
    return {(error.pointer, error.code): error.detail for error in errors}


def only_error(document):
    errors = errors_of(document)
    assert len(errors) == 1, errors
    ((place, detail),) = errors.items()
    return *place, detail


@pytest.mark.parametrize("key", ["name", "description", "owner", "environment", "schedule"])
def test_required_keys_are_missed(key):
    pointer, code, detail = only_error(orders((f"pipeline/{key}", REMOVED)))
    assert (pointer, code) == (f"/pipeline/{key}", "required")
    assert detail.startswith(f"{key} is required. ")


@pytest.mark.parametrize(
    ("path", "value", "code", "hint"),
    [
        ("pipeline/ownr", "x", "unknown_field", 'Did you mean "owner"?'),
        ("pipeline/sources", [], "unknown_field", "Move it to the top level"),
        ("owner", "x", "unknown_field", "Indent it there"),
        ("chekcs", [], "unknown_field", 'Did you mean "checks"?'),
        ("zzz", 1, "unknown_field", "Known here: version, pipeline"),
        ("sources/0/table", "x", "unknown_field", "Known here: id, type"),
        ("version", 1.4, "wrong_type", 'Put it in quotes: "1.4".'),
        ("source/commit", 1234567, "wrong_type", 'Put it in quotes: "1234567".'),
        ("pipeline/owner", ["a"], "wrong_type", "must be text, not a list"),
        ("pipeline/tags", None, "wrong_type", "leave the key out"),
        ("pipeline/tags", "pii", "wrong_type", "must be a list, not text"),
        ("slo/freshness_minutes", True, "wrong_type", "a whole number, not true or false"),
        ("sources", {}, "wrong_type", "must be a list, not an object"),
        ("pipeline/name", "Orders Sync", "invalid_format", 'Did you mean "orders_sync"?'),
        ("pipeline/name", "-x", "invalid_format", 'Did you mean "x"?'),
        ("pipeline/name", "orders\n", "invalid_format", "lower-case letters"),
        ("pipeline/name", "a" * 201, "invalid_format", "at most 200"),
        ("pipeline/environment", "Production", "invalid_format", 'Did you mean "production"?'),
        ("pipeline/description", " \n", "invalid_format", "can be seen"),
        ("pipeline/description", "x\0", "invalid_format", "no NUL"),
        ("pipeline/description", "x\ud800", "invalid_format", "can be seen"),
        ("pipeline/description", "x" * 10_001, "too_long", "10,000 are the most"),
        ("pipeline/owner", "a\nb", "invalid_format", "one line"),
        ("pipeline/tags/0", "no spaces", "invalid_format", "entry of tags"),
        ("pipeline/tags", ["x"] * 101, "too_many", "100 are the most"),
        ("pipeline/schedule", "", "too_short", "must not be empty"),
        ("version", "1 4", "invalid_format", "at most 64 characters"),
        ("source/run_url", "javascript:alert(1)", "invalid_format", "http or https"),
        ("transforms/0/code_sha256", "abc", "invalid_format", "64 hexadecimal digits"),
        ("sources/0/load_mode", "incrementl", "invalid_choice", 'Did you mean "incremental"?'),
        ("checks/0/severity", "fatal", "invalid_choice", "error, warn"),
        ("slo/success_rate", 99, "out_of_range", "at most 1"),
        ("slo/success_rate", 0, "out_of_range", "more than 0"),
        ("slo/freshness_minutes", 0, "out_of_range", "at least 1"),
        ("lineage/edges", [], "too_few", "at least 1"),
    ],
)
def test_structure_is_checked(path, value, code, hint):
    pointer, found, detail = only_error(orders((path, value)))
    assert (pointer, found) == (f"/{path}", code)
    assert hint in detail


@pytest.mark.parametrize("key", ["organization", "organization_id", "org", "tenant", "Tenant_ID"])
def test_a_spec_never_names_an_organization(key):
    for path in (key, f"pipeline/{key}"):
        pointer, code, detail = only_error(orders((path, "acme")))
        assert (pointer, code) == (f"/{path}", "organization_in_spec")
        assert "the credential that sends it does" in detail


@pytest.mark.parametrize("document", [None, 3, "x", [], [{}], True])
def test_a_spec_is_an_object(document):
    assert only_error(document)[:2] == ("", "wrong_type")


def test_an_empty_document_is_missing_its_pipeline():
    assert only_error({})[:2] == ("/pipeline", "required")


def test_pointers_of_the_flat_form_lead_into_the_flat_form():
    document = minimal()["pipeline"] | {"schedule": "never", "ownr": "x", "tenant": 1, "sources": 3}
    del document["owner"]
    assert set(errors_of(document)) == {
        ("/schedule", "invalid_schedule"),
        ("/ownr", "unknown_field"),
        ("/owner", "required"),
        ("/tenant", "organization_in_spec"),
        ("/sources", "wrong_type"),
    }


def test_both_passes_tell_their_errors_at_once():
    document = orders(
        ("pipeline/owner", REMOVED),
        ("pipeline/schedule", "61 * * * *"),
        ("sources/0/watermark_column", REMOVED),
        ("checks/0/dataset", "clean_order"),
    )
    assert set(errors_of(document)) == {
        ("/pipeline/owner", "required"),
        ("/pipeline/schedule", "invalid_schedule"),
        ("/sources/0/watermark_column", "required"),
        ("/checks/0/dataset", "unknown_reference"),
    }


@pytest.mark.parametrize("schedule", ["0 6 * *", "0 0 0 6 * *", "@reboot", "x", "0 25 * * *", "0 0 31 2 *"])
def test_a_schedule_is_cron_or_an_alias(schedule):
    pointer, code, detail = only_error(orders(("pipeline/schedule", schedule)))
    assert (pointer, code) == ("/pipeline/schedule", "invalid_schedule")
    assert detail.startswith(f'"{schedule}": ')


@pytest.mark.parametrize("schedule", ["*/5 * * * *", "0 6 * * MON-FRI", "@daily", "@Annually", "0 0 L * *", None])
def test_schedules_that_are_right(schedule):
    assert not errors_of(orders(("pipeline/schedule", schedule)))


@pytest.mark.parametrize(
    ("timezone", "hint"),
    [
        ("Europe/Wien", 'Did you mean "Europe/Vienna"?'),
        ("europe/vienna", 'Did you mean "Europe/Vienna"?'),
        ("localtime", "IANA"),
        ("../etc/passwd", "IANA"),
        ("/etc/localtime", ""),
        ("+02:00", "IANA"),
    ],
)
def test_a_time_zone_is_one_of_iana(timezone, hint):
    pointer, code, detail = only_error(orders(("pipeline/timezone", timezone)))
    assert (pointer, code) == ("/pipeline/timezone", "invalid_timezone")
    assert hint in detail


def test_incremental_needs_a_watermark_and_merge_a_key():
    assert only_error(orders(("sources/0/watermark_column", REMOVED)))[:2] == (
        "/sources/0/watermark_column",
        "required",
    )
    assert only_error(orders(("targets/0/primary_key", REMOVED)))[:2] == (
        "/targets/0/primary_key",
        "required",
    )


def test_types_are_those_that_connections_have():
    pointer, code, detail = only_error(orders(("sources/0/type", "postgre")))
    assert (pointer, code) == ("/sources/0/type", "unknown_type")
    assert 'Did you mean "postgres"?' in detail


def test_a_target_may_be_called_like_the_output_it_takes_up():
    assert not errors_of(
        minimal(sources=[source("raw")], transforms=[transform("clean", ["raw"])], targets=[target("clean")])
    )


@pytest.mark.parametrize(
    "sections",
    [
        {"sources": [source("a"), source("a")]},
        {"sources": [source("a")], "targets": [target("a")]},
        {"sources": [source("a")], "transforms": [transform("a", ["a"], "b")]},
        {"transforms": [transform("a", [], "b")], "targets": [target("a")]},
        {"transforms": [transform("a", [])], "targets": [target("a"), target("a")]},
        {"targets": [target("a")], "checks": [{"id": "a", "dataset": "a"}]},
        {"transforms": [transform("a", [], "b"), transform("c", [], "a")]},
        {"transforms": [transform("a", [], "c")], "checks": [{"id": "c", "dataset": "a"}]},
    ],
)
def test_ids_are_unique(sections):
    assert "duplicate_id" in {code for _, code in errors_of(minimal(**sections))}


def test_what_a_transform_writes_is_no_source():
    document = minimal(sources=[source("a"), source("b")], transforms=[transform("t", ["a"], "b")])
    assert only_error(document)[:2] == ("/transforms/0/outputs/0", "output_is_source")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("transforms/0/inputs/0", "raw_order"),
        ("checks/0/dataset", "orders_clean"),
        ("lineage/edges/0/from", "raw"),
        ("lineage/edges/0/to", "clean"),
    ],
)
def test_references_name_ids_of_the_spec(path, value):
    pointer, code, detail = only_error(orders((path, value)))
    assert (pointer, code) == (f"/{path}", "unknown_reference")
    assert "Did you mean" in detail or "Declared are" in detail


def test_a_reference_is_not_blamed_for_an_id_that_cannot_be_read():
    assert only_error(orders(("sources/0/id", 5)))[:2] == ("/sources/0/id", "wrong_type")


def test_inputs_may_name_sources_outputs_targets_and_transforms():
    assert not errors_of(
        minimal(
            sources=[source("raw")],
            transforms=[
                transform("first", ["raw"], "stage"),
                transform("second", ["stage", "first"], "out"),
                transform("third", ["out", "second"]),
            ],
            targets=[target("out")],
            checks=[{"id": "stage_rows", "dataset": "stage"}],
        )
    )


@pytest.mark.parametrize(
    ("more", "path", "code"),
    [
        ({"sql": "a.sql", "code_ref": "a.sql"}, "sql", "conflict"),
        ({"sql": "a.sql", "type": "python"}, "type", "conflict"),
        ({"type": "python"}, "code_ref", "required"),
        ({"code_ref": "a.py"}, "type", "required"),
    ],
)
def test_a_transform_names_its_code_once(more, path, code):
    document = minimal(transforms=[{"id": "t", "inputs": []} | more])
    assert only_error(document)[:2] == (f"/transforms/0/{path}", code)


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [
        ("transforms/0/inputs", ["raw_orders", "raw_orders"], "/transforms/0/inputs/1"),
        ("transforms/0/outputs", ["clean_orders", "clean_orders"], "/transforms/0/outputs/1"),
        ("targets/0/primary_key", ["a", "b", "a"], "/targets/0/primary_key/2"),
        ("targets/0/columns", [{"name": "a"}, {"name": "a"}], "/targets/0/columns/1"),
        ("openlineage/1", {"namespace": "airflow", "job": "orders_sync"}, "/openlineage/1"),
        ("lineage/edges/1", {"from": "raw_orders", "to": "clean_orders"}, "/lineage/edges/1"),
    ],
)
def test_nothing_stands_twice(path, value, pointer):
    assert only_error(orders((path, value)))[:2] == (pointer, "duplicate")


@pytest.mark.parametrize(
    ("transforms", "way"),
    [
        ([transform("t", ["t"])], "t → t"),
        ([transform("t", ["x"], "x")], "→"),
        ([transform("a", ["b"]), transform("b", ["a"])], "→"),
        ([transform("a", ["z"], "x"), transform("b", ["x"], "y"), transform("c", ["b"], "z")], "→"),
    ],
)
def test_transforms_go_no_circle(transforms, way):
    pointer, code, detail = only_error(minimal(transforms=transforms))
    assert (pointer, code) == ("/transforms/0/inputs", "cycle")
    assert way in detail


def test_edges_go_no_circle():
    edges = [{"from": "a", "to": "b"}, {"from": "b", "to": "a"}]
    document = minimal(sources=[source("a")], targets=[target("b")], lineage={"edges": edges})
    assert only_error(document)[1] == "cycle"


def test_a_long_chain_of_transforms_is_no_circle():
    chain = [transform(f"t{number}", [f"t{number - 1}"] if number else []) for number in range(1000)]
    assert not errors_of(minimal(transforms=chain))


def test_column_lineage_names_columns_of_inputs_and_outputs():
    mappings = [
        {"to": "order_id", "from": ["raw_orders.id"]},
        {"to": "clean_orders.total", "from": ["raw_orders.net.amount", "raw_orders.tax"], "masking": True},
    ]
    assert not errors_of(orders(("transforms/0/column_lineage", mappings)))


def test_column_lineage_from_elsewhere_is_refused():
    mappings = [{"to": "order_id", "from": ["id", "raw_order.id"]}]
    errors = errors_of(orders(("transforms/0/column_lineage", mappings)))
    assert set(errors) == {
        ("/transforms/0/column_lineage/0/from/0", "unknown_reference"),
        ("/transforms/0/column_lineage/0/from/1", "unknown_reference"),
    }


def test_with_several_outputs_a_column_says_which():
    step = transform("t", ["a"], "x", "y", column_lineage=[{"to": "id", "from": ["a.id"]}])
    document = minimal(sources=[source("a")], transforms=[step])
    assert only_error(document)[:2] == ("/transforms/0/column_lineage/0/to", "unknown_reference")


def test_every_key_of_the_schema_has_a_title_for_editors():
    def keys(schema):
        for key, value in schema.get("properties", {}).items():
            yield key, value
            yield from keys(value)
        if "items" in schema:
            yield from keys(schema["items"])

    schema = published_schema()
    roots = [schema, *schema["$defs"].values()]
    for key, value in (pair for root in roots for pair in keys(root)):
        named = schema["$defs"].get(value.get("$ref", "").rpartition("/")[2], {})
        assert value.get("title") or named.get("title"), key
        assert value.get("type") != "object" or value["additionalProperties"] is False, key


def test_the_published_schema_lists_the_connection_types():
    assert "snowflake" in published_schema()["$defs"]["connection_type"]["enum"]
