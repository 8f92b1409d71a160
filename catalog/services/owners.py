"""Whose a pipeline is: what people say goes before specs, specs before facets, facets before a namespace's default."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

PRECEDENCE = ("person", "spec", "facet", "namespace")
# What orchestrators put in when nobody said anything.
NOBODY = frozenset({"airflow", "root", "default"})


def owners_from(origin: str, names: Iterable[str], *, known: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    """`known` with the owners of one origin replaced; each `{"name", "origin"}` once, the strongest origin first."""
    kept = [entry for entry in known if entry["origin"] != origin]
    said = [{"name": name, "origin": origin} for name in names if name and name.lower() not in NOBODY]
    ordered = sorted([*kept, *said], key=lambda entry: PRECEDENCE.index(entry["origin"]))
    found: dict[str, dict[str, Any]] = {}
    for entry in ordered:
        found.setdefault(entry["name"], entry)
    return list(found.values())


def first_owner(owners: Sequence[dict[str, Any]]) -> str:
    return str(owners[0]["name"]) if owners else ""
