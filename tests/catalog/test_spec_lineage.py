"""Lineage follows from inputs and outputs, through intermediate results; explicit edges replace it."""

from catalog.spec.lineage import derive_lineage
from catalog.spec.parse import parse_spec
from tests.catalog.spec_documents import minimal, source, target, transform


def lineage(**sections):
    return derive_lineage(parse_spec(minimal(**sections)))


def links(**sections):
    return {(link.step, link.direction, link.dataset) for link in lineage(**sections).links}


def test_a_transform_reads_its_inputs_and_writes_its_targets():
    found = lineage(
        sources=[source("a"), source("b")],
        transforms=[transform("t", ["a", "b"], "x", "y")],
        targets=[target("x"), target("y")],
    )
    assert {(link.step, link.direction, link.dataset) for link in found.links} == {
        ("t", "reads", "a"), ("t", "reads", "b"), ("t", "writes", "x"), ("t", "writes", "y"),
    }  # fmt: skip
    assert found.edges == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]


def test_intermediate_results_are_connected_through():
    found = lineage(
        sources=[source("a"), source("b")],
        transforms=[
            transform("last", ["joined"], "out"),
            transform("first", ["a"], "stage"),
            transform("second", ["stage", "b"], "joined"),
        ],
        targets=[target("out")],
    )
    assert found.edges == [("a", "out"), ("b", "out")]
    assert {link.dataset for link in found.links} == {"a", "b", "out"}
    assert {link.step for link in found.links if link.dataset == "a"} == {"first", "second", "last"}


def test_a_target_that_is_read_again_stands_between():
    found = lineage(
        sources=[source("a")],
        transforms=[transform("t", ["a"], "x"), transform("u", ["x"], "y")],
        targets=[target("x"), target("y")],
    )
    assert found.edges == [("a", "x"), ("x", "y")]


def test_an_input_may_name_the_transform_before():
    found = lineage(
        sources=[source("a")],
        transforms=[transform("t", ["a"], "x"), transform("u", ["t"], "y")],
        targets=[target("y")],
    )
    assert found.edges == [("a", "y")]


def test_a_target_called_like_a_transform_takes_up_its_output():
    found = links(sources=[source("a")], transforms=[transform("x", ["a"])], targets=[target("x")])
    assert found == {("x", "reads", "a"), ("x", "writes", "x")}


def test_an_unwritten_target_takes_up_the_last_intermediate_results():
    found = links(
        sources=[source("a"), source("b")],
        transforms=[transform("t", ["a"]), transform("u", ["b"], "done"), transform("v", ["t"], "made")],
        targets=[target("done"), target("out")],
    )
    assert ("v", "writes", "out") in found
    assert {step for step, direction, dataset in found if dataset == "out"} == {"v"}


def test_an_unwritten_target_follows_the_last_targets_when_all_results_are_targets():
    found = lineage(
        sources=[source("a"), source("unused")],
        transforms=[transform("t", ["a"], "x")],
        targets=[target("x"), target("copy")],
    )
    assert found.edges == [("a", "x"), ("x", "copy")]
    assert {(link.step, link.direction) for link in found.links if link.dataset == "copy"} == {("load:copy", "writes")}


def test_without_transforms_targets_follow_the_sources():
    found = links(sources=[source("a"), source("b")], targets=[target("x")])
    assert found == {(None, "reads", "a"), (None, "reads", "b"), (None, "writes", "x")}


def test_pure_readers_and_pure_writers_count():
    assert links(sources=[source("a")]) == {(None, "reads", "a")}
    assert links(targets=[target("x")]) == {(None, "writes", "x")}


def test_a_source_that_no_transform_reads_is_read_by_the_pipeline():
    found = links(sources=[source("a"), source("b")], transforms=[transform("t", ["a"], "x")], targets=[target("x")])
    assert (None, "reads", "b") in found


