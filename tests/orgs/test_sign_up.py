import pytest
from django.core import mail

from dataxpipe.problems import ValidationFailed
from orgs.actors import Actor
from orgs.models import AuditEvent, Membership, Organization, User
from orgs.services.organizations import EmailTaken, SlugTaken, sign_up, suggest_slugs
from orgs.tenancy import tenant_scope

VISITOR = Actor(kind="person", id="", label="", ip_address="192.0.2.7", user_agent="Firefox", request_id="r-1")


def join(**changes):
    return sign_up(
        **{
            "email": "Alice@Acme.example",
            "password": "correct horse battery",
            "organization_name": "Acme Data",
            "visitor": VISITOR,
        }
        | changes
    )


def actions_of(organization):
    with tenant_scope(organization):
        return list(AuditEvent.objects.order_by("id").values_list("action", "person__label", "person__ip_address"))


def test_a_person_an_organization_and_an_owner_come_to_be_together(db):
    joined = join()
    assert joined.user.email == "alice@acme.example"
    assert joined.user.check_password("correct horse battery")
    assert (joined.organization.slug, joined.organization.plan_name) == ("acme-data", "free")
    membership = Membership.objects.get(organization=joined.organization)
    assert (membership.user, membership.role) == (joined.user, "owner")


def test_it_is_remembered_with_the_person_and_the_address(db):
    joined = join()
    assert actions_of(joined.organization) == [
        ("organization.created", "alice", "192.0.2.7"),
        ("member.added", "alice", "192.0.2.7"),
    ]


def test_the_confirmation_mail_leaves_after_the_commit(db, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        join()
        assert mail.outbox == []
    assert mail.outbox[0].to == ["alice@acme.example"]


def test_an_address_has_one_account_whatever_its_case(db):
    join()
    with pytest.raises(EmailTaken):
        join(email="ALICE@acme.EXAMPLE", organization_name="Another")
    assert Organization.objects.count() == 1


def test_a_taken_slug_leaves_no_account_behind_and_free_ones_are_named(db):
    join(slug="acme")
    with pytest.raises(SlugTaken) as refusal:
        join(email="bob@acme.example", slug="acme")
    assert refusal.value.extensions["suggestions"] == ["acme-2", "acme-3", "acme-4"]
    assert not User.objects.filter(email="bob@acme.example").exists()


@pytest.mark.parametrize(
    "slug",
    ["ab", "a" * 41, "-acme", "acme-", "Acme", "ac_me", "acme.io", "api", "me", "o", "xn--acme", "äcme", "signup"],
)
def test_slugs_that_are_no_free_dns_label_are_refused(db, slug):
    with pytest.raises(ValidationFailed) as refusal:
        join(slug=slug)
    assert refusal.value.errors[0].pointer == "/slug"
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Acme Data", "acme-data"),
        ("  ACME -- Data  ", "acme-data"),
        ("API", "api-2"),
        ("株式会社", "data-team"),
        ("X", "x-2"),
        ("a" * 100, "a" * 34),
    ],
)
def test_a_slug_is_made_from_any_name(db, name, slug):
    assert suggest_slugs(name)[0] == slug
