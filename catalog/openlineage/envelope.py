"""Reading one OpenLineage event: JSON in, frozen dataclasses out.

Understands RunEvent, JobEvent and DatasetEvent of 2-0-2 and of the 1-0 line. What is not understood is kept
where it stands; only what makes an event useless, no job, no run, no time, refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, get_args

from catalog.openlineage.events import (
    DatasetEvent,
    DatasetRef,
    Event,
    EventType,
    Facets,
    JobEvent,
    JobRef,
    ParentRef,
    RootRef,
    RunEvent,
    RunRef,
)
from catalog.openlineage.facets import (
    AirflowTaskRun,
    DagRun,
    NominalTime,
    is_deleted,
    is_readable,
    read_airflow,
    read_airflow_dag_run,
    read_job_type,
    read_nominal_time,
)
from catalog.openlineage.facets.values import mapping, text
from catalog.openlineage.names import NAME_BYTES, NAME_LENGTH, JobKey, is_storable
from dataxpipe.problems import FieldError, ValidationFailed

MAX_DATASETS = 5_000
MAX_FACET_NAME = 200
RUN_ID_LENGTH = 250  # as long as Airflow's own
TRIGGER_LENGTH = 30
URL_LENGTH = 2_000
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(hours=24)
_T = TypeVar("_T")

EVENT_TYPES: frozenset[str] = frozenset(get_args(EventType))


class EventInvalid(ValidationFailed):
    slug = "event-invalid"
    title = "The OpenLineage event is not valid"
    about = (
        "An event needs `eventTime` with an offset, at most a day ahead, and `run.runId` with `job`, or "
        "`job`, or `dataset`. Names have 1 to 1,000 characters, run ids 250; an event at most 5,000 "
        "datasets. Unknown fields and facets are never a reason; `errors` names each defect."
    )


def no_object() -> EventInvalid:
    detail = "An event is a JSON object."
    return EventInvalid(detail, errors=[FieldError("wrong_type", detail, "")])


def read_event(document: Any, *, now: datetime | None = None) -> Event:
    """The event in a parsed JSON document.

    Raises `EventInvalid` with every defect at once. Known facets that cannot be read are ignored and named in
    `warnings`.
    """
    if not isinstance(document, dict):
        raise no_object()
    reading = _Reading(now or datetime.now(UTC))
    kind = _kind(document)
    if kind == "RunEvent":
        event: Event = _run_event(reading, document)
    elif kind == "JobEvent":
        event = _job_event(reading, document)
    elif kind == "DatasetEvent":
        event = DatasetEvent(
            **reading.envelope(document),
            dataset=reading.dataset(document.get("dataset"), "/dataset"),
            warnings=tuple(reading.warnings),
        )
    else:
        detail = "The event has neither a run, a job nor a dataset."
        raise EventInvalid(detail, errors=[FieldError("required", detail, "")])
    if reading.errors:
        raise EventInvalid(_detail(reading.errors), errors=reading.errors)
    return event


def _kind(document: dict[str, Any]) -> str | None:
    """By the schema the event names, else by its shape."""
    schema_url = document.get("schemaURL")
    named = schema_url.rpartition("/")[2] if isinstance(schema_url, str) and "#" in schema_url else ""
    if named in ("RunEvent", "JobEvent", "DatasetEvent"):
        return named
    shapes = (("run", "RunEvent"), ("dataset", "DatasetEvent"), ("job", "JobEvent"))
    return next((kind for member, kind in shapes if member in document), None)


def _run_event(reading: _Reading, document: dict[str, Any]) -> RunEvent:
    job = reading.job(document.get("job"))
    run = reading.run(document.get("run"))
    inputs, outputs = reading.datasets(document)
    parent, root = _lineage_of_run(reading, run.facets, job.namespace)
    nominal = _nominal_time(reading, run.facets)
    task, dag_run = _airflow(run.facets)
    return RunEvent(
        **reading.envelope(document),
        event_type=reading.event_type(document.get("eventType")),
        run=run,
        job=job,
        inputs=inputs,
        outputs=outputs,
        parent=parent,
        root=root,
        job_type=read_job_type(job.facets.get("jobType")),
        nominal_start_at=nominal.start_at if nominal else None,
        nominal_end_at=nominal.end_at if nominal else None,
        attempt=task.try_number if task else None,
        map_index=task.map_index if task else None,
        dag_run_id=_within(dag_run.run_id, RUN_ID_LENGTH) if dag_run else None,
        trigger=_within(dag_run.run_type, TRIGGER_LENGTH) if dag_run else None,
        external_url=_within(task.log_url, URL_LENGTH) if task else None,
        warnings=tuple(reading.warnings),
    )


def _job_event(reading: _Reading, document: dict[str, Any]) -> JobEvent:
    job = reading.job(document.get("job"))
    inputs, outputs = reading.datasets(document)
    return JobEvent(
        **reading.envelope(document),
        job=job,
        inputs=inputs,
        outputs=outputs,
        job_type=read_job_type(job.facets.get("jobType")),
        warnings=tuple(reading.warnings),
    )


def _nominal_time(reading: _Reading, facets: Facets) -> NominalTime | None:
    facet = facets.get("nominalTime")
    found = read_nominal_time(facet)
    if found is None and facet is not None and not is_deleted(facet):
        reading.warnings.append("The run facet nominalTime was ignored: its start is no time.")
    return found


def _lineage_of_run(reading: _Reading, facets: Facets, namespace: str) -> tuple[ParentRef | None, RootRef | None]:
    facet = facets.get("parent", facets.get("parentRun"))
    if not is_readable("parent", facet) or is_deleted(facet):
        return None, None
    run_id = _within(text(facet["run"].get("runId")), RUN_ID_LENGTH)
    if run_id is None:
        reading.warnings.append("The run facet parent was ignored: it has no usable run.runId.")
        return None, None
    root = mapping(facet.get("root"))
    root_job = _job_key(root.get("job"), None)
    if root and root_job is None:
        reading.warnings.append("The root in the run facet parent was ignored: it names no job.")
    return (
        ParentRef(run_id, _job_key(facet.get("job"), namespace)),
        RootRef(root_job, _within(text(mapping(root.get("run")).get("runId")), RUN_ID_LENGTH)) if root_job else None,
    )


def _job_key(value: Any, namespace: str | None) -> JobKey | None:
    """A job named in a facet; a missing namespace is the event's."""
    job = mapping(value)
    found, name = text(job.get("namespace")) or namespace, text(job.get("name"))
    if not found or not name or not (is_storable(found) and is_storable(name)):
        return None
    return JobKey(found, name)


