import pytest

from orgs.plans import PlanLimitReached, require_room
from orgs.tenancy import tenant_scope
from tests.conftest import browser_of
from tests.factories import MembershipFactory, PipelineFactory, UserFactory


@pytest.mark.parametrize("client", ["alice_client", "vera_client"])
def test_every_member_sees_what_is_in_use_and_what_the_plans_allow(client, request, acme):
    page = request.getfixturevalue(client).get("/o/acme/settings/billing/")
    assert page.context["usage"] == [
        {"label": "Connections", "used": 0, "limit": 10},
        {"label": "Pipelines", "used": 0, "limit": 25},
    ]
    text = page.content.decode()
    assert "Acme is on the Team plan." in text
    assert "without limit" in text


def test_a_refusal_for_want_of_room_leads_here(free_org):
    user = UserFactory()
    MembershipFactory(organization=free_org, user=user, role="viewer")
    PipelineFactory.create_batch(3, organization=free_org)
    with tenant_scope(free_org), pytest.raises(PlanLimitReached) as caught:
        require_room("pipelines")
    assert browser_of(user).get(caught.value.extensions["upgrade_url"]).status_code == 200
