"""The second pass over a spec: what it means. Each rule is a generator; all of them run."""

from __future__ import annotations

import zoneinfo
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import groupby
from typing import Any

from catalog.spec import schedule as schedules
from catalog.spec.datasets import ConnectionInfo, NamingError, connection_types, dataset_name
from catalog.spec.draft import Draft, Entry, objects, outputs_of, split_column, text, texts
from catalog.spec.structure import did_you_mean, quoted
from dataxpipe.problems import FieldError
from dataxpipe.requests import json_pointer


def meaning_errors(document: Any) -> Iterator[FieldError]:
    """What is wrong with a spec in its wrapped form beyond its structure, as far as it can be read."""
    draft = Draft(document)
    for rule in RULES:
        yield from rule(draft)


def connection_errors(document: Any, connections: Mapping[str, ConnectionInfo]) -> Iterator[FieldError]:
    """Connections that do not exist, are of another type, or do not say where the object is."""
    draft = Draft(document)
    for section in ("sources", "targets"):
        for index, entry in draft.entries(section):
            if reference := text(entry, "connection_ref"):
                yield from _connection_errors(section, index, entry, reference, connections)


def connection_refs(document: Any) -> set[str]:
    """The connections a spec names, in either form; for loading them before `collect_errors`."""
    draft = Draft(document)
    entries = [entry for section in ("sources", "targets") for _, entry in draft.entries(section)]
    return {reference for entry in entries if (reference := text(entry, "connection_ref"))}


def _connection_errors(
    section: str, index: int, entry: Entry, reference: str, connections: Mapping[str, ConnectionInfo]
) -> Iterator[FieldError]:
    connection, type_, object_ = connections.get(reference), text(entry, "type"), text(entry, "object")
    if connection is None:
        hint = did_you_mean(reference, connections) or "Create it first, or name one that exists."
        detail = f"There is no connection {quoted(reference)}. {hint}"
        yield _error("unknown_connection", detail, section, index, "connection_ref")
    elif type_ and type_ != connection.type:
        detail = f"{quoted(reference)} is a {connection.type} connection, but type says {quoted(type_)}."
        yield _error("connection_mismatch", detail, section, index, "type")
    elif object_:
        try:
            dataset_name(connection, object_)
        except NamingError as error:
            detail = f"{quoted(object_)} on {quoted(reference)} does not say which dataset is meant. {error}"
            yield _error("incomplete_object", detail, section, index, "object")


def _error(code: str, detail: str, *path: str | int) -> FieldError:
    return FieldError(code, detail, pointer=json_pointer(path))


def _schedule(draft: Draft) -> Iterator[FieldError]:
    schedule = text(draft.pipeline, "schedule")
    if schedule and len(schedule) <= 200:
        try:
            schedules.normalized(schedule)
        except schedules.ScheduleError as error:
            yield _error("invalid_schedule", f"{quoted(schedule)}: {error}", "pipeline", "schedule")


def _timezone(draft: Draft) -> Iterator[FieldError]:
    if timezone := text(draft.pipeline, "timezone"):
        try:
            schedules.zone(timezone)
        except zoneinfo.ZoneInfoNotFoundError:
            hint = _zone_like(timezone) or "Give an IANA name such as Europe/Vienna."
            yield _error("invalid_timezone", f"{quoted(timezone)} is no time zone. {hint}", "pipeline", "timezone")


def _zone_like(timezone: str) -> str:
    by_lower = {name.lower(): name for name in schedules.zones()}
    return did_you_mean(by_lower.get(timezone.lower(), timezone), sorted(schedules.zones()))


def _ids_are_unique(draft: Draft) -> Iterator[FieldError]:
    """Over all sections; only a target may be called like a transform, namely one that puts it out."""
    seen: dict[str, str] = {}
    for section in ("sources", "transforms", "targets", "checks"):
        for index, entry in draft.entries(section):
            if name := text(entry, "id"):
                joins = section == "targets" and seen.get(name) == "transforms" and name in draft.outputs[name]
                if name in seen and not joins:
                    detail = f"{quoted(name)} is already an id in {seen[name]}. Ids are unique across the spec."
                    yield _error("duplicate_id", detail, section, index, "id")
                seen[name] = section


