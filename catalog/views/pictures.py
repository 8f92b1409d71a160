"""Lineage graphs as pictures: which nodes are drawn how, and where they link to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from django.urls import reverse

from catalog.lineage.graph import Graph, GraphNode
from catalog.lineage.layout import Measures
from catalog.lineage.picture import Picture, draw
from catalog.lineage.scene import PictureEdge, PictureNode

FOLDED_FROM = 6
SMALL = Measures(width=150, height=38, pitch=199, gap=8)


def node_href(node: GraphNode, slug: str) -> str:
    """The page of what a node stands for."""
    kind = "dataset" if node.kind == "dataset" else "pipeline"
    identifier = node.pipeline if node.kind == "step" and node.pipeline else node.id
    return reverse(kind, kwargs={"slug": slug, f"{kind}_id": identifier})


def store_of(namespace: str) -> str:
    """The kind of store in a dataset's namespace: `postgres` of `postgres://host:5432`."""
    return namespace.partition("://")[0]


def sub_of(node: GraphNode) -> str:
    if node.kind == "dataset":
        if node.health == "failing":
            return "a check fails"
        parent, _, _ = node.name.rpartition(".") if "/" not in node.name else node.name.rpartition("/")
        return " · ".join(filter(None, [parent.rpartition(".")[2], store_of(node.namespace)]))
    return node.owner or node.namespace


def short_name(node: GraphNode) -> str:
    """The last part of a dataset's name: schema and database stand in the second line."""
    if node.kind != "dataset":
        return node.name
    return node.name.rstrip("/").rpartition("/" if "/" in node.name else ".")[2] or node.name


def picture_nodes(graph: Graph, slug: str, hrefs: dict[UUID, str] | None = None) -> list[PictureNode]:
    return [
        PictureNode(
            id=str(node.id),
            kind=node.kind,
            name=short_name(node),
            sub=sub_of(node),
            href=(hrefs or {}).get(node.id) or node_href(node, slug),
            health=node.health or "",
            tone="bad" if node.kind == "dataset" and node.health == "failing" else "",
        )
        for node in graph.nodes
    ]


def picture_edges(graph: Graph) -> list[PictureEdge]:
    """Hot into a dataset whose check fails, risk out of it, stale where no run has used the link for 30 days."""
    failing = {node.id for node in graph.nodes if node.kind == "dataset" and node.health == "failing"}
    return [
        PictureEdge(
            str(edge.source),
            str(edge.target),
            "stale" if edge.stale else "hot" if edge.target in failing else "risk" if edge.source in failing else "",
        )
        for edge in graph.edges
    ]


def neighbourhood_picture(graph: Graph, focus: UUID, slug: str) -> Picture:
    """One step each way; where more than six pipelines stand on a side, the rest is folded into one node."""
    graph, writers = _without_writers(graph)
    edges = picture_edges(graph)
    nodes = [
        replace(node, sub=f"by {writers[node.id]}") if node.id in writers and not node.tone else node
        for node in picture_nodes(graph, slug)
    ]
    lineage = reverse("lineage", kwargs={"slug": slug}) + f"?pipeline={focus}"
    for kind in ("dataset", "pipeline"):
        for side in (-1, 1):
            far = [str(node.id) for node in graph.nodes if node.kind == kind and node.distance * side > 0]
            nodes, edges = _fold(nodes, edges, _worst_first(far, nodes), lineage)
    return draw(nodes, edges, focus=str(focus), label="Lineage, one step each way", key="near", measures=SMALL)


def _without_writers(graph: Graph) -> tuple[Graph, dict[str, str]]:
    """Four columns fit beside the page's other panels: pipelines upstream are named in their datasets instead."""
    upstream = {node.id: node for node in graph.nodes if node.kind == "pipeline" and node.distance < 0}
    writers = {str(edge.target): upstream[edge.source].name for edge in graph.edges if edge.source in upstream}
    nodes = [node for node in graph.nodes if node.id not in upstream]
    edges = [edge for edge in graph.edges if edge.source not in upstream and edge.target not in upstream]
    return Graph(nodes, edges), writers


def _worst_first(ids: Iterable[str], nodes: Sequence[PictureNode]) -> list[str]:
    order = ("failing", "late", "at_risk", "running", "healthy", "never_run", "unknown")
    known = {node.id: node for node in nodes}
    return sorted(ids, key=lambda node_id: (order.index(known[node_id].health or "unknown"), known[node_id].name))


def _fold(
    nodes: list[PictureNode], edges: list[PictureEdge], ids: list[str], href: str
) -> tuple[list[PictureNode], list[PictureEdge]]:
    if len(ids) <= FOLDED_FROM:
        return nodes, edges
    folded = ids[FOLDED_FROM - 1 :]
    known = {node.id: node for node in nodes}
    fold = PictureNode(
        id=f"fold-{folded[0]}",
        kind=known[folded[0]].kind,
        name=f"{len(folded)} more",
        sub=", ".join(known[node_id].name for node_id in folded[:3]),
        href=href,
        health=known[folded[0]].health,
        tone="fold",
    )
    moved = dict.fromkeys(folded, fold.id)
    kept = {}
    for edge in edges:
        new = PictureEdge(moved.get(edge.source, edge.source), moved.get(edge.target, edge.target), edge.tone)
        kept[new.source, new.target] = new
    return [*(node for node in nodes if node.id not in moved), fold], list(kept.values())


STANDALONE = """
text { font: 500 12px system-ui, sans-serif; fill: #1a1b1e } .sub { font-size: 10.5px; font-weight: 400; fill: #686c74 }
.nd rect { fill: #fff; stroke: #d3d3cf } .nd.d rect { fill: #f4f4f2 } .focus rect { stroke: #5443c8; stroke-width: 2 }
.e { fill: none; stroke: #d3d3cf; stroke-width: 1.4 } .e.hot { stroke: #d1343b }
.e.risk { stroke: #e0762f; stroke-dasharray: 4 3 }
.e.stale { stroke-dasharray: 1.5 3 } .tip { fill: #686c74 } .ln { fill: none; stroke: currentColor; stroke-width: 1.6 }
.fl { fill: currentColor } .hi, .dsi { color: #686c74 } .h-failing { color: #c4262e } .h-late { color: #8a6100 }
.h-at-risk { color: #b54708 } .h-running { color: #1b62c4 } .h-healthy { color: #1a7f43 }
"""


def standalone_svg(picture: Picture) -> str:
    """The picture as a file of its own: with the style that the page's sheets give it, in light colours."""
    head, _, rest = picture.svg.partition(">")
    return f"{head}><style>{STANDALONE}</style>{rest}"
