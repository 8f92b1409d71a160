"""Which run a report means: by UUID, by text within its job, or by the orchestrator's name of an OpenLineage run."""

import datetime
import itertools
from uuid import UUID, uuid4

import pytest

from catalog.models import CheckResult, Run
from catalog.openlineage.states import RunState, fold
from catalog.services.run_book import apply_runs
from catalog.services.run_reports import RunKey, RunReport
from orgs.tenancy import tenant_scope
from tests.factories import CheckFactory, CheckResultFactory, PipelineFactory, StepFactory

URL = "/api/v1/runs/"
NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


@pytest.fixture
def pipeline(acme):
    return PipelineFactory(organization=acme, name="orders_sync", schedule=None)


def native(run_id, **values):
    return {"pipeline_id": "orders_sync", "run_id": run_id, "status": "running"} | values


def key_of(pipeline, run_id, step=None):
    job = (step.namespace, step.name) if step else (pipeline.namespace, pipeline.name)
    return RunKey(pipeline.id, job, str(run_id), step and step.id)


def event(pipeline, uuid, event_type="START", step=None, **values):
    key = key_of(pipeline, uuid, step)
    return RunReport(key, NOON, fold(RunState(), event_type, NOON), openlineage_id=uuid, **values)


def apply(organization, *reports):
    with tenant_scope(organization):
        return [one.run for one in apply_runs(reports)]


def all_runs(organization):
    with tenant_scope(organization):
        return list(Run.objects.order_by("id"))


def test_a_uuid_is_the_runs_id_in_any_spelling(api, pipeline):
    uuid = uuid4()
    assert api.post(URL, native(str(uuid))).json()["id"] == str(uuid)
    assert api.post(URL, native(str(uuid).upper())).status_code == 200


def test_a_text_means_a_run_within_its_pipeline_and_its_organization(api, acme, globex, globex_api, pipeline):
    PipelineFactory(organization=acme, name="other")
    PipelineFactory(organization=globex, name="orders_sync")
    ids = {
        api.post(URL, native("daily")).json()["id"],
        api.post(URL, native("daily", pipeline_id="other")).json()["id"],
        globex_api.post(URL, native("daily")).json()["id"],
    }
    assert len(ids) == 3
    assert {UUID(id_).version for id_ in ids} == {5}


@pytest.mark.parametrize("values", [{"pipeline_id": "other"}, {"step": "load"}])
def test_a_uuid_of_another_job_is_409_and_leaves_nothing(api, acme, pipeline, values):
    PipelineFactory(organization=acme, name="other")
    uuid = str(uuid4())
    api.post(URL, native(uuid))
    response = api.post(URL, native(uuid, **values))
    assert (response.status_code, response.json()["type"]) == (409, "/problems/run-id-taken")
    assert len(all_runs(acme)) == 1


def test_the_uuid_of_another_organizations_run_is_free(api, globex, globex_api, pipeline):
    PipelineFactory(organization=globex, name="orders_sync")
    uuid = str(uuid4())
    assert [one.post(URL, native(uuid)).status_code for one in (api, globex_api)] == [201, 201]


def test_events_of_two_jobs_with_one_uuid_are_two_runs_with_a_warning(acme, pipeline):
    other, uuid = PipelineFactory(organization=acme, schedule=None), uuid4()
    for _ in range(2):
        apply(acme, event(pipeline, uuid), event(other, uuid))
    runs = all_runs(acme)
    assert {run.pipeline_id for run in runs} == {pipeline.id, other.id}
    assert [run.warnings for run in runs] == [[f"The run id {uuid} is used by two jobs."]] * 2


def test_a_native_run_is_the_openlineage_run_whose_orchestrator_calls_it_so(api, acme, pipeline):
    uuid = uuid4()
    reports = [
        lambda: api.post(URL, native("manual__1")),
        lambda: apply(acme, event(pipeline, uuid, "START", orchestrator_run_id="manual__1")),
        lambda: apply(acme, event(pipeline, uuid, "COMPLETE", orchestrator_run_id="manual__1")),
    ]
    for order in itertools.permutations(reports):
        for report in order:
            report()
        (run,) = all_runs(acme)
        assert (run.run_id, run.openlineage_id, run.status) == ("manual__1", uuid, "success")
        assert api.get(f"{URL}{uuid}").json()["id"] == str(run.id)
        with tenant_scope(acme):
            Run.objects.all().delete()


def test_runs_of_other_pipelines_with_the_same_name_stay_apart(api, acme, pipeline):
    other = PipelineFactory(organization=acme, schedule=None)
    apply(acme, event(other, uuid4(), orchestrator_run_id="manual__1"))
    assert api.post(URL, native("manual__1")).status_code == 201


def test_a_cleared_run_that_runs_again_under_its_old_name_is_another_run(api, acme, pipeline):
    first, second = uuid4(), uuid4()
    apply(acme, event(pipeline, first, "COMPLETE", orchestrator_run_id="manual__1"))
    apply(acme, event(pipeline, second, "START", orchestrator_run_id="manual__1"))
    assert sorted(run.status for run in all_runs(acme)) == ["running", "success"]
    assert len({api.post(URL, native("manual__1")).json()["id"] for _ in range(3)}) == 1
    assert len(all_runs(acme)) == 2


def test_two_runs_that_turn_out_to_be_one_are_joined_with_all_that_hangs_on_them(api, acme, pipeline):
    step, uuid = StepFactory(organization=acme, pipeline=pipeline), uuid4()
    task = event(pipeline, uuid4(), step=step, parent=key_of(pipeline, uuid))
    apply(acme, task)
    api.post(URL, native("manual__1"))
    assert len(all_runs(acme)) == 3
    with tenant_scope(acme):
        parent = Run.objects.get(id=uuid)
    check = CheckFactory(organization=acme, pipeline=pipeline)
    CheckResultFactory(organization=acme, check_rule=check, run=parent)
    apply(acme, event(pipeline, uuid, "COMPLETE", orchestrator_run_id="manual__1"))
    with tenant_scope(acme):
        run, child = Run.objects.get(step=None), Run.objects.get(step=step)
        assert CheckResult.objects.get().run_id == run.id
    assert (run.run_id, run.openlineage_id, run.status) == ("manual__1", uuid, "success")
    assert (child.parent_run_id, child.status, child.cause) == (run.id, "aborted", "parent ended")
