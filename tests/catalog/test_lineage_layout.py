"""Where nodes and edges go. Pure functions: no database, no Django."""

from __future__ import annotations

import random
import subprocess
import sys
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.lineage.layout import Layout, Measures, Node, lay_out

Edges = list[tuple[str, str]]
MEASURES = Measures()


def laid_out(*edges: str, kinds: str = "", **options: object) -> Layout:
    """`laid_out("ab", "bc")`: nodes are letters; those in `kinds` are pipelines."""
    names = sorted(set("".join(edges)) | set(kinds))
    nodes = [Node(name, "pipeline" if name in kinds else "dataset") for name in names]
    return lay_out(nodes, [(edge[0], edge[1]) for edge in edges], **options)  # type: ignore[arg-type]


def columns_of(layout: Layout) -> dict[str, int]:
    return {name: box.column for name, box in layout.boxes.items()}


def overlaps(layout: Layout) -> list[tuple[str, str]]:
    """Pairs of nodes of one column that touch."""
    found = []
    for (one, a), (other, b) in combinations(layout.boxes.items(), 2):
        if a.column == b.column and abs(a.y - b.y) < MEASURES.height:
            found.append((one, other))
    return found


def crossings(layout: Layout) -> int:
    """How often two edges between the same two columns cross."""
    segments = [
        (left[0], left[1], right[1])
        for route in layout.routes
        for left, right in zip(route.points[::2], route.points[1::2], strict=True)
    ]
    return sum(a[0] == b[0] and (a[1] - b[1]) * (a[2] - b[2]) < 0 for a, b in combinations(segments, 2))


def test_data_flows_from_left_to_right() -> None:
    assert columns_of(laid_out("ab", "bc", "ac")) == {"a": 0, "b": 1, "c": 2}


def test_columns_stand_a_pitch_apart() -> None:
    layout = laid_out("ab", "bc")
    assert [box.x for box in layout.boxes.values()] == [12, 194, 376]
    assert layout.columns == (12, 194, 376)


def test_a_chain_is_a_straight_line() -> None:
    layout = laid_out("ab", "bc", "cd")
    assert len({box.y for box in layout.boxes.values()}) == 1


def test_the_only_node_stands_in_the_corner() -> None:
    layout = laid_out(kinds="a")
    assert layout.boxes["a"][1:] == (12, 12)
    assert (layout.width, layout.height) == (174, 66)


def test_no_nodes_no_picture() -> None:
    layout = lay_out([], [])
    assert layout.boxes == {}
    assert layout.routes == []


def test_a_source_stands_next_to_what_reads_it() -> None:
    assert columns_of(laid_out("ab", "bc", "cd", "xd"))["x"] == 2


def test_datasets_and_pipelines_take_alternate_columns() -> None:
    layout = laid_out("ap", "pb", "bq", "rb", kinds="pqr")
    columns = columns_of(layout)
    assert {columns[name] % 2 for name in "pqr"} == {1}
    assert {columns[name] % 2 for name in "ab"} == {0}


def test_a_cycle_is_drawn_with_one_edge_against_the_flow() -> None:
    layout = laid_out("ab", "bc", "cd", "db")
    assert [(route.source, route.target) for route in layout.routes if route.is_back] == [("d", "b")]
    assert columns_of(layout) == {"a": 0, "b": 1, "c": 2, "d": 3}


def test_an_edge_to_itself_is_a_loop() -> None:
    (route,) = laid_out("aa").routes
    assert (route.source, route.target, route.is_back) == ("a", "a", True)


def test_two_nodes_that_feed_each_other_keep_both_edges() -> None:
    assert len(laid_out("ab", "ba").routes) == 2


def test_a_long_edge_passes_the_columns_between_without_touching_a_node() -> None:
    layout = laid_out("ab", "bc", "cd", "ad")
    (route,) = [route for route in layout.routes if (route.source, route.target) == ("a", "d")]
    assert len(route.points) == 6
    for name in "bc":
        box = layout.boxes[name]
        lane = next(y for x, y in route.points if x == box.x)
        assert not box.y <= lane <= box.y + MEASURES.height


