"""What an event says of its run and of quality, in the words of runs and check results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

from catalog.models import Check
from catalog.openlineage.attribution import KnownRun
from catalog.openlineage.events import DatasetRef, RunEvent
from catalog.openlineage.facets import (
    AssertionResult,
    read_data_quality_assertions,
    read_error_message,
    read_input_statistics,
    read_output_statistics,
    read_tests,
)
from catalog.openlineage.states import RunState, fold
from catalog.services.checks import ResultReport
from catalog.services.lineage_events.run_facts import as_facts
from catalog.services.run_reports import RunKey, RunReport

ERROR_LENGTH = 20_000
ASSERTION_LENGTH = 500
VALUE_LENGTH = 200
MESSAGE_LENGTH = 10_000
INT32_MAX, INT64_MAX = 2**31 - 1, 2**63 - 1


def report_run(event: RunEvent, known: KnownRun, uuid: UUID, key: RunKey, parent: RunKey | None) -> RunReport:
    error = read_error_message(event.run.facets.get("errorMessage"))
    return RunReport(
        key,
        at=event.event_time,
        state=fold(RunState(), event.event_type, event.event_time),
        parent=parent,
        attempt=min(event.attempt or 1, INT32_MAX),
        map_index=event.map_index if (event.map_index or 0) <= INT32_MAX else None,
        openlineage_id=uuid,
        openlineage=as_facts(known),
        # a task knows the run id of its DAG, which is not its own
        orchestrator_run_id=(event.dag_run_id or "") if key.step_id is None else "",
        trigger=event.trigger or "",
        nominal_start_at=event.nominal_start_at,
        nominal_end_at=event.nominal_end_at,
        rows_read=_rows(event.inputs, is_input=True),
        rows_written=_rows(event.outputs, is_input=False),
        error=error.message[:ERROR_LENGTH] if error else "",
        external_url=event.external_url or "",
        warnings=event.warnings,
    )


def tells_results(event: RunEvent) -> bool:
    if "test" in event.run.facets:
        return True
    return any(
        "dataQualityAssertions" in facets
        for ref in (*event.inputs, *event.outputs)
        for facets in (ref.input_facets, ref.output_facets, ref.facets)
    )


def results_of(event: RunEvent, run: RunKey, datasets: Mapping[tuple[str, str], UUID]) -> Iterator[ResultReport]:
    """Of assertions about the run's inputs and outputs, and of tests that name no dataset."""
    for ref in (*event.inputs, *event.outputs):
        for facets in (ref.input_facets, ref.output_facets, ref.facets):
            found = read_data_quality_assertions(facets.get("dataQualityAssertions"))
            yield from _results(event, run, found or (), datasets[ref.namespace, ref.name])
    yield from _results(event, run, read_tests(event.run.facets.get("test")) or (), None)


def _results(
    event: RunEvent, run: RunKey, found: Iterable[AssertionResult], dataset_id: UUID | None
) -> Iterator[ResultReport]:
    for one in found:
        name = one.name if one.assertion in one.name else f"{one.assertion}: {one.name}"
        yield ResultReport(
            pipeline_id=run.pipeline_id,
            check_id=name[:ASSERTION_LENGTH],
            status=one.status,
            executed_at=event.event_time,
            run=run,
            dataset_id=dataset_id,
            severity=one.severity,
            scope=str(dataset_id or ""),
            column=(one.column or "")[:ASSERTION_LENGTH],
            origin=Check.Origin.OPENLINEAGE,
            value=(one.actual or "")[:VALUE_LENGTH],
            threshold=(one.expected or "")[:VALUE_LENGTH],
            message=(one.message or "")[:MESSAGE_LENGTH],
        )


def _rows(refs: Iterable[DatasetRef], *, is_input: bool) -> int | None:
    """All that the run read, or wrote, as far as it counts."""
    read = read_input_statistics if is_input else read_output_statistics
    name = "inputStatistics" if is_input else "outputStatistics"
    counted = [
        found.row_count
        for ref in refs
        if (facets := ref.input_facets if is_input else ref.output_facets)
        and (found := read(facets.get(name)))
        and found.row_count is not None
    ]
    return min(sum(counted), INT64_MAX) if counted else None
