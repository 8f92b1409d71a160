"""A lineage graph as an SVG of real links, its minimap, and the same as a list for small screens.

The picture needs no script: every node is a link with its full name, columns are lists, the path between the focus and
a selected node is drawn by the server. `static/js/lineage.js` adds panning, zoom and tracing on hover; it finds nodes
by `data-n` (their number) and edges by `data-e` (source and target). Classes come from the style sheets, never inline
styles. Shapes are symbols of the picture itself, so that a saved file is whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from catalog.lineage import trace
from catalog.lineage.labels import fit
from catalog.lineage.layout import Box, Layout, Measures, Node, Route, lay_out
from catalog.lineage.listing import listing
from catalog.lineage.scene import PictureEdge, PictureNode, title_of
from catalog.lineage.shapes import SHAPES


@dataclass(frozen=True, slots=True)
class Picture:
    """What a page shows. `focus_x`, `focus_y` are the centre of the focus, where the view starts."""

    svg: SafeString
    minimap: SafeString
    listing: SafeString
    width: int
    height: int
    node_count: int
    edge_count: int
    focus_x: int = 0
    focus_y: int = 0


@dataclass(frozen=True, slots=True)
class _Scene:
    nodes: dict[str, PictureNode]
    edges: dict[tuple[str, str], PictureEdge]
    layout: Layout
    measures: Measures
    focus: str
    lit: set[str] = field(default_factory=set)

    def number(self) -> dict[str, int]:
        return {node_id: i for i, node_id in enumerate(self.nodes)}


def draw(
    nodes: Sequence[PictureNode],
    edges: Sequence[PictureEdge],
    *,
    focus: str = "",
    selected: str = "",
    label: str = "Lineage",
    has_heads: bool = False,
    key: str = "lg",
    measures: Measures | None = None,
) -> Picture:
    """Draws the graph around `focus`; with `selected`, the paths between the two stand out and the rest steps back.

    `key` begins the ids of the picture's symbols: two pictures on a page need two.
    """
    known = {node.id: node for node in nodes}
    kept = {(edge.source, edge.target): edge for edge in edges if edge.source in known and edge.target in known}
    measures = measures or Measures(head=34 if has_heads else 0)
    layout = lay_out([Node(node.id, node.kind) for node in nodes], kept, measures=measures, first=focus)
    lit = trace.between(focus, selected, kept) if selected in known and focus in known else set()
    scene = _Scene(known, kept, layout, measures, focus, lit)
    box = layout.boxes.get(focus)
    return Picture(
        svg=_svg(scene, label, key, has_heads),
        minimap=_minimap(scene),
        listing=listing(nodes, edges, focus=focus),
        width=layout.width,
        height=layout.height,
        node_count=len(known),
        edge_count=len(kept),
        focus_x=box.x + measures.width // 2 if box else 0,
        focus_y=box.y + measures.height // 2 if box else 0,
    )


def _svg(scene: _Scene, label: str, key: str, has_heads: bool) -> SafeString:
    layout, number = scene.layout, scene.number()
    columns: list[list[str]] = [[] for _ in layout.columns]
    for node_id, box in sorted(layout.boxes.items(), key=lambda item: item[1].y):
        columns[box.column].append(node_id)
    lists = "".join(
        f'<g role="list" aria-label="Column {i} of {len(columns)}">'
        + "".join(_node(scene, scene.nodes[node_id], layout.boxes[node_id], number[node_id], key) for node_id in column)
        + "</g>"
        for i, column in enumerate(columns, 1)
        if column
    )
    routes = "".join(_edge(scene, route, number) for route in layout.routes)
    heads = _heads(scene, columns) if has_heads else ""
    return format_html(
        '<svg class="graph{}" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" width="{}" height="{}"'
        ' role="group" aria-label="{}"><defs>{}</defs>{}<g class="edges" aria-hidden="true">{}</g>{}</svg>',
        " traced" if scene.lit else "",
        layout.width,
        layout.height,
        layout.width,
        layout.height,
        f"{label}, {len(scene.nodes)} nodes, {len(scene.edges)} links",
        mark_safe(_symbols(scene, key)),  # noqa: S308  our own shapes
        mark_safe(heads),  # noqa: S308  fixed words
        mark_safe(routes),  # noqa: S308  numbers and known classes
        mark_safe(lists),  # noqa: S308  escaped where it is made
    )


def _symbols(scene: _Scene, key: str) -> str:
    used = {"dataset" if node.kind == "dataset" else _mark(node) for node in scene.nodes.values()}
    return "".join(
        f'<symbol id="{escape(key)}-{name}" viewBox="0 0 16 16">{SHAPES[name]}</symbol>' for name in sorted(used)
    )


def _mark(node: PictureNode) -> str:
    name = f"h-{node.health.replace('_', '-')}"
    return name if name in SHAPES else "h-unknown"


def _heads(scene: _Scene, columns: list[list[str]]) -> str:
    """The kind of most nodes of a column, over it."""
    texts = []
    for x, column in zip(scene.layout.columns, columns, strict=True):
        kinds = [scene.nodes[node_id].kind for node_id in column]
        if kinds:
            word = max(sorted(set(kinds)), key=kinds.count).capitalize() + "s"
            texts.append(f'<text class="colh" x="{x}" y="28" aria-hidden="true">{escape(word)}</text>')
    return "".join(texts)


# Nodes


def _classes(scene: _Scene, node: PictureNode) -> str:
    names = ["nd", "d" if node.kind == "dataset" else "p"]
    if node.tone:
        names.append(node.tone)
    if node.health and node.kind != "dataset":
        names.append(f"h-{node.health.replace('_', '-')}")
    if node.id == scene.focus:
        names.append("focus")
    if scene.lit and node.id != scene.focus:
        names.append("lit" if node.id in scene.lit else "dim")
    return escape(" ".join(names))


def _node(scene: _Scene, node: PictureNode, box: Box, number: int, key: str) -> str:
    measures = scene.measures
    middle, width = measures.height / 2, measures.width
    is_dataset = node.kind == "dataset"
    left, radius = (30, 5) if is_dataset else (33, measures.height // 2)
    room = width - left - (8 if is_dataset else 14)
    symbol, at = ("dataset", 9) if is_dataset else (_mark(node), 12)
    css = "dsi" if is_dataset else f"hi {symbol}"
    box_of_mark = f'x="{at}" y="{middle - 7:g}" width="14" height="14"'
    mark = f'<use class="{css}" href="#{escape(key)}-{symbol}" {box_of_mark}/>'
    first = middle - 2.5 if node.sub else middle + 4
    lines = f'<text x="{left}" y="{first:g}">{escape(fit(node.name, room, 12))}</text>'
    if node.sub:
        lines += f'<text class="sub" x="{left}" y="{middle + 11.5:g}">{escape(fit(node.sub, room, 10.5))}</text>'
    tag, href = ("a", f' href="{escape(node.href)}"') if node.href else ("g", "")
    return (
        f'<g role="listitem"><{tag} class="{_classes(scene, node)}"{href} data-n="{number}"'
        f' transform="translate({box.x} {box.y})"><title>{escape(title_of(node))}</title>'
        f'<rect width="{width}" height="{measures.height}" rx="{radius}"/>{mark}{lines}</{tag}></g>'
    )


# Edges


NEARLY_LEVEL = 6  # pixels: a curve this flat reads as a crooked line


def path_of(points: Sequence[tuple[int, int]]) -> str:
    """A curve across every gap, a straight line along every column passed."""
    (x, y), (end_x, end_y) = points[0], points[-1]
    if len(points) == 2 and abs(end_y - y) <= NEARLY_LEVEL:
        return f"M{x} {(y + end_y) / 2:g}H{end_x}"
    d = f"M{x} {y}"
    for i, (to_x, to_y) in enumerate(points[1:]):
        if i % 2 or to_y == y:
            d += f"H{to_x}"
        else:
            middle = f"{(x + to_x) / 2:g}"
            d += f"C{middle} {y} {middle} {to_y} {to_x} {to_y}"
        x, y = to_x, to_y
    return d


def _edge(scene: _Scene, route: Route, number: dict[str, int]) -> str:
    edge = scene.edges[route.source, route.target]
    names = ["e"]
    if scene.lit:
        both = route.source in scene.lit and route.target in scene.lit
        names.append("path" if both else "off")
    elif scene.focus in (route.source, route.target):
        names.append("near")
    if edge.tone:
        names.append(edge.tone)
    if route.is_back:
        names.append("back")
    ends = f"{number[route.source]} {number[route.target]}"
    if route.source == route.target:
        (x, y), (_, end) = route.points[0], route.points[-1]
        d = f"M{x} {y}C{x + 18} {y - 8} {x + 18} {end + 8} {x} {end}"
    else:
        d = path_of(route.points)
    drawn = f'<path class="{escape(" ".join(names))}" data-e="{ends}" d="{d}"/>'
    if route.is_back:  # the only edges against the reading direction carry an arrow
        x, y = route.points[-1] if route.source == route.target else route.points[0]
        drawn += f'<path class="tip" d="M{x} {y}l7-4v8z"/>'
    return drawn


# Minimap

MINI_WIDTH, MINI_HEIGHT = 140, 100


def _minimap(scene: _Scene) -> SafeString:
    """Three paths, whatever the size: all nodes, those on the path, the focus; and the part in view."""
    layout, measures = scene.layout, scene.measures
    scale = min(MINI_WIDTH / max(layout.width, 1), MINI_HEIGHT / max(layout.height, 1))
    wide, high = max(1.0, measures.width * scale), max(1.0, measures.height * scale)
    drawn = {"": "", "p": "", "f": ""}
    for node_id, box in layout.boxes.items():
        kind = "f" if node_id == scene.focus else "p" if node_id in scene.lit else ""
        drawn[kind] += f"M{box.x * scale:.1f} {box.y * scale:.1f}h{wide:.1f}v{high:.1f}h-{wide:.1f}z"
    paths = "".join(f'<path class="{kind}" d="{d}"/>' for kind, d in drawn.items() if d)
    left, top = (MINI_WIDTH - layout.width * scale) / 2, (MINI_HEIGHT - layout.height * scale) / 2
    return format_html(
        '<svg class="mini" width="156" height="108" viewBox="{} {} 156 108" data-scale="{}" aria-hidden="true">{}'
        '<rect class="vp" x="0" y="0" width="{}" height="{}" rx="3"/></svg>',
        f"{-8 - left:.1f}",
        f"{-4 - top:.1f}",
        f"{scale:.5f}",
        mark_safe(paths),  # noqa: S308  numbers
        f"{layout.width * scale:.1f}",
        f"{layout.height * scale:.1f}",
    )
