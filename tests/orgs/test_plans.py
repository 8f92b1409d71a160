import pytest

from dataxpipe.problems import PlanLimitReached
from orgs import plans
from orgs.plans import PLANS, Override, limit_of, require_room
from orgs.tenancy import tenant_scope

TABLE = {
    #          price pipelines connections requests events history raw storage features
    "free": (0, 3, 2, 100, 1_000, 30, 7, 1, set()),
    "team": (49, 25, 10, 500, 10_000, 180, 30, 20, {"branding"}),
    "business": (
        199, None, None, 2_000, 60_000, 730, 90, 200, {"branding", "sub_organizations", "dedicated_database"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_plans_are_those_of_the_price_list(name):
    plan = PLANS[name]
    assert (
        plan.price_per_month,
        plan.pipelines,
        plan.connections,
        plan.requests_per_minute,
        plan.events_per_minute,
        plan.run_history_days,
        plan.raw_event_days,
        plan.storage_bytes // 1_000_000_000,
        set(plan.features),
    ) == TABLE[name]


def test_there_are_no_other_plans():
    assert set(PLANS) == set(TABLE)


def test_room_is_what_the_plan_allows(free_org, monkeypatch):
    monkeypatch.setitem(plans._meters, "pipelines", lambda: 2)
    with tenant_scope(free_org):
        require_room("pipelines")
        with pytest.raises(PlanLimitReached) as refusal:
            require_room("pipelines", adding=2)
    assert refusal.value.as_dict() | {"detail": ""} == {
        "type": "/problems/plan-limit-reached",
        "title": "The plan has no room left",
        "status": 403,
        "detail": "",
        "limit": 3,
        "used": 2,
        "plan": "free",
        "upgrade_url": "/o/initech/settings/billing/",
    }


def test_an_override_goes_before_the_plan(free_org, monkeypatch):
    monkeypatch.setitem(plans._meters, "pipelines", lambda: 3)
    free_org.limit_overrides = {"pipelines": Override("pipelines", 4, "agreed").as_json()}
    free_org.save()
    with tenant_scope(free_org):
        assert limit_of(free_org, "pipelines") == 4
        require_room("pipelines")


def test_unlimited_is_never_counted(acme, monkeypatch):
    acme.plan_name = "business"
    acme.save()

    def fail():
        raise AssertionError

    monkeypatch.setitem(plans._meters, "pipelines", fail)
    with tenant_scope(acme):
        require_room("pipelines", adding=10_000)
