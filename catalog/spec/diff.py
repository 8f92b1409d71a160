"""What changed between two specs, by structure: entries of lists are matched by id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dataxpipe.requests import json_pointer

# What tells the entries of a list apart, in the order they are tried.
IDENTITIES = (("id",), ("name",), ("namespace", "job"), ("from", "to"), ("to",))


@dataclass(frozen=True, slots=True)
class Change:
    """`kind`: added, removed, changed. `path` is a pointer in which list entries go by their id or name."""

    path: str
    kind: str
    before: Any = None
    after: Any = None

    def as_dict(self) -> dict[str, Any]:
        return {"path": self.path, "kind": self.kind, "before": self.before, "after": self.after}


def diff_specs(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """Between two documents as `Spec.as_document()` gives them."""
    return list(_objects((), old, new))


def _objects(path: tuple[str, ...], old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    for key in [*old, *(key for key in new if key not in old)]:
        place = (*path, str(key))
        if key not in new:
            yield Change(json_pointer(place), "removed", before=old[key])
        elif key not in old:
            yield Change(json_pointer(place), "added", after=new[key])
        else:
            yield from _values(place, old[key], new[key])


def _values(path: tuple[str, ...], old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _objects(path, old, new)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _lists(path, old, new)
    elif old != new or type(old) is not type(new):
        yield Change(json_pointer(path), "changed", before=old, after=new)


def _lists(path: tuple[str, ...], old: list[Any], new: list[Any]) -> Iterator[Change]:
    before, after = _by_identity(old), _by_identity(new)
    if before is None or after is None:
        if old != new:
            yield Change(json_pointer(path), "changed", before=old, after=new)
        return
    yield from _objects(path, before, after)
    kept = [key for key in before if key in after]
    if kept != [key for key in after if key in before]:
        yield Change(json_pointer(path), "changed", before=list(before), after=list(after))


def _by_identity(items: list[Any]) -> dict[str, Any] | None:
    """The entries by what tells them apart; None where nothing does."""
    keys = [_identity(item) for item in items]
    known = [key for key in keys if key is not None]
    return dict(zip(known, items, strict=True)) if len(set(known)) == len(items) else None


def _identity(item: Any) -> str | None:
    if isinstance(item, str):
        return item
    if isinstance(item, dict):
        for names in IDENTITIES:
            if all(isinstance(item.get(name), str) for name in names):
                return (
                    " → ".join(item[name] for name in names)
                    if names == ("from", "to")
                    else "/".join(item[name] for name in names)
                )
    return None
