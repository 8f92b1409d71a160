"""The lineage that a spec declares, between its datasets and between their columns.

Steps read and write datasets; what flows from dataset to dataset flows through a step. Intermediate results
are no datasets: a step that reads one reads whatever datasets stand behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import TopologicalSorter

from catalog.spec.draft import split_column
from catalog.spec.model import Spec, Transform

MAX_LINKS = 20_000
MAX_COLUMN_LINKS = 50_000


class LineageError(ValueError):
    """The spec implies more links than anybody can look at; the message is for people."""


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """A step reads or writes a dataset. `step` is the id of a transform, `load:<target>` for a target that no
    single transform accounts for, or None for the pipeline itself; `dataset` the id of a source or target."""

    step: str | None
    direction: str
    dataset: str


@dataclass(frozen=True, slots=True, order=True)
class ColumnLink:
    step: str | None
    from_dataset: str
    from_column: str
    to_dataset: str
    to_column: str
    masking: bool = False


@dataclass(frozen=True, slots=True)
class DeclaredLineage:
    links: tuple[Link, ...]
    columns: tuple[ColumnLink, ...]

    @property
    def edges(self) -> list[tuple[str, str]]:
        """From dataset to dataset, each pair once."""
        reads = _by_step(self.links, "reads")
        writes = _by_step(self.links, "writes")
        pairs = {(start, end) for step, ends in writes.items() for end in ends for start in reads.get(step, ())}
        return sorted(pairs)


def _by_step(links: Iterable[Link], direction: str) -> dict[str | None, list[str]]:
    found: dict[str | None, list[str]] = {}
    for link in links:
        if link.direction == direction:
            found.setdefault(link.step, []).append(link.dataset)
    return found


def derive_lineage(spec: Spec) -> DeclaredLineage:
    """From `lineage.edges` where the spec has them, else from inputs and outputs. Raises `LineageError`."""
    flow = _Flow(spec)
    links = _Links()
    if spec.edges:
        _follow_edges(flow, links)
    else:
        _follow_steps(flow, links)
    return DeclaredLineage(links.sorted(), _columns(flow, links))


@dataclass
class _Links:
    reads: dict[str | None, set[str]] = field(default_factory=dict)
    writes: dict[str | None, set[str]] = field(default_factory=dict)
    count: int = 0

    def add(self, step: str | None, *, reads: Iterable[str] = (), writes: Iterable[str] = ()) -> None:
        for side, datasets in ((self.reads, set(reads)), (self.writes, set(writes))):
            if datasets:
                side.setdefault(step, set()).update(datasets)
                self.count += len(datasets)
        _refuse_more(self.count, MAX_LINKS)

    def sorted(self) -> tuple[Link, ...]:
        sides = (("reads", self.reads), ("writes", self.writes))
        links = {
            Link(step, direction, dataset)
            for direction, side in sides
            for step, datasets in side.items()
            for dataset in datasets
        }
        return tuple(sorted(links, key=lambda link: (link.step or "", link.direction, link.dataset)))


def _refuse_more(count: int, limit: int) -> None:
    if count > limit:
        raise LineageError(
            f"Inputs and outputs imply more than {limit:,} links. Declare lineage.edges, or split the spec."
        )


class _Flow:
    """Who writes what, by id."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.datasets = set(spec.datasets)
        self.steps = {transform.id: transform for transform in spec.transforms}
        self.writers: dict[str, list[Transform]] = {}
        for transform in spec.transforms:
            for output in transform.outputs:
                self.writers.setdefault(output, []).append(transform)

    def inputs(self, transform: Transform) -> list[str]:
        """The data a transform reads; an input that is called like a transform means all its outputs."""
        return [data for name in transform.inputs for data in self._data_of(name)]

    def _data_of(self, name: str) -> tuple[str, ...]:
        if name in self.datasets or name in self.writers:
            return (name,)
        return self.steps[name].outputs

    @cached_property
    def in_order(self) -> list[Transform]:
        """Every transform after those whose intermediate results it reads."""
        needs = {
            transform.id: {
                writer.id
                for data in self.inputs(transform)
                if data not in self.datasets
                for writer in self.writers[data]
            }
            for transform in self.spec.transforms
        }
        return [self.steps[name] for name in TopologicalSorter(needs).static_order()]

    @cached_property
    def reads(self) -> dict[str, set[str]]:
        """The datasets behind the inputs of each transform."""
        found: dict[str, set[str]] = {}
        count = 0
        for transform in self.in_order:
            behind = found[transform.id] = set()
            for data in self.inputs(transform):
                if data in self.datasets:
                    behind.add(data)
                else:
                    behind.update(*(found[writer.id] for writer in self.writers[data]))
            count += len(behind)
            _refuse_more(count, MAX_LINKS)
        return found

    @cached_property
    def last_outputs(self) -> list[str]:
        """What is put out and not read again: intermediate results if there are any, else targets."""
        read = {data for transform in self.spec.transforms for data in self.inputs(transform)}
        last = [output for output in self.writers if output not in read]
        return [output for output in last if output not in self.datasets] or last

    @cached_property
    def unwritten(self) -> list[str]:
        return [target.id for target in self.spec.targets if target.id not in self.writers]

    @cached_property
    def taken_up(self) -> dict[str, list[str]]:
        """The targets that take up a last intermediate result, because no transform names them."""
        if self.spec.edges:
            return {}
        return {output: self.unwritten for output in self.last_outputs if output not in self.datasets}


