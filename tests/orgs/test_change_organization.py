import datetime

import pytest
from django.utils import timezone

from dataxpipe.problems import Conflict, ValidationFailed
from orgs.actors import Actor
from orgs.models import AuditEvent, Organization, OrganizationSlug
from orgs.services.organizations import (
    PlanLacksFeature,
    SlugTaken,
    change_plan,
    create_organization,
    organization_once_called,
    rename_slug,
    suggest_slugs,
    update_organization,
)
from orgs.tenancy import tenant_scope

OPERATOR = Actor.system("operator")


@pytest.fixture
def acme_2(db):
    return create_organization(name="Acme", slug="acme", actor=OPERATOR, plan_name="team")


def renamed(organization, slug):
    with tenant_scope(organization):
        return rename_slug(organization=organization, slug=slug, actor=OPERATOR)


def remembered(organization):
    with tenant_scope(organization):
        return list(AuditEvent.objects.order_by("-id").values_list("action", "before", "after")[:1])


def test_a_renamed_slug_leads_to_the_organization_for_90_days(acme_2):
    renamed(acme_2, "acme-data")
    assert organization_once_called("acme", [acme_2]) == acme_2
    OrganizationSlug.objects.filter(slug="acme").update(ended_at=timezone.now() - datetime.timedelta(days=91))
    assert organization_once_called("acme", [acme_2]) is None
    assert remembered(acme_2) == [("organization.renamed", {"slug": "acme"}, {"slug": "acme-data"})]


def test_a_former_slug_is_never_issued_to_another(acme_2, globex):
    renamed(acme_2, "acme-data")
    OrganizationSlug.objects.filter(slug="acme").update(ended_at=timezone.now() - datetime.timedelta(days=1000))
    with pytest.raises(SlugTaken):
        create_organization(name="Other", slug="acme", actor=OPERATOR)
    with pytest.raises(SlugTaken):
        renamed(globex, "acme")
    assert "acme" not in suggest_slugs("Acme")
    globex.refresh_from_db()
    assert globex.slug == "globex"


def test_an_organization_can_go_back_to_its_own_former_slug(acme_2):
    renamed(acme_2, "acme-data")
    renamed(acme_2, "acme")
    assert Organization.objects.get(pk=acme_2.pk).slug == "acme"
    assert organization_once_called("acme-data", [acme_2]) == acme_2
    assert organization_once_called("acme", [acme_2]) is None


def test_a_slug_in_use_is_refused_and_nothing_is_changed(acme_2, globex):
    with pytest.raises(SlugTaken):
        renamed(acme_2, "globex")
    assert Organization.objects.get(pk=acme_2.pk).slug == "acme"
    assert organization_once_called("acme", [acme_2]) is None


def test_a_plan_is_changed_from_outside_of_a_scope_and_remembered(acme_2):
    change_plan(organization=acme_2, plan_name="business", actor=OPERATOR, reason="pilot")
    assert Organization.objects.get(pk=acme_2.pk).plan_name == "business"
    assert remembered(acme_2) == [
        ("organization.plan_changed", {"plan": "team"}, {"plan": "business", "reason": "pilot"})
    ]


def test_an_unknown_plan_is_refused(acme_2):
    with pytest.raises(ValidationFailed):
        change_plan(organization=acme_2, plan_name="platinum", actor=OPERATOR)


def test_only_what_changed_is_remembered(acme_2):
    with tenant_scope(acme_2):
        update_organization(organization=acme_2, actor=OPERATOR, name="Acme", settings={"store_sql": "no"})
    assert remembered(acme_2) == [("organization.updated", {"settings.store_sql": "all"}, {"settings.store_sql": "no"})]
    assert Organization.objects.get(pk=acme_2.pk).setting("store_sql") == "no"


@pytest.mark.parametrize("settings", [{"colour": "red"}, {"store_sql": "maybe"}])
def test_unknown_settings_and_values_are_refused(acme_2, settings):
    with tenant_scope(acme_2), pytest.raises(ValidationFailed) as refusal:
        update_organization(organization=acme_2, actor=OPERATOR, settings=settings)
    assert refusal.value.errors[0].pointer == f"/settings/{next(iter(settings))}"


def test_sub_organizations_need_a_business_parent_that_is_none_itself(acme_2):
    with pytest.raises(PlanLacksFeature):
        create_organization(name="Unit", slug="acme-unit", actor=OPERATOR, parent=acme_2)
    change_plan(organization=acme_2, plan_name="business", actor=OPERATOR)
    parent = Organization.objects.get(pk=acme_2.pk)
    child = create_organization(name="Unit", slug="acme-unit", actor=OPERATOR, parent=parent, plan_name="business")
    assert list(parent.children.all()) == [child]
    with pytest.raises(Conflict):
        create_organization(name="Sub", slug="acme-unit-sub", actor=OPERATOR, parent=child)
