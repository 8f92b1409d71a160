"""Reading specs against what the catalog holds, and deciding what registering each of them would do.

Nothing here writes: registering, `?dry_run=true` and `POST /plan` share these steps.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from django.db import connection as database

from catalog.models import Pipeline, PipelineJob, PipelineVersion, identity_of
from catalog.openlineage.names import NAME_BYTES, NAME_LENGTH, is_storable
from catalog.spec.datasets import ConnectionInfo, dataset_name
from catalog.spec.diff import diff_specs
from catalog.spec.digest import content_digest
from catalog.spec.model import Source, Spec, Target
from catalog.spec.parse import MAX_ERRORS, SpecInvalid, collect_errors
from catalog.spec.validate import connection_refs
from dataxpipe.problems import Conflict, FieldError
from orgs.tenancy import current_organization


class RegistrationConflict(Conflict):
    slug = "registration-conflict"
    title = "The spec conflicts with what is registered"
    about = (
        "Nothing was registered. A version never changes once it is registered (`diff` says what differs), a "
        "pipeline keeps its environment unless `?change_environment=true`, an OpenLineage job belongs to one "
        "pipeline, and `?if_current=` names the version that must be current. `errors` says which of these."
    )


# An OpenLineage (namespace, name), normalized.
DatasetKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A valid spec: where it stood in what was sent, its content's digest, the datasets its ids mean."""

    pointer: str
    spec: Spec
    digest: bytes
    datasets: Mapping[str, DatasetKey]

    @property
    def identity(self) -> bytes:
        return identity_of(self.spec.namespace, self.spec.name)


@dataclass(slots=True)
class Reading:
    """A document as sent: the valid spec it holds, or everything that is wrong with it."""

    pointer: str
    candidate: Candidate | None
    errors: list[FieldError] = field(default_factory=list)


class Outcome(enum.Enum):
    """What registering a spec does to its pipeline."""

    CREATE = "create"
    UPDATE = "update"
    ROLL_BACK = "roll_back"
    UNCHANGED = "unchanged"


@dataclass(slots=True)
class Decision:
    """`pipeline` is unsaved when it is new, `version` when it was not registered before.

    `errors` say what the spec conflicts with, `diff` how it differs from the version whose name it takes.
    """

    candidate: Candidate
    outcome: Outcome
    pipeline: Pipeline
    version: PipelineVersion
    previous: PipelineVersion | None = None
    errors: list[FieldError] = field(default_factory=list)
    diff: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_new_version(self) -> bool:
        return self.outcome in (Outcome.CREATE, Outcome.UPDATE)

    @property
    def is_returning(self) -> bool:
        """An archived pipeline comes back when it is registered again."""
        return self.pipeline.archived_at is not None

    @property
    def needs_room(self) -> bool:
        return self.outcome is Outcome.CREATE or self.is_returning

    @property
    def changes_something(self) -> bool:
        return self.outcome is not Outcome.UNCHANGED or self.is_returning


def read_specs(
    documents: Sequence[Any],
    *,
    namespace: str | None = None,
    pointers: Sequence[str],
    lock: bool = False,
) -> list[Reading]:
    """What each document says. `lock` keeps the connections they name from being deleted or changed meanwhile."""
    connections = load_connections({ref for document in documents for ref in connection_refs(document)}, lock=lock)
    readings = [
        _read(document, pointer, namespace, connections) for document, pointer in zip(documents, pointers, strict=True)
    ]
    _refuse_repetitions(readings)
    return readings


def require_valid(readings: Sequence[Reading]) -> list[Candidate]:
    """All of them, or `SpecInvalid` with every error."""
    errors = [error for reading in readings for error in reading.errors]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise SpecInvalid(f"{errors[0].detail}{more}", errors=errors[:MAX_ERRORS])
    return [reading.candidate for reading in readings if reading.candidate is not None]


def _read(document: Any, pointer: str, namespace: str | None, connections: Mapping[str, ConnectionInfo]) -> Reading:
    spec, errors = collect_errors(document, connections, namespace=namespace)
    datasets: dict[str, DatasetKey] = {}
    if spec is not None:
        datasets, errors = name_datasets(spec, connections)
    if spec is None or errors:
        return Reading(pointer, None, [_prefixed(error, pointer) for error in errors])
    return Reading(pointer, Candidate(pointer, spec, content_digest(spec), datasets))


def _refuse_repetitions(readings: Iterable[Reading]) -> None:
    """A batch names every pipeline once."""
    seen: set[bytes] = set()
    for reading in readings:
        if reading.candidate is None:
            continue
        if reading.candidate.identity in seen:
            detail = f"{reading.candidate.spec.name} stands in this batch twice. Send one of them."
            reading.errors.append(FieldError("duplicate", detail, pointer=f"{reading.pointer}/pipeline/name"))
            reading.candidate = None
        else:
            seen.add(reading.candidate.identity)


