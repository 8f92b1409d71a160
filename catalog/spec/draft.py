"""A spec that may still be wrong: what can be read of it, and nothing more.

The second pass works on this, so that one misspelt key does not hide every other error.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

Entry = dict[str, Any]

NAME_LENGTH = 200


class Draft:
    """Over a document in the wrapped form."""

    def __init__(self, document: Any) -> None:
        self.document: Entry = document if isinstance(document, dict) else {}
        pipeline = self.document.get("pipeline")
        self.pipeline: Entry = pipeline if isinstance(pipeline, dict) else {}

    def entries(self, section: str) -> Iterator[tuple[int, Entry]]:
        """The objects of a list, with their place in it."""
        return objects(self.document.get(section))

    def edges(self) -> Iterator[tuple[int, Entry]]:
        lineage = self.document.get("lineage")
        return objects(lineage.get("edges") if isinstance(lineage, dict) else None)

    def ids(self, section: str) -> dict[str, int]:
        """The first place of each id."""
        found: dict[str, int] = {}
        for index, entry in self.entries(section):
            if name := text(entry, "id"):
                found.setdefault(name, index)
        return found

    @cached_property
    def datasets(self) -> set[str]:
        return {*self.ids("sources"), *self.ids("targets")}

    @cached_property
    def outputs(self) -> dict[str, list[str]]:
        """Of each transform."""
        return {name: outputs_of(entry) for _, entry in self.entries("transforms") if (name := text(entry, "id"))}

    @cached_property
    def data(self) -> set[str]:
        """Whatever holds data: datasets and intermediate results."""
        return self.datasets.union(*self.outputs.values())

    @cached_property
    def is_complete(self) -> bool:
        """Whether every id is readable; otherwise an unknown one may be declared where we cannot read it."""
        return all(self._is_readable(section) for section in ("sources", "transforms", "targets"))

    def _is_readable(self, section: str) -> bool:
        items = self.document.get(section, [])
        return isinstance(items, list) and all(isinstance(item, dict) and text(item, "id") for item in items)

    def data_of(self, name: str) -> list[str]:
        """What an input means by an id: the data of that name, or all outputs of that transform."""
        return [name] if name in self.data else self.outputs.get(name, [])


def objects(items: Any) -> Iterator[tuple[int, Entry]]:
    if isinstance(items, list):
        yield from ((index, item) for index, item in enumerate(items) if isinstance(item, dict))


def text(entry: Entry, key: str) -> str | None:
    value = entry.get(key)
    return value if isinstance(value, str) and value else None


def texts(entry: Entry, key: str) -> list[tuple[int, str]]:
    """The texts of a list, with their place in it."""
    items = entry.get(key)
    found = enumerate(items) if isinstance(items, list) else ()
    return [(index, item) for index, item in found if isinstance(item, str)]


def outputs_of(transform: Entry) -> list[str]:
    """Without `outputs` a transform puts out one thing that is called like it."""
    if "outputs" in transform:
        return [name for _, name in texts(transform, "outputs")]
    name = text(transform, "id")
    return [name] if name else []


def split_column(reference: str, datasets: set[str]) -> tuple[str, str] | None:
    """`dataset.column` taken apart at the longest dataset that fits, because both may hold dots."""
    cut = reference.rfind(".", 0, NAME_LENGTH + 1)
    while cut > 0:
        dataset, column = reference[:cut], reference[cut + 1 :]
        if dataset in datasets and column:
            return dataset, column
        cut = reference.rfind(".", 0, cut)
    return None