def test_long_edges_of_one_source_share_their_way() -> None:
    layout = laid_out("ab", "bc", "cd", "de", "ad", "ae")
    short, long = (
        next(route.points for route in layout.routes if (route.source, route.target) == ("a", end)) for end in "de"
    )
    assert long[: len(short) - 1] == short[:-1]


def test_edges_are_ordered_so_that_they_do_not_cross() -> None:
    layout = laid_out("ae", "bd", "cf", "dx", "ey", "fz")
    assert crossings(layout) == 0


def test_unconnected_parts_do_not_overlap_and_are_packed() -> None:
    edges = [f"{a}{b}" for a, b in ("ab", "cd", "ef", "gh", "ij", "kl")]
    layout = laid_out(*edges)
    assert overlaps(layout) == []
    assert layout.height < 3 * 100
    assert max(columns_of(layout).values()) == 5


def test_the_part_of_the_focus_comes_first() -> None:
    layout = laid_out("ab", "bc", "cd", "de", "ef", "xy", first="x")
    assert layout.boxes["x"].y < layout.boxes["a"].y


def test_room_is_left_for_heads() -> None:
    layout = laid_out("ab", measures=Measures(head=34))
    assert layout.boxes["a"].y == 46


def test_edges_to_unknown_nodes_are_left_out_and_parallel_ones_drawn_once() -> None:
    layout = lay_out([Node("a"), Node("b")], [("a", "b"), ("a", "b"), ("a", "gone"), ("gone", "b")])
    assert len(layout.routes) == 1


def neighbourhood(seed: int, size: int, links: int) -> tuple[list[Node], Edges]:
    chance = random.Random(seed)
    nodes = [Node(f"n{i}", "pipeline" if i % 2 else "dataset") for i in range(size)]
    return nodes, [(f"n{chance.randrange(size)}", f"n{chance.randrange(size)}") for _ in range(links)]


@pytest.mark.parametrize("size", [20, 200, 1000])
def test_nodes_never_overlap(size: int) -> None:
    nodes, edges = neighbourhood(size, size, size * 3 // 2)
    layout = lay_out(nodes, edges)
    by_column: dict[int, list[int]] = {}
    for box in layout.boxes.values():
        by_column.setdefault(box.column, []).append(box.y)
    for heights in by_column.values():
        heights.sort()
        assert all(below - above >= MEASURES.height + MEASURES.gap - 1 for above, below in pairwise(heights))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdefghij"), st.sampled_from("abcdefghij")), max_size=30),
    st.text("abcdefghij", max_size=10),
)
def test_any_graph_is_drawn_whole(pairs: Edges, pipelines: str) -> None:
    nodes = [Node(name, "pipeline" if name in pipelines else "dataset") for name in "abcdefghij"]
    layout = lay_out(nodes, pairs)
    assert overlaps(layout) == []
    assert {(route.source, route.target) for route in layout.routes} == set(pairs)
    for box in layout.boxes.values():
        assert 0 <= box.x <= layout.width - MEASURES.width
        assert 0 <= box.y <= layout.height - MEASURES.height
    for route in layout.routes:
        assert all(0 <= x <= layout.width and 0 <= y <= layout.height for x, y in route.points)
        start, end = (route.target, route.source) if route.is_back else (route.source, route.target)
        if route.source != route.target:
            assert layout.boxes[start].column < layout.boxes[end].column


def test_the_picture_does_not_depend_on_the_hash_seed() -> None:
    program = (
        "from catalog.lineage.layout import Node, lay_out;"
        "n=[Node(str(i), 'pipeline' if i % 2 else 'dataset') for i in range(60)];"
        "e=[(str(i * 7 % 60), str(i * 13 % 60)) for i in range(110)];"
        "print(lay_out(n, e))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
