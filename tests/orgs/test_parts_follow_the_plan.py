"""Sub-organizations that have their parent's plan move with it."""

import pytest
from django.core.management import call_command

from orgs.actors import Actor
from orgs.models import AuditEvent, Organization
from orgs.services.organizations import change_plan
from orgs.tenancy import tenant_scope
from tests.factories import OrganizationFactory

OPERATOR = Actor.system("operator")
pytestmark = pytest.mark.django_db(transaction=True)


def move(parent, plan_name):
    change_plan(organization=parent, plan_name=plan_name, actor=OPERATOR)
    call_command("procrastinate", "worker", "--one-shot")


def plans_of(parent):
    return dict(Organization.objects.filter(parent=parent).values_list("slug", "plan_name"))


@pytest.fixture
def parent():
    parent = OrganizationFactory(slug="parent", plan_name="business")
    for slug, plan_name in (("follows", "business"), ("agreed-otherwise", "team")):
        OrganizationFactory(slug=slug, plan_name=plan_name, parent=parent)
    return parent


def test_parts_with_the_parents_plan_follow_it_down_and_up(parent):
    move(parent, "free")
    assert plans_of(parent) == {"follows": "free", "agreed-otherwise": "team"}
    with tenant_scope(Organization.objects.get(slug="follows")):
        event = AuditEvent.objects.get(action="organization.plan_changed")
    assert event.after == {"plan": "free", "reason": "parent moved to it"}
    move(parent, "business")
    assert plans_of(parent) == {"follows": "business", "agreed-otherwise": "team"}


def test_other_organizations_do_not(parent):
    other = OrganizationFactory(slug="other", plan_name="business")
    move(parent, "free")
    other.refresh_from_db()
    assert other.plan_name == "business"