def load_connections(slugs: Iterable[str], *, lock: bool = False) -> dict[str, ConnectionInfo]:
    """Those that exist, by id. KEY SHARE is what a foreign key would take: it waits for a deletion, and it for us."""
    wanted = sorted(slug for slug in slugs if len(slug) <= 100)
    if not wanted:
        return {}
    sql = (
        "SELECT slug, type, config::text, namespaces FROM catalog_connection"
        " WHERE organization_id = %s AND slug = ANY(%s) ORDER BY slug"
    )
    with database.cursor() as cursor:
        cursor.execute(f"{sql} FOR KEY SHARE" if lock else sql, [current_organization().pk, wanted])
        rows = cursor.fetchall()
    return {row[0]: ConnectionInfo(row[0], row[1], json.loads(row[2]), tuple(row[3])) for row in rows}


def name_datasets(
    spec: Spec, connections: Mapping[str, ConnectionInfo]
) -> tuple[dict[str, DatasetKey], list[FieldError]]:
    """What each source and target is called in OpenLineage, spelled as events are, so that both meet."""
    found: dict[str, DatasetKey] = {}
    errors = []
    sections: dict[str, Sequence[Source | Target]] = {"sources": spec.sources, "targets": spec.targets}
    for section, items in sections.items():
        for index, item in enumerate(items):
            name = dataset_name(connections[item.connection_ref], item.object)
            if not (is_storable(name.namespace) and is_storable(name.name)):
                detail = (
                    f"The full name of the dataset is longer than {NAME_LENGTH:,} characters or {NAME_BYTES:,} bytes."
                )
                errors.append(FieldError("too_long", detail, pointer=f"/{section}/{index}/object"))
            found[item.id] = (name.namespace, name.name)
    return found, errors


def find_pipelines(candidates: Iterable[Candidate], *, lock: bool = False) -> dict[bytes, Pipeline]:
    """The registered or observed pipelines of these identities, their current versions loaded."""
    identities = sorted({candidate.identity for candidate in candidates})
    found = Pipeline.objects.existing().filter(identity__in=identities)
    if not lock:
        return {bytes(pipeline.identity): pipeline for pipeline in found.select_related("current_version")}
    # In one order, so that two batches never wait for each other in a circle. The versions are read afterwards:
    # a join would still show the version from before the wait.
    locked = list(found.order_by("identity").select_for_update(no_key=True))
    current = PipelineVersion.objects.in_bulk([p.current_version_id for p in locked if p.current_version_id])
    for pipeline in locked:
        pipeline.current_version = current.get(pipeline.current_version_id)
    return {bytes(pipeline.identity): pipeline for pipeline in locked}


def decide(
    candidates: Sequence[Candidate],
    pipelines: Mapping[bytes, Pipeline],
    *,
    if_current: str | None = None,
    change_environment: bool = False,
) -> list[Decision]:
    """What registering would do, with what stands against it."""
    changed = [
        pipelines[candidate.identity]
        for candidate in candidates
        if candidate.identity in pipelines and not is_current(candidate, pipelines[candidate.identity])
    ]
    versions = _Versions(changed)
    claimed = _claimed_jobs(candidates, pipelines)
    decisions = []
    for candidate in candidates:
        pipeline = pipelines.get(candidate.identity)
        decision = _decision(candidate, pipeline, versions)
        decision.errors += _guard(candidate, pipeline, if_current=if_current, change_environment=change_environment)
        decision.errors += claimed.get(candidate.identity, [])
        decisions.append(decision)
    return decisions


def require_agreement(decisions: Sequence[Decision]) -> None:
    """Raises `RegistrationConflict` with every conflict and the first diff."""
    errors = [error for decision in decisions for error in decision.errors]
    if errors:
        conflict = RegistrationConflict(errors[0].detail, errors=errors[:MAX_ERRORS])
        if diff := next((decision.diff for decision in decisions if decision.diff), None):
            conflict.extensions["diff"] = diff
        raise conflict


def is_current(candidate: Candidate, pipeline: Pipeline) -> bool:
    """Whether the pipeline's current version says exactly this, under the same version if the spec has one."""
    current = pipeline.current_version
    if current is None or bytes(current.digest) != candidate.digest:
        return False
    return candidate.spec.version in (None, current.version)


def stored_document(spec: Spec) -> dict[str, Any]:
    """The document of a version: without where it came from, which is kept beside it."""
    return replace(spec, source=None).as_document()


class _Versions:
    """The registered versions of some pipelines, without their specs."""

    def __init__(self, pipelines: Sequence[Pipeline]) -> None:
        self.by_pipeline: dict[Any, dict[str, PipelineVersion]] = {pipeline.pk: {} for pipeline in pipelines}
        if pipelines:
            rows = PipelineVersion.objects.filter(pipeline__in=[p.pk for p in pipelines]).defer("spec", "source")
            for row in rows:
                self.by_pipeline[row.pipeline_id][row.version] = row

    def named(self, pipeline: Pipeline, version: str) -> PipelineVersion | None:
        return self.by_pipeline[pipeline.pk].get(version)

    def next_number(self, pipeline: Pipeline) -> int:
        return max((row.number for row in self.by_pipeline[pipeline.pk].values()), default=0) + 1

    def free_name(self, pipeline: Pipeline, number: int) -> str:
        """The server's own numbering, past whatever a spec has already called itself."""
        taken = self.by_pipeline[pipeline.pk]
        return next(str(n) for n in count(number) if str(n) not in taken)


