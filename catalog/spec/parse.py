"""From a document to a `Spec`, or to everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from catalog.spec import schedule as schedules
from catalog.spec.datasets import ConnectionInfo
from catalog.spec.draft import outputs_of
from catalog.spec.lineage import LineageError, derive_lineage
from catalog.spec.model import (
    CheckSpec,
    Column,
    ColumnMapping,
    Document,
    Edge,
    OpenLineageJob,
    Slo,
    Source,
    Spec,
    SpecSource,
    Target,
    Transform,
)
from catalog.spec.structure import pipeline_keys, quoted, root_keys, spec_schema, structure_errors
from catalog.spec.validate import connection_errors, meaning_errors
from dataxpipe.problems import FieldError, ValidationFailed

MAX_ERRORS = 100
MAX_VALUES = 50_000
DEFAULT_NAMESPACE = "default"


class SpecInvalid(ValidationFailed):
    slug = "spec-invalid"
    title = "The spec is not valid"
    about = (
        "The pipeline spec was refused and nothing was registered. `errors` names everything that is wrong "
        "with it, each with a JSON pointer into what was sent and a sentence that says what to do."
    )


def parse_spec(document: Any, *, namespace: str | None = None) -> Spec:
    """The spec a document declares, in the wrapped or the flat form; `namespace` as in `?namespace=`.

    Raises `SpecInvalid` with all errors that can be told without the organization's connections.
    """
    spec, errors = collect_errors(document, namespace=namespace)
    if spec is None:
        raise SpecInvalid(_summary(errors), errors=errors)
    return spec


def _summary(errors: list[FieldError]) -> str:
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{errors[0].detail}{more}"


def collect_errors(
    document: Any,
    connections: Mapping[str, ConnectionInfo] | None = None,
    *,
    namespace: str | None = None,
) -> tuple[Spec | None, list[FieldError]]:
    """The spec, or None and at most 100 errors. With `connections` (those `connection_refs` names, as far as
    they exist) also the errors of existence and type."""
    if _count_values(document) > MAX_VALUES:
        return None, [FieldError("too_large", f"The spec holds more than {MAX_VALUES:,} values.", pointer="")]
    wrapped, is_flat = _wrapped(document)
    errors = _errors(wrapped, connections)
    errors += _namespace_errors(wrapped, namespace)
    if errors:
        return None, [_as_sent(error, is_flat=is_flat) for error in errors[:MAX_ERRORS]]
    spec = _spec(wrapped, namespace)
    try:
        derive_lineage(spec)
    except LineageError as error:
        return None, [FieldError("lineage_too_large", str(error), pointer="/transforms")]
    return spec, []


def validate_connections(spec: Spec, connections: Mapping[str, ConnectionInfo]) -> list[FieldError]:
    """What is wrong with a valid spec's connections, with pointers into its normalized form."""
    return list(islice(connection_errors(spec.as_document(), connections), MAX_ERRORS))


def _errors(wrapped: Any, connections: Mapping[str, ConnectionInfo] | None) -> list[FieldError]:
    errors = list(islice(structure_errors(wrapped), MAX_ERRORS))
    if any(error.code == "too_many" for error in errors):
        return errors
    further = [meaning_errors(wrapped)]
    if connections is not None:
        further.append(connection_errors(wrapped, connections))
    return errors + list(islice(chain(*further), MAX_ERRORS))


def _namespace_errors(wrapped: Any, namespace: str | None) -> Iterable[FieldError]:
    if namespace is None:
        return
    rule = spec_schema()["$defs"]["name"]
    if not re.fullmatch(rule["pattern"], namespace):
        detail = f"{quoted(namespace)} is no valid namespace. {rule['patternErrorMessage']}"
        yield FieldError("invalid_format", detail, parameter="namespace")
        return
    pipeline = wrapped.get("pipeline") if isinstance(wrapped, dict) else None
    own = pipeline.get("namespace", namespace) if isinstance(pipeline, dict) else namespace
    if isinstance(own, str) and own != namespace:
        detail = f"The spec says namespace {quoted(own)}, the request {quoted(namespace)}. Leave one of them out."
        yield FieldError("namespace_conflict", detail, pointer="/pipeline/namespace")


def _wrapped(document: Any) -> tuple[Any, bool]:
    """The form with `pipeline:`, and whether the document was the flat one."""
    if not isinstance(document, dict) or "pipeline" in document or not pipeline_keys() & document.keys():
        return document, False
    beside = {key: value for key, value in document.items() if key in root_keys()}
    inside = {key: value for key, value in document.items() if key not in root_keys()}
    return {**beside, "pipeline": inside}, True