def test_explicit_edges_replace_what_would_follow():
    found = lineage(
        sources=[source("a"), source("b"), source("c")],
        transforms=[transform("t", ["a", "b"], "x", "y")],
        targets=[target("x"), target("y"), target("z")],
        lineage={"edges": [{"from": "a", "to": "x"}, {"from": "b", "to": "y"}]},
    )
    assert found.edges == [("a", "x"), ("b", "y")]
    assert {link.dataset for link in found.links} == {"a", "b", "c", "x", "y", "z"}


def test_an_explicit_edge_belongs_to_the_transform_that_writes_its_target():
    found = links(
        sources=[source("a"), source("b")],
        transforms=[transform("t", ["a", "b"], "x")],
        targets=[target("x")],
        lineage={"edges": [{"from": "a", "to": "x"}]},
    )
    assert found == {("t", "reads", "a"), ("t", "writes", "x"), (None, "reads", "b")}


def test_explicit_edges_may_lead_through_transforms():
    found = lineage(
        sources=[source("a"), source("b")],
        transforms=[transform("t", ["a", "b"], "x")],
        targets=[target("x")],
        lineage={"edges": [{"from": "a", "to": "t"}, {"from": "t", "to": "x"}]},
    )
    assert found.edges == [("a", "x")]


def columns(**sections):
    return {
        (
            link.step,
            f"{link.from_dataset}.{link.from_column}",
            f"{link.to_dataset}.{link.to_column}",
            link.masking,
        )
        for link in lineage(**sections).columns
    }


def mapping(to, *origins, **more):
    return {"to": to, "from": list(origins)} | more


def test_columns_are_linked():
    step = transform("t", ["a"], "x", column_lineage=[mapping("total", "a.net", "a.tax"), mapping("x.id", "a.id")])
    assert columns(sources=[source("a")], transforms=[step], targets=[target("x")]) == {
        ("t", "a.net", "x.total", False), ("t", "a.tax", "x.total", False), ("t", "a.id", "x.id", False),
    }  # fmt: skip


def test_columns_are_linked_through_intermediate_results_and_stay_masked():
    first = transform("first", ["a"], "stage", column_lineage=[mapping("hash", "a.email", masking=True)])
    second = transform("second", ["stage"], "x", column_lineage=[mapping("user", "stage.hash", "stage.other")])
    assert columns(sources=[source("a")], transforms=[second, first], targets=[target("x")]) == {
        ("second", "a.email", "x.user", True)
    }


def test_columns_reach_the_target_that_takes_up_a_result():
    step = transform("t", ["a"], column_lineage=[mapping("id", "a.id")])
    assert columns(sources=[source("a")], transforms=[step], targets=[target("x")]) == {("t", "a.id", "x.id", False)}


def test_columns_that_explicit_edges_exclude_are_not_linked():
    step = transform("t", ["a", "b"], "x", column_lineage=[mapping("id", "a.id", "b.id")])
    found = columns(
        sources=[source("a"), source("b")],
        transforms=[step],
        targets=[target("x")],
        lineage={"edges": [{"from": "a", "to": "x"}]},
    )
    assert found == {("t", "a.id", "x.id", False)}


def test_dots_in_ids_and_columns_are_told_apart():
    step = transform("t", ["a.b", "a"], "x", column_lineage=[mapping("c", "a.b.c", "a.d.e")])
    assert columns(sources=[source("a.b"), source("a")], transforms=[step], targets=[target("x")]) == {
        ("t", "a.b.c", "x.c", False), ("t", "a.d.e", "x.c", False),
    }  # fmt: skip
    found = lineage(sources=[source("a.b"), source("a")], transforms=[step], targets=[target("x")]).columns
    assert {(link.from_dataset, link.from_column) for link in found} == {("a.b", "c"), ("a", "d.e")}


def test_long_chains_are_followed():
    steps = [transform(f"t{number}", [f"t{number - 1}" if number else "a"]) for number in range(1000)]
    found = lineage(sources=[source("a")], transforms=steps, targets=[target("t999")])
    assert found.edges == [("a", "t999")]
