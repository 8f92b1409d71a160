"""The outcome of runs is the same in whatever order, and in whatever batches, reports and check results arrive."""

import datetime
import uuid

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.models import Check, Dataset, Pipeline, Run
from catalog.openlineage.states import RunState, fold
from catalog.services.checks import ResultReport, record_results
from catalog.services.run_book import apply_runs
from catalog.services.run_reports import RunKey, RunReport
from orgs.tenancy import tenant_scope
from tests.factories import DatasetFactory, LineageLinkFactory, PipelineFactory, StepFactory

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
RUN, TASK = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
OUTCOME = (
    "run_id", "openlineage_id", "attempt", "status", "reported_status", "reported_at", "cause", "started_at",
    "finished_at", "duration_seconds", "has_failed_check", "parent_ended_at", "error", "rows_written",
)  # fmt: skip

minutes = st.integers(0, 4).map(lambda minute: NOON + datetime.timedelta(minutes=minute))
said = st.one_of(
    st.tuples(
        st.just("event"),
        st.sampled_from([RUN, TASK]),
        st.sampled_from(["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER"]),
        minutes,
        st.integers(1, 2),
        st.sampled_from([None, 5]),
    ),
    st.tuples(st.just("native"), st.sampled_from(["success", "failed", "running", "skipped"]), minutes),
    st.tuples(
        st.just("result"),
        st.sampled_from(["one", "two"]),
        st.sampled_from(["pass", "fail", "error", "skipped"]),
        minutes,
        st.sampled_from([RUN, TASK, "manual__1", None]),
    ),
)


# Without this event nobody could say that the UUID and the text are names of one run.
KNOWN = ("event", RUN, "OTHER", NOON, 1, None)


class World:
    def __init__(self, organization):
        self.organization = organization
        self.pipeline = PipelineFactory(organization=organization, schedule=None)
        self.step = StepFactory(organization=organization, pipeline=self.pipeline)
        self.dataset = DatasetFactory(organization=organization)
        self.reader = PipelineFactory(organization=organization, schedule=None)
        LineageLinkFactory(organization=organization, pipeline=self.reader, dataset=self.dataset)

    def key(self, run_id):
        if run_id == TASK:
            return RunKey(self.pipeline.id, ("airflow", "task"), TASK, self.step.id)
        return RunKey(self.pipeline.id, ("airflow", "dag"), run_id)

    def tell(self, one):
        kind, *rest = one
        if kind == "event":
            run_id, event_type, at, attempt, rows = rest
            apply_runs(
                [
                    RunReport(
                        self.key(run_id),
                        at,
                        fold(RunState(), event_type, at),
                        parent=self.key(RUN) if run_id == TASK else None,
                        attempt=attempt if run_id == TASK else 1,
                        openlineage_id=uuid.UUID(run_id),
                        orchestrator_run_id="manual__1" if run_id == RUN else "",
                        rows_written=rows,
                        error=f"broken at {at:%M}" if event_type == "FAIL" else "",
                    )
                ]
            )
        elif kind == "native":
            status, at = rest
            state = RunState(status, None, at) if status == "running" else RunState(status, at)
            apply_runs([RunReport(self.key("manual__1"), at, state)])
        else:
            name, status, at, run_id = rest
            run = self.key(run_id) if run_id else None
            record_results([ResultReport(self.pipeline.id, name, status, at, run=run, dataset_id=self.dataset.id)])

    def outcome(self):
        checks = Check.objects.order_by("check_id").values_list("check_id", "last_status", "last_executed_at")
        return {
            "runs": list(Run.objects.order_by("step_id", "run_id").values(*OUTCOME)),
            "checks": list(checks),
            "failing": [check.failing_since is not None for check in Check.objects.order_by("check_id")],
            "dataset": Dataset.objects.get().failing_check_count,
            "health": list(Pipeline.objects.order_by("id").values_list("health", "last_run_status", "is_at_risk")),
        }

    def after(self, story):
        """What the story comes to; it is undone before it is answered."""
        with tenant_scope(self.organization), transaction.atomic():
            for one in story:
                self.tell(one)
            outcome = self.outcome()
            transaction.set_rollback(True)
        return outcome


@pytest.fixture
def world(acme):
    return World(acme)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_order_of_arrival_does_not_matter(world, data):
    story = [KNOWN, *data.draw(st.lists(said, min_size=2, max_size=7))]
    expected = world.after(story)
    shuffled = data.draw(st.permutations(story))
    assert world.after(shuffled) == expected


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_telling_it_twice_changes_nothing(world, data):
    story = [KNOWN, *data.draw(st.lists(said, min_size=1, max_size=6))]
    assert world.after([*story, *story]) == world.after(story)
