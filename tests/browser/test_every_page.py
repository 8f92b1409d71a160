"""Every page, light and dark, wide and narrow: nothing serious for axe, nothing sideways, nothing refused."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from catalog.models import Dataset, Pipeline
from dataxpipe.problems import Forbidden
from orgs.actors import Actor
from orgs.models import AuditEvent, FormerMembership
from orgs.services.refusals import count_refusal, flush_refusals
from orgs.tenancy import tenant_scope
from tests.factories import UserFactory
from tests.factories.rows import DiscoveredPipelineFactory

SERIOUS = {"serious", "critical"}
# axe would fetch every style sheet again, to no end where all of them are ours.
OPTIONS = {"resultTypes": ["violations"], "preload": False}


@pytest.fixture
def addresses(shop):
    with tenant_scope(shop):
        pipeline = Pipeline.objects.get(name="orders_sync")
        dataset = Dataset.objects.get(name="acme-analytics.analytics.orders_clean")
        DiscoveredPipelineFactory(organization=shop)
        event = AuditEvent.objects.order_by("-id").first()
        empty = Pipeline.objects.get(name="seller_scorecard")
    former = UserFactory(email="former@example.com")
    FormerMembership.objects.create(organization=shop, user=former)
    refused = Actor.system("somebody")
    count_refusal(organization_id=shop.pk, actor=refused, problem=Forbidden, path="/api/v1/members/")
    flush_refusals()
    one, root = f"pipelines/{pipeline.pk}/", "/o/acme/"
    places = [
        "", "pipelines/", "pipelines/?tag=pii&environment=production", "pipelines/?q=nothing", one, f"{one}runs/",
        f"{one}checks/", f"{one}versions/", f"{one}versions/2/diff/3/", f"{one}spec/", f"{one}settings/",
        f"pipelines/{empty.pk}/", "runs/", f"runs/{pipeline.last_run_id}/", "datasets/", f"datasets/{dataset.pk}/",
        f"lineage/?pipeline={pipeline.pk}", f"lineage/?dataset={dataset.pk}&view=table", "lineage/?start=zzz",
        "checks/", "connections/", "search/?q=orders", "pipelines/discovered/", "settings/usage/",
        "settings/api-keys/?new=1", "settings/publishers/", "settings/publishers/?new=1",
        "settings/", "settings/members/?invite=1", "settings/access/", "settings/audit/?verify=1",
        f"settings/audit/{event.pk}", "settings/audit/refusals", f"settings/audit/erase/{former.pk}",
    ]  # fmt: skip
    return [root + place for place in places]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(addresses, alice, watched, scheme, width):
    page = watched.page(user=alice, width=width, color_scheme=scheme)
    found = []
    for address in addresses:
        assert page.goto(address).status == 200
        with watched.muted():
            violations = Axe().run(page, options=OPTIONS).response["violations"]
        for violation in violations:
            if violation["impact"] in SERIOUS:
                nodes = [node["html"][:160] for node in violation["nodes"][:3]]
                found.append(f"{address}: {violation['id']} {nodes}")
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if overflow > 0:
            found.append(f"{address}: scrolls sideways by {overflow}")
    assert not found, "\n".join(found)
