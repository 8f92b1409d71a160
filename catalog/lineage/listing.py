"""A lineage graph as a list: for phones, and for people who would rather read than look."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from catalog.lineage import trace
from catalog.lineage.scene import PictureEdge, PictureNode
from orgs.templatetags.ui import shape, sprite


def listing(nodes: Sequence[PictureNode], edges: Sequence[PictureEdge], *, focus: str) -> SafeString:
    """Upstream and downstream of the focus by distance, nearest first: for phones, and for who prefers reading."""
    known = {node.id: node for node in nodes}
    if focus not in known:
        return mark_safe("")
    after, before = trace.neighbours((edge.source, edge.target) for edge in edges)
    sections = [
        _section(heading, [(distance, known[node_id]) for node_id, distance in found.items() if node_id in known])
        for heading, found in (
            ("Upstream", trace.distances(focus, before)),
            ("Downstream", trace.distances(focus, after)),
        )
    ]
    return format_html_join("", "{}", ((section,) for section in sections))


def _section(heading: str, found: list[tuple[int, PictureNode]]) -> SafeString:
    rows = [(distance, node) for distance, node in found if distance]
    items = format_html_join("", "<li>{}</li>", ((_row(distance, node),) for distance, node in rows))
    body = (
        format_html('<ol class="list imp">{}</ol>', items)
        if rows
        else format_html('<p class="pad faint">{}</p>', "Nothing")
    )
    return format_html(
        '<section class="panel"><header><h2>{}</h2><span class="faint num">{}</span></header>{}</section>',
        heading,
        len(rows),
        body,
    )


def _row(distance: int, node: PictureNode) -> SafeString:
    name = (
        format_html('<a class="l1 clip strong" href="{}">{}</a>', node.href, node.name)
        if node.href
        else format_html('<span class="l1 clip strong">{}</span>', node.name)
    )
    mark = (
        format_html('<svg class="hi" aria-hidden="true"><use href="{}"/></svg>', sprite("dataset"))
        if node.kind == "dataset"
        else shape(node.health or "unknown")
    )
    return format_html(
        '{}<span class="sr">{}</span><span class="grow">{}<span class="l2 clip">{}</span></span>'
        '<span class="small faint num nowrap">{}</span>',
        mark,
        f"{node.kind} {node.health.replace('_', ' ')}".strip(),
        name,
        node.sub,
        "1 link" if distance == 1 else f"{distance} links",
    )
