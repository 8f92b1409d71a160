import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from catalog.demo.seeding import seed_pipelines
from catalog.demo.specs import earlier_spec_of, spec_of
from catalog.demo.stories import ACME, ARCHIVED, GLOBEX
from catalog.demo.usage import seed_usage
from catalog.models import Check, LineageLink, Pipeline, PipelineVersion, Run
from catalog.spec.parse import parse_spec
from orgs.models import Organization, UsageCount, UsageLevel
from orgs.tenancy import tenant_scope

ORDERS = [story for story in ACME if story.name in {"orders_sync", "revenue_daily", "fx_rates", "seller_scorecard"}]


@pytest.mark.parametrize("story", [*ACME, *ARCHIVED, *GLOBEX], ids=lambda story: story.name)
def test_every_story_is_a_valid_spec_in_all_its_versions(story):
    assert parse_spec(spec_of(story)).name == story.name
    assert parse_spec(earlier_spec_of(story, 1)).version != parse_spec(earlier_spec_of(story, 2)).version


def test_the_stories_become_pipelines_with_a_past(acme):
    with tenant_scope(acme):
        seed_pipelines(ORDERS, most_runs=20)
        health = dict(Pipeline.objects.with_health().values_list("name", "current_health"))
        assert health == {
            "orders_sync": "failing",
            "revenue_daily": "at_risk",
            "fx_rates": "healthy",
            "seller_scorecard": "never_run",
        }
        assert Run.objects.of_pipelines().filter(cause="check").count() == 2
        assert Run.objects.exclude(step=None).exists()
        assert Check.objects.get(failing_since__isnull=False, severity="error").check_id == "order_id_not_null"
        assert LineageLink.objects.valid().filter(pipeline__name="revenue_daily").count() == 3
        assert PipelineVersion.objects.filter(pipeline__name="orders_sync").count() == 3


def test_seeding_again_changes_nothing(acme):
    with tenant_scope(acme):
        seed_pipelines(ORDERS[:1], most_runs=3)
        before = Run.objects.count()
        seed_pipelines(ORDERS[:1], most_runs=3)
        assert Run.objects.count() == before


def test_demo_data_is_refused_outside_of_development(db, settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="--force"):
        call_command("seed_demo")
    assert not Organization.objects.exists()


def test_the_demo_has_used_something(acme):
    with tenant_scope(acme):
        seed_pipelines(ORDERS, most_runs=20)
        seed_usage()
        runs = Run.objects.of_pipelines().count()
    counts = UsageCount.objects.filter(organization=acme)
    assert {count.period for count in counts} == {"hour", "day"}
    assert sum(count.runs_recorded for count in counts) == runs
    assert UsageLevel.objects.filter(organization=acme).latest("day").pipelines == len(ORDERS)
    before = counts.count()
    with tenant_scope(acme):
        seed_usage()
    assert counts.count() == before
