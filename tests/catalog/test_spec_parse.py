"""A spec is read in two forms and normalized; reading the normalized form gives the same spec."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.spec.model import Slo
from catalog.spec.parse import SpecInvalid, collect_errors, parse_spec
from catalog.spec.structure import spec_schema
from tests.catalog.spec_documents import ORDERS, REMOVED, minimal, orders, source, target, transform


def flat(document):
    return {**{key: value for key, value in document.items() if key != "pipeline"}, **document["pipeline"]}


def test_the_example_is_a_spec():
    spec = parse_spec(ORDERS)
    assert (spec.name, spec.version, spec.schedule, spec.tags) == (
        "orders_sync", "1.4.0", "0 6 * * *", ("ecommerce", "pii"),
    )  # fmt: skip
    assert spec.sources[0].watermark_column == "updated_at"
    assert spec.transforms[0].outputs == ("clean_orders",)
    assert spec.slo == Slo(freshness_minutes=90, success_rate=0.99)
    assert spec.source.commit == "1a2b3c"


def test_the_normalized_example_is_the_example():
    assert parse_spec(ORDERS).as_document() == ORDERS
    assert list(parse_spec(ORDERS).as_document()) == list(ORDERS)


def test_the_flat_form_means_the_same():
    assert parse_spec(flat(ORDERS)) == parse_spec(ORDERS)


def test_what_is_left_out_gets_its_default():
    spec = parse_spec(
        minimal(
            sources=[source("raw")],
            transforms=[transform("clean", ["raw"])],
            targets=[target("out")],
            checks=[{"id": "not_empty", "dataset": "out"}],
        )
    )
    assert (spec.namespace, spec.timezone, spec.tags, spec.version) == ("default", "UTC", (), None)
    assert spec.sources[0].load_mode == "full"
    assert (spec.transforms[0].type, spec.transforms[0].outputs) == ("sql", ("clean",))
    assert spec.transforms[0].code_ref == "transforms/clean.sql"
    assert spec.targets[0].write_mode == "append"
    assert spec.checks[0].severity == "error"


def test_texts_are_normalized():
    spec = parse_spec(
        orders(
            ("pipeline/tags", ["PII", "ecommerce", "pii", "Tier:1"]),
            ("pipeline/description", "Sync orders\n"),
            ("pipeline/owner", " team@example.com "),
            ("pipeline/schedule", "  @Daily "),
            ("transforms/0/code_sha256", "AB" * 32),
        )
    )
    assert spec.tags == ("ecommerce", "pii", "tier:1")
    assert (spec.description, spec.owner, spec.schedule) == ("Sync orders", "team@example.com", "@daily")
    assert spec.transforms[0].code_sha256 == "ab" * 32


def test_a_pipeline_alone_is_a_spec():
    document = parse_spec(minimal()).as_document()
    assert document == {
        "pipeline": minimal()["pipeline"] | {"timezone": "UTC", "namespace": "default"},
    }


def test_the_request_may_name_the_namespace():
    without = orders(("pipeline/namespace", REMOVED))
    assert parse_spec(without).namespace == "default"
    assert parse_spec(without, namespace="staging").namespace == "staging"
    assert parse_spec(orders(), namespace="default").namespace == "default"


def test_two_different_namespaces_are_refused():
    with pytest.raises(SpecInvalid) as caught:
        parse_spec(orders(), namespace="staging")
    assert [(error.code, error.pointer) for error in caught.value.errors] == [
        ("namespace_conflict", "/pipeline/namespace")
    ]


def test_a_namespace_that_is_no_name_is_refused():
    _, errors = collect_errors(minimal(), namespace="No Name")
    assert [(error.code, error.parameter) for error in errors] == [("invalid_format", "namespace")]


def test_the_refusal_says_the_first_error_and_how_many_more():
    with pytest.raises(SpecInvalid, match=r"owner is required\..*\(and 1 more\)") as caught:
        parse_spec(orders(("pipeline/owner", REMOVED), ("pipeline/schedule", "never")))
    assert caught.value.status == 400
    assert len(caught.value.as_dict()["errors"]) == 2


def test_a_spec_of_too_many_values_is_refused_at_once():
    _, errors = collect_errors({"pipeline": {}, "sources": [{}] * 60_000})
    assert [error.code for error in errors] == ["too_large"]


def test_errors_are_told_up_to_a_hundred():
    _, errors = collect_errors(minimal(sources=[{}] * 500))
    assert len(errors) == 100


def test_lineage_that_nobody_could_look_at_is_refused():
    sources = [source(f"s{number}") for number in range(300)]
    first = transform("all", [entry["id"] for entry in sources])
    others = [transform(f"t{number}", ["all"]) for number in range(100)]
    _, errors = collect_errors(minimal(sources=sources, transforms=[first, *others]))
    assert [error.code for error in errors] == ["lineage_too_large"]


names = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,10}", fullmatch=True)
lines = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20).filter(str.strip)


@st.composite
def documents(draw):
    """Valid specs: sources, a chain of transforms over them, targets that join or stand alone."""
    sources = draw(st.lists(names.map(lambda name: f"s.{name}"), unique=True, max_size=3))
    steps = draw(st.lists(names.map(lambda name: f"t.{name}"), unique=True, max_size=3))
    transforms, known = [], list(sources)
    for step in steps:
        inputs = draw(st.lists(st.sampled_from(known), unique=True, max_size=3)) if known else []
        transforms.append(transform(step, inputs))
        known.append(step)
    joined = draw(st.lists(st.sampled_from(steps), unique=True)) if steps else []
    tags = draw(st.lists(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,5}", fullmatch=True), max_size=4))
    document = minimal(
        sources=[source(name, object=draw(lines), columns=[{"name": "id", "tags": tags}]) for name in sources],
        transforms=transforms,
        targets=[target(name) for name in [*joined, "alone"]],
        checks=[{"id": f"c{number}", "dataset": name, "sql": draw(lines)} for number, name in enumerate(known)],
        slo=draw(st.sampled_from([{}, {"success_rate": 1}, {"freshness_minutes": 5.0}])),
    )
    document["pipeline"] |= {"tags": tags, "description": draw(lines), "owner": draw(lines)}
    return document


@given(documents())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_reading_the_normalized_document_changes_nothing(document):
    spec = parse_spec(document)
    assert parse_spec(spec.as_document()) == spec
    assert parse_spec(flat(spec.as_document())) == spec
    assert json.loads(json.dumps(spec.as_document())) == spec.as_document()


keys = st.sampled_from(
    [
        *spec_schema()["properties"],
        *spec_schema()["properties"]["pipeline"]["properties"],
        *(
            "id",
            "type",
            "object",
            "inputs",
            "outputs",
            "columns",
            "edges",
            "from",
            "to",
            "dataset",
            "load_mode",
        ),
    ]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(
    ["merge", "incremental", "raw", "clean", "a.b", "postgres", "0 0 * * *", "\ud800", "x\0"]
)  # fmt: skip
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys | st.text(max_size=3), inner, max_size=6),
    max_leaves=40,
)


@given(anything)
def test_any_document_gives_a_spec_or_errors(document):
    spec, errors = collect_errors(document, {})
    assert (spec is None) == bool(errors)
    json.dumps([error.as_dict() for error in errors], ensure_ascii=False).encode()


@given(st.data())
def test_a_damaged_spec_gives_a_spec_or_errors(data):
    section = data.draw(st.sampled_from([key for key in ORDERS if key != "version"]))
    value = ORDERS[section]
    path = section
    while isinstance(value, (dict, list)) and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(list(value) if isinstance(value, dict) else list(range(len(value)))))
        path, value = f"{path}/{key}", value[key]
    spec, errors = collect_errors(orders((path, data.draw(anything))), {})
    assert (spec is None) == bool(errors)