def _as_sent(error: FieldError, *, is_flat: bool) -> FieldError:
    if is_flat and error.pointer and error.pointer.startswith("/pipeline"):
        return replace(error, pointer=error.pointer.removeprefix("/pipeline"))
    return error


def _count_values(document: Any) -> int:
    """Until the limit is passed; without recursion, because a document need not come from our readers."""
    count, pending = 0, [iter((document,))]
    while pending and count <= MAX_VALUES:
        for value in pending[-1]:
            count += 1
            if isinstance(value, dict):
                pending.append(iter(value.values()))
                break
            if isinstance(value, list):
                pending.append(iter(value))
                break
        else:
            pending.pop()
    return count


def _spec(document: Document, namespace: str | None) -> Spec:
    """From a wrapped document that has no errors."""
    pipeline = document["pipeline"]
    schedule = pipeline["schedule"]
    return Spec(
        name=pipeline["name"],
        description=pipeline["description"].strip(),
        owner=pipeline["owner"].strip(),
        environment=pipeline["environment"],
        schedule=None if schedule is None else schedules.normalized(schedule),
        timezone=pipeline.get("timezone", "UTC"),
        tags=_tags(pipeline),
        namespace=pipeline.get("namespace") or namespace or DEFAULT_NAMESPACE,
        version=document.get("version"),
        sources=tuple(_source(item) for item in document.get("sources", ())),
        transforms=tuple(_transform(item) for item in document.get("transforms", ())),
        targets=tuple(_target(item) for item in document.get("targets", ())),
        checks=tuple(_check(item) for item in document.get("checks", ())),
        slo=_slo(document.get("slo")),
        openlineage=tuple(
            OpenLineageJob(_line(item, "namespace") or "", _line(item, "job") or "")
            for item in document.get("openlineage", ())
        ),
        edges=tuple(Edge(item["from"], item["to"]) for item in document.get("lineage", {}).get("edges", ())),
        source=_spec_source(document.get("source")),
    )


def _line(item: Document, key: str) -> str | None:
    value = item.get(key)
    return None if value is None else str(value).strip()


def _tags(item: Document) -> tuple[str, ...]:
    return tuple(sorted({tag.lower() for tag in item.get("tags", ())}))


def _columns(item: Document) -> tuple[Column, ...]:
    return tuple(
        Column(name=column["name"].strip(), type=_line(column, "type"), tags=_tags(column))
        for column in item.get("columns", ())
    )


def _source(item: Document) -> Source:
    return Source(
        id=item["id"],
        type=item["type"],
        connection_ref=item["connection_ref"],
        object=item["object"].strip(),
        load_mode=item.get("load_mode", "full"),
        watermark_column=_line(item, "watermark_column"),
        columns=_columns(item),
    )


def _transform(item: Document) -> Transform:
    digest = item.get("code_sha256")
    return Transform(
        id=item["id"],
        type=item.get("type", "sql"),
        code_ref=(item.get("code_ref") or item["sql"]).strip(),
        inputs=tuple(item["inputs"]),
        outputs=tuple(outputs_of(item)),
        code_sha256=digest.lower() if digest else None,
        column_lineage=tuple(
            ColumnMapping(
                to=mapping["to"].strip(),
                sources=tuple(reference.strip() for reference in mapping["from"]),
                masking=mapping.get("masking", False),
            )
            for mapping in item.get("column_lineage", ())
        ),
    )


def _target(item: Document) -> Target:
    return Target(
        id=item["id"],
        type=item["type"],
        connection_ref=item["connection_ref"],
        object=item["object"].strip(),
        write_mode=item.get("write_mode", "append"),
        primary_key=tuple(column.strip() for column in item.get("primary_key", ())),
        columns=_columns(item),
    )


def _check(item: Document) -> CheckSpec:
    return CheckSpec(
        id=item["id"],
        dataset=item["dataset"],
        sql=_line(item, "sql"),
        severity=item.get("severity", "error"),
    )


def _slo(item: Document | None) -> Slo | None:
    if not item:
        return None
    minutes, rate = item.get("freshness_minutes"), item.get("success_rate")
    return Slo(
        freshness_minutes=None if minutes is None else int(minutes),
        success_rate=None if rate is None else float(rate),
    )


def _spec_source(item: Document | None) -> SpecSource | None:
    if not item:
        return None
    return SpecSource(**{key: _line(item, key) for key in ("repository", "commit", "path", "run_url")})