def _decision(candidate: Candidate, pipeline: Pipeline | None, versions: _Versions) -> Decision:
    spec = candidate.spec
    if pipeline is None:
        new = Pipeline(namespace=spec.namespace, name=spec.name)
        return Decision(candidate, Outcome.CREATE, new, _new_version(candidate, new, spec.version or "1", 1))
    previous = pipeline.current_version
    if previous is not None and is_current(candidate, pipeline):
        return Decision(candidate, Outcome.UNCHANGED, pipeline, previous, previous)
    same_name = versions.named(pipeline, spec.version) if spec.version else None
    if same_name is not None and bytes(same_name.digest) == candidate.digest:
        return Decision(candidate, Outcome.ROLL_BACK, pipeline, same_name, previous)
    number = versions.next_number(pipeline)
    name = spec.version or versions.free_name(pipeline, number)
    decision = Decision(candidate, Outcome.UPDATE, pipeline, _new_version(candidate, pipeline, name, number), previous)
    if same_name is not None:
        decision.errors.append(_version_taken(candidate))
        decision.diff = [change.as_dict() for change in diff_specs(same_name.spec, stored_document(candidate.spec))]
    return decision


def _new_version(candidate: Candidate, pipeline: Pipeline, name: str, number: int) -> PipelineVersion:
    source = candidate.spec.source
    return PipelineVersion(
        pipeline=pipeline,
        version=name,
        number=number,
        digest=candidate.digest,
        spec=stored_document(candidate.spec),
        source=source.as_document() if source else {},
    )


def _guard(
    candidate: Candidate, pipeline: Pipeline | None, *, if_current: str | None, change_environment: bool
) -> Iterable[FieldError]:
    """Nothing to guard where the spec is current already: that is a repetition, not a late job."""
    if pipeline is not None and is_current(candidate, pipeline):
        return
    current = pipeline.current_version.version if pipeline and pipeline.current_version else ""
    if if_current is not None and if_current != current:
        detail = f"The current version is {current or 'none yet'}, not {if_current or 'none'}. A newer job was faster."
        yield FieldError("not_current", detail, parameter="if_current")
    environment = pipeline.environment if pipeline else ""
    if environment and environment != candidate.spec.environment and not change_environment:
        detail = (
            f"{candidate.spec.name} runs in {environment}, the spec says {candidate.spec.environment}. Register "
            "with ?change_environment=true to move it, or in a namespace of its own to have both."
        )
        yield FieldError("environment_changed", detail, pointer=f"{candidate.pointer}/pipeline/environment")


def _version_taken(candidate: Candidate) -> FieldError:
    detail = (
        f"Version {candidate.spec.version} of {candidate.spec.name} is registered with other content. "
        "Versions never change: give this one a new version."
    )
    return FieldError("version_differs", detail, pointer=f"{candidate.pointer}/version")


def _claimed_jobs(
    candidates: Sequence[Candidate], pipelines: Mapping[bytes, Pipeline]
) -> dict[bytes, list[FieldError]]:
    """By pipeline: OpenLineage jobs that another pipeline, or another spec beside this one, has already."""
    owners: dict[bytes, tuple[bytes, str]] = {}
    jobs = {identity_of(job.namespace, job.job) for candidate in candidates for job in candidate.spec.openlineage}
    sent = {pipeline.pk for pipeline in pipelines.values()}
    if jobs:
        claims = PipelineJob.objects.filter(identity__in=sorted(jobs)).exclude(pipeline__in=sent)
        for claim in claims.select_related("pipeline"):
            owners[bytes(claim.identity)] = bytes(claim.pipeline.identity), claim.pipeline.name
    errors: dict[bytes, list[FieldError]] = {}
    for candidate in candidates:
        mine = candidate.identity, candidate.spec.name
        for index, job in enumerate(candidate.spec.openlineage):
            owner = owners.setdefault(identity_of(job.namespace, job.job), mine)
            if owner != mine:
                detail = (
                    f"Events of {job.namespace}/{job.job} are runs of {owner[1]} already. "
                    "Take it out of one of the two."
                )
                pointer = f"{candidate.pointer}/openlineage/{index}"
                errors.setdefault(candidate.identity, []).append(FieldError("job_claimed", detail, pointer=pointer))
    return errors


def _prefixed(error: FieldError, pointer: str) -> FieldError:
    if error.parameter is not None:
        return error
    return replace(error, pointer=f"{pointer}{error.pointer or ''}")