def _follow_steps(flow: _Flow, links: _Links) -> None:
    for transform in flow.spec.transforms:
        writes = {output for output in transform.outputs if output in flow.datasets}
        for output in transform.outputs:
            writes.update(flow.taken_up.get(output, ()))
        links.add(transform.id, reads=flow.reads[transform.id], writes=writes)
    if not flow.spec.transforms:
        links.add(None, writes=flow.unwritten)
    elif not flow.taken_up:
        for target in flow.unwritten:
            links.add(f"load:{target}", reads=flow.last_outputs, writes=[target])
    _add_unread_sources(flow, links)


def _add_unread_sources(flow: _Flow, links: _Links) -> None:
    read = set().union(*links.reads.values())
    links.add(None, reads=[source.id for source in flow.spec.sources if source.id not in read])


def _follow_edges(flow: _Flow, links: _Links) -> None:
    """A step of its own for each target, unless one transform writes that target alone: two edges of one step
    would imply four."""
    origins = _edge_origins(flow)
    for target in {**origins, **{target.id: None for target in flow.spec.targets}}:
        step = _edge_step(flow, target, set(origins))
        links.add(step, reads=origins.get(target, ()), writes=[target])
    _add_unread_sources(flow, links)


def _edge_step(flow: _Flow, target: str, targets: set[str]) -> str:
    writers = flow.writers.get(target, [])
    if len(writers) == 1 and targets & set(writers[0].outputs) == {target}:
        return writers[0].id
    return f"load:{target}"


def _edge_origins(flow: _Flow) -> dict[str, set[str]]:
    """The datasets behind each dataset that an edge leads to, through whatever is none."""
    behind: dict[str, set[str]] = {}
    for edge in flow.spec.edges:
        behind.setdefault(edge.to_id, set()).add(edge.from_id)
    origins: dict[str, set[str]] = {}
    for node in TopologicalSorter(behind).static_order():
        found = origins[node] = set()
        for start in behind.get(node, ()):
            found.update({start} if start in flow.datasets else origins[start])
        _refuse_more(len(found), MAX_LINKS)
    return {node: found for node, found in origins.items() if node in flow.datasets and found}


Column = tuple[str, str]


def _columns(flow: _Flow, links: _Links) -> tuple[ColumnLink, ...]:
    """Column links between datasets, as far as every step on the way declares its columns."""
    behind: dict[Column, set[tuple[Column, bool]]] = {}
    found: dict[tuple[str | None, Column, Column], bool] = {}
    for transform in flow.in_order:
        for column, origin, masking in _mappings(flow, transform, behind):
            for dataset in _datasets_of(flow, column[0]):
                step = _step_between(links, transform.id, origin[0], dataset)
                if step is not None:
                    key = (step, origin, (dataset, column[1]))
                    found[key] = found.get(key, False) or masking
        _refuse_more(len(found) + sum(map(len, behind.values())), MAX_COLUMN_LINKS)
    ordered = sorted((step or "", *origin, *to, masking) for (step, origin, to), masking in found.items())
    return tuple(ColumnLink(*row) for row in ordered)


def _mappings(
    flow: _Flow, transform: Transform, behind: dict[Column, set[tuple[Column, bool]]]
) -> list[tuple[Column, Column, bool]]:
    """Of one transform, (output column, dataset column, masked). Notes what stands behind its intermediate
    columns for the transforms after it."""
    inputs, outputs = set(flow.inputs(transform)), set(transform.outputs)
    found: list[tuple[Column, Column, bool]] = []
    for mapping in transform.column_lineage:
        to = split_column(mapping.to, outputs) or (transform.outputs[0], mapping.to)
        for reference in mapping.sources:
            start = split_column(reference, inputs)
            if start is None:
                continue
            origins = {(start, False)} if start[0] in flow.datasets else behind.get(start, set())
            found += [(to, origin, masked or mapping.masking) for origin, masked in origins]
    for to, origin, masked in found:
        if to[0] not in flow.datasets:
            behind.setdefault(to, set()).add((origin, masked))
    return found


def _datasets_of(flow: _Flow, data: str) -> list[str]:
    return [data] if data in flow.datasets else flow.taken_up.get(data, [])


def _step_between(links: _Links, transform: str, start: str, end: str) -> str | None:
    """The step that accounts for the flow: the transform itself, or the one explicit edges name instead."""
    for step in (transform, f"load:{end}"):
        if end in links.writes.get(step, ()) and start in links.reads.get(step, ()):
            return step
    return None
