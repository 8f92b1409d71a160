"""What a lineage picture is drawn from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PictureNode:
    """A node to draw. `sub` is the second line; `tone` is `bad`, `added`, `removed`, `fold` or nothing.

    A `fold` stands for several nodes: `name` says how many, `sub` names some.
    """

    id: str
    kind: str
    name: str
    sub: str = ""
    href: str = ""
    health: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class PictureEdge:
    """Data flows from `source` to `target`; `tone` is `hot`, `risk`, `stale`, `added`, `removed` or nothing."""

    source: str
    target: str
    tone: str = ""


def title_of(node: PictureNode) -> str:
    """The whole of a node in words, for tooltips and screen readers."""
    words = [f"{node.kind.capitalize()} {node.name}", node.health.replace("_", " "), node.sub]
    if node.tone in {"added", "removed"}:
        words.append(node.tone)
    return ", ".join(word for word in words if word)
