"""The lineage page: what feeds a dataset or pipeline, and what depends on it, as a picture, a table and a list."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from catalog.lineage.graph import Graph, present
from catalog.lineage.picture import draw
from catalog.lineage.reach import current_adjacency
from catalog.lineage.walk import Neighbourhood, walk
from catalog.models import Dataset, LineageLink, Pipeline
from catalog.views.addresses import address, address_up_to, text_of
from catalog.views.lineage_side import side_of
from catalog.views.pictures import picture_edges, picture_nodes, standalone_svg
from catalog.views.pipeline_filters import NEEDS_ATTENTION
from dataxpipe.csv_download import csv_response
from orgs.permissions import Role, requires
from orgs.requests import OrganizationRequest

DIRECTIONS = {"upstream": ("upstream",), "both": ("upstream", "downstream"), "downstream": ("downstream",)}
MOST_NODES, MOST_DEPTH, USUAL_DEPTH, SUGGESTED = 300, 15, 3, 8
EXPORTS = {"csv": "Nodes as CSV", "json": "Graph as JSON", "svg": "Picture as SVG"}
CSV_HEADER = ("distance", "kind", "namespace", "name", "owner", "tags", "health")


class LineageQuestion:
    """The parameters of the page, read leniently: where from, which way, how far, what is selected."""

    def __init__(self, request: OrganizationRequest) -> None:
        self.query = request.GET
        direction = text_of(self.query, "direction")
        self.direction = direction if direction in DIRECTIONS else "both"
        depth = text_of(self.query, "depth")
        self.depth = min(MOST_DEPTH, max(1, int(depth))) if depth.isdecimal() and len(depth) < 4 else USUAL_DEPTH
        self.is_table = text_of(self.query, "view") == "table"
        self.text = text_of(self.query, "start")
        self.focus: Any = self._focus()

    def _focus(self) -> Pipeline | Dataset | None:
        """The row that was asked for; a wrong or foreign id is as if none was given."""
        if identifier := _as_uuid(text_of(self.query, "pipeline")):
            pipeline: Pipeline | None = Pipeline.objects.active().with_health().filter(pk=identifier).first()
            return pipeline
        if identifier := _as_uuid(text_of(self.query, "dataset")):
            dataset: Dataset | None = Dataset.objects.filter(pk=identifier).first()
            return dataset
        return None

    @property
    def is_named(self) -> bool:
        return bool(text_of(self.query, "pipeline") or text_of(self.query, "dataset"))

    def walk(self) -> Neighbourhood:
        start: dict[str, Any] = {f"{kind_of(self.focus)}s": [self.focus.pk]}
        return walk(**start, directions=DIRECTIONS[self.direction], depth=self.depth, max_nodes=MOST_NODES)


@requires(Role.VIEWER)
@require_GET
def lineage(request: OrganizationRequest) -> HttpResponse:
    question = LineageQuestion(request)
    if question.focus is None and (chosen := found_exactly(question.text) or usual_start(question)):
        return redirect(lineage_url(chosen, request.organization.slug))
    if question.focus is None:
        context = {"nav": "lineage", "question": question, "starts": starts_for(request, question.text)}
        return render(request, "catalog/lineage_empty.html", context)
    found = question.walk()
    graph = present(found)
    if answer := exported(request, question, graph, found):
        return answer
    context = {"nav": "lineage", "question": question, "focus": question.focus, "kind": kind_of(question.focus)}
    return render(request, "catalog/lineage.html", context | drawing(request, question, graph, found))


def drawing(
    request: OrganizationRequest, question: LineageQuestion, graph: Graph, found: Neighbourhood
) -> dict[str, Any]:
    slug, focus = request.organization.slug, str(question.focus.pk)
    known = {str(node.id): node for node in graph.nodes}
    selected = text_of(request.GET, "selected")
    selected = selected if selected in known else focus
    href = address_up_to(request.GET, "selected")
    nodes = picture_nodes(graph, slug, {node.id: f"{href}{node.id}" for node in graph.nodes})
    label = f"Lineage of {question.focus.name}"
    return {
        "picture": draw(
            nodes,
            picture_edges(graph),
            focus=focus,
            selected="" if selected == focus else selected,
            label=label,
            has_heads=True,
        ),
        "picture_truncated": found.is_truncated,
        "is_cut": found.is_truncated,
        "goes_on": bool(found.frontier) and not found.is_truncated,
        "nodes": graph.nodes,
        "selected": selected,
        "side": side_of(known.get(selected), question.focus, slug),
        "links": {
            "directions": [(name, address(request.GET, direction=name), name == question.direction)
                           for name in DIRECTIONS],
            "less": address(request.GET, depth=question.depth - 1) if question.depth > 1 else "",
            "more": address(request.GET, depth=question.depth + 1) if question.depth < MOST_DEPTH else "",
            "table": address(request.GET, view=None if question.is_table else "table"),
            "exports": [(label, address(request.GET, format=name)) for name, label in EXPORTS.items()],
        },
    }  # fmt: skip


def exported(
    request: OrganizationRequest, question: LineageQuestion, graph: Graph, found: Neighbourhood
) -> HttpResponse | None:
    match text_of(request.GET, "format"):
        case "json":
            nodes, edges = [asdict(node) for node in graph.nodes], [asdict(edge) for edge in graph.edges]
            return JsonResponse({"nodes": nodes, "edges": edges, "truncated": found.is_truncated})
        case "csv":
            rows = [[getattr(node, name) for name in CSV_HEADER] for node in graph.nodes]
            return csv_response("lineage.csv", CSV_HEADER, rows)
        case "svg":
            nodes_, edges_ = picture_nodes(graph, request.organization.slug), picture_edges(graph)
            picture = draw(nodes_, edges_, focus=str(question.focus.pk), label=f"Lineage of {question.focus.name}")
            response = HttpResponse(standalone_svg(picture), content_type="image/svg+xml; charset=utf-8")
            response["Content-Disposition"] = 'attachment; filename="lineage.svg"'
            return response
    return None


@requires(Role.VIEWER)
@require_GET
def lineage_starts(request: OrganizationRequest) -> HttpResponse:
    """What a text could mean, while it is being typed."""
    return render(
        request, "catalog/_lineage_starts.html", {"starts": starts_for(request, text_of(request.GET, "start"))}
    )


def starts_for(request: OrganizationRequest, text: str) -> list[dict[str, Any]]:
    """Pipelines and datasets whose name holds the text, the shortest names first."""
    if not text:
        return []
    found: list[Any] = []
    for rows in (Pipeline.objects.active(), Dataset.objects.all()):
        matching = rows.matching(text).only("id", "name", "namespace")[:100]
        found += sorted(matching, key=lambda row: (len(row.name), row.name))[:SUGGESTED]
    slug = request.organization.slug
    return [{"row": row, "kind": kind_of(row), "href": lineage_url(row, slug)} for row in found]


def found_exactly(text: str) -> Pipeline | Dataset | None:
    """The one row of exactly this name, if there is one."""
    if not text:
        return None
    pipelines, datasets = Pipeline.objects.active().filter(name=text)[:2], Dataset.objects.filter(name=text)[:2]
    rows = [*pipelines, *datasets]
    return rows[0] if len(rows) == 1 else None


def usual_start(question: LineageQuestion) -> Pipeline | Dataset | None:
    """Without a question: the pipeline that needs attention most, else the one with the most behind it."""
    if question.is_named or question.text:
        return None
    linked = LineageLink.objects.valid().values("pipeline_id")
    candidates = Pipeline.objects.active().with_health_rank().filter(id__in=linked)
    worst = candidates.order_by("health_rank", "name").first()
    if worst is None or worst.current_health in NEEDS_ATTENTION:
        first: Dataset | None = Dataset.objects.order_by("name").first()
        return worst or first
    adjacency = current_adjacency()
    hub = max(adjacency.after, key=adjacency.count, default=None)
    return candidates.filter(pk=hub).first() or worst  # type: ignore[no-any-return]


def kind_of(row: Any) -> str:
    return "dataset" if isinstance(row, Dataset) else "pipeline"


def lineage_url(row: Pipeline | Dataset, slug: str) -> str:
    return f"{reverse('lineage', kwargs={'slug': slug})}?{kind_of(row)}={row.pk}"


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