def _outputs(draft: Draft) -> Iterator[FieldError]:
    sources, checks = draft.ids("sources"), draft.ids("checks")
    for index, entry in draft.entries("transforms"):
        for place, output in texts(entry, "outputs"):
            if output in sources:
                detail = f"{quoted(output)} is a source. What a transform writes is declared under targets."
                yield _error("output_is_source", detail, "transforms", index, "outputs", place)
            elif output in checks or output not in draft.outputs.get(output, [output]):
                detail = f"{quoted(output)} is the id of something else. Give the output a name of its own."
                yield _error("duplicate_id", detail, "transforms", index, "outputs", place)


def _types(draft: Draft) -> Iterator[FieldError]:
    known = connection_types()
    for section in ("sources", "targets"):
        for index, entry in draft.entries(section):
            if (type_ := text(entry, "type")) and type_ not in known:
                hint = did_you_mean(type_, known) or f"Known are {', '.join(known)}."
                detail = f"{quoted(type_)} is no connection type. {hint}"
                yield _error("unknown_type", detail, section, index, "type")


def _modes(draft: Draft) -> Iterator[FieldError]:
    for index, entry in draft.entries("sources"):
        if entry.get("load_mode") == "incremental" and "watermark_column" not in entry:
            detail = "load_mode incremental needs watermark_column: the column that tells what is new."
            yield _error("required", detail, "sources", index, "watermark_column")
    for index, entry in draft.entries("targets"):
        if entry.get("write_mode") == "merge" and "primary_key" not in entry:
            detail = "write_mode merge needs primary_key: the columns that tell which row is replaced."
            yield _error("required", detail, "targets", index, "primary_key")


def _code(draft: Draft) -> Iterator[FieldError]:
    for index, entry in draft.entries("transforms"):
        if "sql" not in entry:
            for key in ("type", "code_ref"):
                if key not in entry:
                    detail = f"{key} is required, unless sql names an SQL file."
                    yield _error("required", detail, "transforms", index, key)
        elif "code_ref" in entry:
            detail = "sql and code_ref say the same twice. Keep one of them."
            yield _error("conflict", detail, "transforms", index, "sql")
        elif entry.get("type", "sql") != "sql":
            detail = "sql names an SQL file, but type says otherwise. Use code_ref, or type: sql."
            yield _error("conflict", detail, "transforms", index, "type")


def _references(draft: Draft) -> Iterator[FieldError]:
    if not draft.is_complete:
        return
    known = draft.data | set(draft.outputs)
    for index, entry in draft.entries("transforms"):
        for place, name in texts(entry, "inputs"):
            if name not in known:
                yield _unknown(name, known, "transforms", index, "inputs", place)
    for index, entry in draft.entries("checks"):
        if (dataset := text(entry, "dataset")) and dataset not in draft.data:
            yield _unknown(dataset, draft.data, "checks", index, "dataset")
    for index, edge in draft.edges():
        for key in ("from", "to"):
            if (end := text(edge, key)) and end not in known:
                yield _unknown(end, known, "lineage", "edges", index, key)


def _unknown(name: str, known: Iterable[str], *path: str | int) -> FieldError:
    known = sorted(known)
    declared = f"Declared are {', '.join(known[:10])}{' …' if len(known) > 10 else ''}." if known else ""
    hint = did_you_mean(name, known) or declared
    return _error("unknown_reference", f"{quoted(name)} is no id of this spec. {hint}".rstrip(), *path)


