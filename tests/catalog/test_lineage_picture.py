"""The lineage picture: links, states, paths, minimap and the list for small screens."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from catalog.lineage.labels import fit, width_of
from catalog.lineage.picture import Picture, draw
from catalog.lineage.scene import PictureEdge, PictureNode
from catalog.lineage.shapes import SHAPES
from catalog.lineage.trace import between

SVG = "{http://www.w3.org/2000/svg}"
ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "<script>alert('x')</script>\"&"

NODES = [
    PictureNode("raw", "dataset", "orders", "ecommerce · pg-raw", "/d/raw"),
    PictureNode("sync", "pipeline", "orders_sync", "commerce-data", "/p/sync", "failing"),
    PictureNode("clean", "dataset", "orders_clean", "1 check fails", "/d/clean", tone="bad"),
    PictureNode("c360", "pipeline", "customer_360", "customer-insights", "/p/c360", "at_risk"),
    PictureNode("other", "dataset", "orders_rejected", "analytics", "/d/other"),
]
EDGES = [
    PictureEdge("raw", "sync"),
    PictureEdge("sync", "clean"),
    PictureEdge("clean", "c360", "risk"),
    PictureEdge("sync", "other", "stale"),
]


def drawn(**options: object) -> Picture:
    return draw(NODES, EDGES, focus="clean", **options)  # type: ignore[arg-type]


def nodes_of(picture: Picture) -> dict[str, ElementTree.Element]:
    root = ElementTree.fromstring(picture.svg)  # noqa: S314  our own markup
    return {link.get("href", ""): link for link in root.iter(f"{SVG}a")}


def edge_classes(picture: Picture) -> dict[str, str]:
    return dict(re.findall(r'<path class="([^"]*)" data-e="(\d+ \d+)"', picture.svg)[i][::-1] for i in range(4))


def test_every_node_is_a_link_that_says_all_of_itself() -> None:
    link = nodes_of(drawn())["/p/sync"]
    title = link.find(f"{SVG}title")
    assert title is not None
    assert title.text == "Pipeline orders_sync, failing, commerce-data"


def test_pipelines_are_pills_with_their_health_and_datasets_rounded_rectangles() -> None:
    nodes = nodes_of(drawn())
    pill, rectangle = (nodes[href].find(f"{SVG}rect") for href in ("/p/sync", "/d/raw"))
    assert pill is not None
    assert rectangle is not None
    assert (pill.get("rx"), rectangle.get("rx")) == ("21", "5")
    assert "h-failing" in str(nodes["/p/sync"].get("class"))


def test_the_focus_is_marked_and_its_links_are_near() -> None:
    picture = drawn()
    assert nodes_of(picture)["/d/clean"].get("class") == "nd d bad focus"
    assert edge_classes(picture) == {"0 1": "e", "1 2": "e near", "2 3": "e near risk", "1 4": "e stale"}


def test_the_way_to_a_selected_node_stands_out() -> None:
    picture = drawn(selected="raw")
    assert edge_classes(picture) == {"0 1": "e path", "1 2": "e path", "2 3": "e off risk", "1 4": "e off stale"}
    nodes = nodes_of(picture)
    assert "lit" in str(nodes["/d/raw"].get("class"))
    assert "dim" in str(nodes["/d/other"].get("class"))


def test_a_way_runs_along_the_flow_only() -> None:
    edges = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]
    assert between("a", "d", edges) == {"a", "b", "c", "d"}
    assert between("d", "b", edges) == {"b", "d"}
    assert between("b", "c", edges) == set()


def test_columns_are_lists_for_screen_readers() -> None:
    root = ElementTree.fromstring(drawn().svg)  # noqa: S314
    lists = [group for group in root.iter(f"{SVG}g") if group.get("role") == "list"]
    assert [group.get("aria-label") for group in lists] == [f"Column {i} of 4" for i in (1, 2, 3, 4)]
    assert all(child.get("role") == "listitem" for group in lists for child in group)
    assert root.get("role") == "group"
    assert root.get("aria-label") == "Lineage, 5 nodes, 4 links"


def test_a_column_is_headed_by_what_stands_in_it() -> None:
    assert re.findall(r'class="colh"[^>]*>([^<]+)', drawn(has_heads=True).svg) == [
        "Datasets",
        "Pipelines",
        "Datasets",
        "Pipelines",
    ]


def test_an_edge_against_the_flow_has_an_arrow() -> None:
    picture = draw(NODES[:2], [PictureEdge("raw", "sync"), PictureEdge("sync", "raw")], focus="raw")
    assert picture.svg.count('class="tip"') == 1
    assert "e near back" in picture.svg


def test_the_minimap_has_the_focus_and_the_part_in_view() -> None:
    minimap = drawn().minimap
    assert 'class="f"' in minimap
    assert 'class="vp"' in minimap
    assert 'aria-hidden="true"' in minimap


def test_the_view_starts_at_the_focus() -> None:
    picture = drawn()
    box = re.search(r'class="nd d bad focus"[^>]*translate\((\d+) (\d+)\)', picture.svg)
    assert box
    assert (picture.focus_x, picture.focus_y) == (int(box[1]) + 75, int(box[2]) + 21)


def test_the_list_tells_upstream_and_downstream_by_distance() -> None:
    upstream, downstream = drawn().listing.split("<h2>Downstream</h2>")
    assert upstream.index("orders_sync") < upstream.index(">orders<")
    assert "1 link<" in upstream
    assert "2 links<" in upstream
    assert "customer_360" in downstream
    assert "orders_rejected" not in upstream + downstream


def test_nothing_upstream_is_said() -> None:
    listing = draw(NODES[:2], EDGES[:1], focus="raw").listing
    assert ">Nothing<" in listing


def test_a_graph_of_nothing_is_drawn() -> None:
    picture = draw([], [])
    assert picture.svg.startswith("<svg")
    assert picture.listing == ""


def test_long_names_end_in_an_ellipsis() -> None:
    assert fit("orders", 100, 12) == "orders"
    cut = fit("gift_card_ledger_reconciliation_emea", 100, 12)
    assert cut.endswith("…")
    assert width_of(cut, 12) <= 100


def test_user_text_stays_text() -> None:
    node = PictureNode(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    picture = draw([node], [PictureEdge(HOSTILE, HOSTILE, HOSTILE)], focus=HOSTILE, label=HOSTILE, key=HOSTILE)
    for part in (picture.svg, picture.minimap, picture.listing):
        assert "<script" not in part
        ElementTree.fromstring(f"<root>{part}</root>")  # noqa: S314


def test_the_shapes_are_those_of_the_sprite() -> None:
    sprite = (ROOT / "static/img/icons.svg").read_text()
    for name, shape in SHAPES.items():
        assert f'<symbol id="{name}" viewBox="0 0 16 16">{shape}</symbol>' in sprite


def test_two_pictures_on_a_page_do_not_share_ids() -> None:
    ids = re.findall(r'\bid="([^"]+)"', drawn(key="one").svg + drawn(key="two").svg)
    assert len(ids) == len(set(ids))
