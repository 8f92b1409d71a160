import datetime

from django.utils import timezone

from catalog.services.next_starts import next_starts
from orgs.models import ApiKeyUse
from orgs.tenancy import tenant_scope
from tests.factories import PipelineFactory


def starting_in(organization, hours, **fields):
    at = None if hours is None else timezone.now() + datetime.timedelta(hours=hours)
    return PipelineFactory(organization=organization, next_expected_at=at, **fields)


def late(organization, *pipelines):
    with tenant_scope(organization):
        asked = [(pipeline.namespace, pipeline.name) for pipeline in pipelines]
        return [start.name for start in next_starts(asked, timezone.now() + datetime.timedelta(hours=24))]


def test_pipelines_that_start_only_later_are_named_the_first_one_first(acme):
    soon, later, latest = (starting_in(acme, hours) for hours in (1, 30, 100))
    never = starting_in(acme, None)
    assert late(acme, latest, never, soon, later) == [later.name, latest.name]


def test_only_those_asked_for_and_no_archived_ones(acme, globex):
    asked, other = starting_in(acme, 30), starting_in(acme, 30)
    archived = starting_in(acme, 30, archived_at=timezone.now())
    starting_in(globex, 30, name=asked.name)
    assert late(acme, asked, archived) == [asked.name]
    assert other.name not in late(acme, asked)


def test_whoever_reports_a_run_is_a_caller_of_that_pipeline(api, acme):
    PipelineFactory(organization=acme, name="orders")
    agent = {"User-Agent": "airflow/2.10"}
    api.post("/api/v1/runs/", {"pipeline_id": "orders", "status": "success"}, headers=agent)
    use = ApiKeyUse.objects.get(api_key=api.api_key)
    assert (use.namespace, use.root_name, use.producer) == ("default", "orders", "airflow/2.10")