def _repetitions(draft: Draft) -> Iterator[FieldError]:
    for index, entry in draft.entries("transforms"):
        for key in ("inputs", "outputs"):
            yield from _repeated(texts(entry, key), "transforms", index, key)
    for index, entry in draft.entries("targets"):
        yield from _repeated(texts(entry, "primary_key"), "targets", index, "primary_key")
    for section in ("sources", "targets"):
        for index, entry in draft.entries(section):
            names = [(place, column.get("name")) for place, column in objects(entry.get("columns"))]
            yield from _repeated(names, section, index, "columns")
    jobs = [(place, f"{job.get('namespace')}/{job.get('job')}") for place, job in draft.entries("openlineage")]
    yield from _repeated(jobs, "openlineage")
    pairs = [(place, f"{edge.get('from')} → {edge.get('to')}") for place, edge in draft.edges()]
    yield from _repeated(pairs, "lineage", "edges")


def _repeated(names: Iterable[tuple[int, Any]], *path: str | int) -> Iterator[FieldError]:
    seen: Counter[str] = Counter()
    for place, name in names:
        if isinstance(name, str):
            seen[name] += 1
            if seen[name] == 2:
                yield _error("duplicate", f"{quoted(name)} stands here twice. Remove one.", *path, place)


def _columns(draft: Draft) -> Iterator[FieldError]:
    if not draft.is_complete:
        return
    for index, entry in draft.entries("transforms"):
        inputs = {data for _, name in texts(entry, "inputs") for data in draft.data_of(name)}
        outputs = set(outputs_of(entry))
        for place, mapping in objects(entry.get("column_lineage")):
            path = ("transforms", index, "column_lineage", place)
            to = text(mapping, "to")
            if to and len(outputs) > 1 and not split_column(to, outputs):
                detail = f"{quoted(to)} does not say which output is meant. Write output.column."
                yield _error("unknown_reference", detail, *path, "to")
            for number, reference in texts(mapping, "from"):
                if not split_column(reference, inputs):
                    detail = f"{quoted(reference)} is no column of an input. Write input.column."
                    yield _error("unknown_reference", detail, *path, "from", number)


Node = tuple[str, str]


def _cycles(draft: Draft) -> Iterator[FieldError]:
    needs: dict[Node, set[Node]] = {}
    places: dict[Node, int] = {}
    for index, entry in draft.entries("transforms"):
        step = ("step", text(entry, "id") or "")
        places.setdefault(step, index)
        names = {name for _, name in texts(entry, "inputs")}
        needs.setdefault(step, set()).update(("data" if name in draft.data else "step", name) for name in names)
        for output in outputs_of(entry):
            needs.setdefault(("data", output), set()).add(step)
    if cycle := _cycle(needs):
        index = min(places[node] for node in cycle if node in places)
        yield _error("cycle", _cycle_detail(cycle), "transforms", index, "inputs")


def _edge_cycles(draft: Draft) -> Iterator[FieldError]:
    needs: dict[Node, set[Node]] = {}
    for _, edge in draft.edges():
        if (start := text(edge, "from")) and (end := text(edge, "to")):
            needs.setdefault(("data", end), set()).add(("data", start))
    if cycle := _cycle(needs):
        names = {name for _, name in cycle}
        index = next(i for i, edge in draft.edges() if edge.get("to") in names and edge.get("from") in names)
        yield _error("cycle", _cycle_detail(cycle), "lineage", "edges", index)


def _cycle(needs: Mapping[Node, set[Node]]) -> list[Node]:
    """One circle, its first node again at the end; empty without any."""
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        cycle: list[Node] = error.args[1]
        return cycle
    return []


def _cycle_detail(cycle: list[Node]) -> str:
    names = [name for name, _ in groupby(name for _, name in cycle)]
    names = names * 2 if len(names) == 1 else names
    shown = names if len(names) <= 8 else [*names[:7], "…", names[-1]]
    way = " → ".join(name[:60] for name in shown)
    return f"This goes round in a circle: {way}. Data flows one way; leave one of these out."


RULES = (
    _schedule,
    _timezone,
    _ids_are_unique,
    _outputs,
    _types,
    _modes,
    _code,
    _references,
    _repetitions,
    _columns,
    _cycles,
    _edge_cycles,
)
