"""Questions about a drawn graph: how far is a node, which nodes lie between two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Neighbours = Mapping[str, list[str]]


def neighbours(edges: Iterable[tuple[str, str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Targets by source, and sources by target."""
    after: dict[str, list[str]] = {}
    before: dict[str, list[str]] = {}
    for source, target in edges:
        after.setdefault(source, []).append(target)
        before.setdefault(target, []).append(source)
    return after, before


def distances(start: str, along: Neighbours) -> dict[str, int]:
    """Links from `start` to everything reachable, nearest first, `start` itself at 0."""
    found = {start: 0}
    for node in (queue := [start]):
        for other in along.get(node, ()):
            if other not in found:
                found[other] = found[node] + 1
                queue.append(other)
    return found


def between(one: str, other: str, edges: Iterable[tuple[str, str]]) -> set[str]:
    """Every node on a directed path from either to the other, both included; empty if there is none."""
    after, before = neighbours(edges)
    for start, end in ((one, other), (other, one)):
        reached = distances(start, after).keys() & distances(end, before).keys()
        if start in reached:
            return set(reached)
    return set()
