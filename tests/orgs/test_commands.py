import datetime
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from orgs import keys
from orgs.models import ApiKey, AuditEvent, Membership, Organization, User
from orgs.tenancy import tenant_scope
from tests.conftest import ApiClient


def run(*args, **options):
    out = StringIO()
    call_command(*args, stdout=out, **options)
    return out.getvalue()


def test_an_organization_is_made_with_its_owner(db):
    run("create_organization", "acme", name="Acme", plan="team", owner="Alice@acme.example")
    organization = Organization.objects.get()
    assert (organization.slug, organization.name, organization.plan_name) == ("acme", "Acme", "team")
    membership = Membership.objects.get()
    assert (membership.user.email, membership.role) == ("alice@acme.example", "owner")
    assert not membership.user.has_usable_password()


def test_called_again_it_changes_only_what_differs(db):
    for _ in range(2):
        run("create_organization", "acme", owner="alice@acme.example")
    run("create_organization", "acme", plan="business", owner="bob@acme.example")
    assert Organization.objects.get().plan_name == "business"
    assert sorted(Membership.objects.values_list("user__email", flat=True)) == [
        "alice@acme.example",
        "bob@acme.example",
    ]
    with tenant_scope(Organization.objects.get()):
        actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["organization.created", "member.added", "organization.plan_changed", "member.added"]


def test_a_sub_organization_needs_a_parent_that_may_have_one(db):
    run("create_organization", "acme", plan="business")
    run("create_organization", "acme-unit", parent="acme")
    assert Organization.objects.get(slug="acme-unit").parent.slug == "acme"
    with pytest.raises(CommandError, match="There is no organization nobody"):
        run("create_organization", "other", parent="nobody")


@pytest.mark.parametrize("slug", ["api", "x", "Acme"])
def test_a_slug_that_cannot_be_is_one_clear_line_and_leaves_nothing(db, slug):
    with pytest.raises(CommandError):
        run("create_organization", slug, owner="alice@acme.example")
    assert not User.objects.exists()


def test_a_key_is_all_that_is_printed_and_it_works(acme):
    text = run("issue_api_key", "acme", name="ci").strip()
    assert keys.is_well_formed(text)
    assert ApiClient(text).get("/api/v1/organizations/me").json()["slug"] == "acme"
    assert ApiKey.objects.get().scopes == ["catalog:read", "plan:read", "ingest:write", "catalog:write"]


@pytest.mark.parametrize(("expires", "days"), [("90d", 90), ("48h", 2)])
def test_scopes_and_end_can_be_chosen(acme, expires, days):
    run("issue_api_key", "acme", name="ci", scopes="catalog:read, plan:read", expires=expires)
    api_key = ApiKey.objects.get()
    assert api_key.scopes == ["catalog:read", "plan:read"]
    assert abs(api_key.expires_at - timezone.now() - datetime.timedelta(days=days)) < datetime.timedelta(minutes=1)


def test_an_end_can_be_an_instant(acme):
    run("issue_api_key", "acme", name="ci", expires="2099-01-31T00:00:00+01:00")
    assert ApiKey.objects.get().expires_at == datetime.datetime(2099, 1, 30, 23, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "options", [{"scopes": "everything"}, {"scopes": ""}, {"expires": "soon"}, {"expires": "2099-01-31T00:00:00"},
                {"expires": "2020-01-31T00:00:00Z"}, {"expires": "2099-13-31T00:00:00Z"}]
)  # fmt: skip
def test_what_makes_no_sense_makes_no_key(acme, options):
    with pytest.raises(CommandError):
        run("issue_api_key", "acme", name="ci", **options)
    assert not ApiKey.objects.exists()


def test_an_unknown_organization_is_said_to_be_unknown(db):
    with pytest.raises(CommandError, match="There is no organization nobody"):
        run("issue_api_key", "nobody", name="ci")