def _airflow(facets: Facets) -> tuple[AirflowTaskRun | None, DagRun | None]:
    task = read_airflow(facets.get("airflow"))
    dag = read_airflow_dag_run(facets.get("airflowDagRun"))
    return task, dag.dag_run if dag else task.dag_run if task else None


def _within(value: str | None, length: int) -> str | None:
    """Part of an id or URL would mean something else, so one too long is none."""
    return value if value and len(value) <= length else None


def _detail(errors: list[FieldError]) -> str:
    first = f"{errors[0].pointer or 'The event'}: {errors[0].detail}"
    return first if len(errors) == 1 else f"{first} ({len(errors) - 1} more)"


@dataclass(slots=True)
class _Reading:
    """Collects defects while an event is read, so that all of them are told at once."""

    now: datetime
    errors: list[FieldError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def envelope(self, document: dict[str, Any]) -> dict[str, Any]:
        return {
            "event_time": self.event_time(document.get("eventTime")),
            "producer": self.optional_text(document.get("producer"), "/producer"),
            "schema_url": self.optional_text(document.get("schemaURL"), "/schemaURL"),
        }

    def event_time(self, value: Any) -> datetime:
        if not isinstance(value, str):
            return self.refuse("/eventTime", value, "A time is needed, as text in ISO 8601.", EARLIEST)
        try:
            parsed = datetime.fromisoformat(value)
            if parsed.tzinfo is None:
                return self.refuse_value("/eventTime", "The time needs an offset, such as Z.", EARLIEST)
            moment = parsed.astimezone(UTC)
        except (ValueError, OverflowError):
            return self.refuse_value("/eventTime", "This is not a time in ISO 8601.", EARLIEST)
        if not EARLIEST <= moment <= self.now + CLOCK_SKEW:
            detail = "The time lies before 1970 or more than 24 hours ahead; is a clock wrong?"
            return self.refuse_value("/eventTime", detail, EARLIEST)
        return moment

    def event_type(self, value: Any) -> EventType:
        """An event without a type tells facts and no transition."""
        if value is None:
            return "OTHER"
        if isinstance(value, str) and (found := value.upper()) in EVENT_TYPES:
            return found  # type: ignore[return-value]  # one of EVENT_TYPES, which are EventType's words
        detail = "The type is one of START, RUNNING, COMPLETE, ABORT, FAIL, OTHER."
        return self.refuse_value("/eventType", detail, "OTHER")

    def run(self, value: Any) -> RunRef:
        run = self.members(value, "/run", "run")
        return RunRef(self.name(run, "runId", "/run", RUN_ID_LENGTH), self.facets(run, "facets", "/run"))

    def job(self, value: Any) -> JobRef:
        job = self.members(value, "/job", "job")
        return JobRef(
            self.name(job, "namespace", "/job"),
            self.name(job, "name", "/job"),
            self.facets(job, "facets", "/job"),
        )

    def datasets(self, document: dict[str, Any]) -> tuple[tuple[DatasetRef, ...], tuple[DatasetRef, ...]]:
        inputs, outputs = (self.entries(document.get(side), f"/{side}") for side in ("inputs", "outputs"))
        if len(inputs) + len(outputs) > MAX_DATASETS:
            detail = f"An event may name {MAX_DATASETS:,} datasets; this one names more."
            self.errors.append(FieldError("too_many", detail, "/inputs" if inputs else "/outputs"))
            return (), ()
        return (
            tuple(self.dataset(entry, f"/inputs/{index}") for index, entry in enumerate(inputs)),
            tuple(self.dataset(entry, f"/outputs/{index}") for index, entry in enumerate(outputs)),
        )

    def dataset(self, value: Any, pointer: str) -> DatasetRef:
        dataset = self.members(value, pointer, "dataset")
        return DatasetRef(
            self.name(dataset, "namespace", pointer),
            self.name(dataset, "name", pointer),
            self.facets(dataset, "facets", pointer),
            self.facets(dataset, "inputFacets", pointer),
            self.facets(dataset, "outputFacets", pointer),
        )

    def name(self, parent: dict[str, Any] | None, member: str, pointer: str, longest: int = NAME_LENGTH) -> str:
        if parent is None:  # already refused as a whole
            return ""
        value, place = parent.get(member), f"{pointer}/{member}"
        if not isinstance(value, str):
            return self.refuse(place, value, f"{member} is needed, as text.", "")
        if not value.strip() or "\x00" in value:
            return self.refuse_value(place, f"{member} is empty or holds a NUL.", "")
        if not is_storable(value, longest):
            detail = f"{member} has {len(value):,} characters; {longest:,} are allowed, and {NAME_BYTES:,} bytes."
            self.errors.append(FieldError("too_long", detail, place))
        return value

    def facets(self, parent: dict[str, Any] | None, member: str, pointer: str) -> Facets:
        value = (parent or {}).get(member)
        if value is None:
            return {}
        place = f"{pointer}/{member}"
        if not isinstance(value, dict):
            return self.refuse(place, value, f"{member} is an object of facets by name.", {})
        ignored = [name for name, facet in value.items() if not self.is_kept(name, facet, place)]
        return {name: facet for name, facet in value.items() if name not in ignored} if ignored else value

    def is_kept(self, name: str, facet: Any, place: str) -> bool:
        if facet is None:
            return False
        if is_deleted(facet) or (len(name) <= MAX_FACET_NAME and is_readable(name, facet)):
            return True
        self.warnings.append(f"The facet {place}/{name[:MAX_FACET_NAME]} was ignored: it cannot be read.")
        return False

    def members(self, value: Any, pointer: str, noun: str) -> dict[str, Any] | None:
        if isinstance(value, dict):
            return value
        return self.refuse(pointer, value, f"A {noun} is needed, as an object.", None)

    def entries(self, value: Any, pointer: str) -> list[Any]:
        if isinstance(value, list):
            return value
        return [] if value is None else self.refuse(pointer, value, "Datasets stand in a list.", [])

    def optional_text(self, value: Any, pointer: str) -> str:
        if value is None or isinstance(value, str):
            return value or ""
        return self.refuse(pointer, value, "This is text.", "")

    def refuse(self, pointer: str, value: Any, detail: str, stand_in: _T) -> _T:
        """Notes a value that is absent or of the wrong type; the stand-in lets the reading go on."""
        code = "required" if value is None else "wrong_type"
        self.errors.append(FieldError(code, detail, pointer))
        return stand_in

    def refuse_value(self, pointer: str, detail: str, stand_in: _T) -> _T:
        self.errors.append(FieldError("invalid", detail, pointer))
        return stand_in
