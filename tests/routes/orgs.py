import datetime

from django.utils import timezone

from orgs.models import FormerMembership, Organization, User
from orgs.services.email_change import email_change_token
from orgs.services.email_confirmation import token_for
from orgs.services.invitations import digest_of
from orgs.services.passwords import reset_token
from tests.factories import ApiKeyFactory, InvitationFactory, MembershipFactory, TrustedPublisherFactory, UserFactory
from tests.factories.rows import AuditEventFactory
from tests.routes import (
    ADMINISTER,
    ANYBODY,
    MEMBER,
    OWN,
    PLAN,
    READ_CATALOG,
    READ_ORGANIZATION,
    SIGNED_IN,
    Id,
    Route,
    slug,
)

api_key = Id(lambda organization: ApiKeyFactory(organization=organization, scopes=["organization:admin"]).pk)
rotating_key = Id(
    lambda organization: (
        ApiKeyFactory(organization=organization, successor=ApiKeyFactory(organization=organization)).pk
    ),
)
named_key = Id(lambda organization: ApiKeyFactory(organization=organization, name="ci").pk)
GENERAL = {"name": "Acme", "ingest_admission": "all", "store_sql": "no", "store_source_code": "no"}
GENERAL |= {"require_second_factor": "no", "max_key_age_days": "90"}
INVITATION_TOKEN = "the-link-of-an-invitation"
CURRENT = "correct horse battery"
viewer = Id(lambda organization: MembershipFactory(organization=organization, role="viewer").pk, lambda: 999_999_999)
invitation = Id(lambda organization: InvitationFactory(organization=organization).pk)
audit_event = Id(lambda organization: AuditEventFactory(organization=organization).pk)


def make_former_member(organization: Organization) -> int:
    email = f"former@{organization.slug}.example"
    user = User.objects.filter(email=email).first() or UserFactory(email=email)
    FormerMembership.objects.get_or_create(organization=organization, user=user)
    return user.pk


former_member = Id(make_former_member, lambda: 999_999_999)
INVITED = {"email": "invited@example.com", "role": "viewer"}
SOMEBODY = {"email": "somebody@example.com", "password": CURRENT}


def somebody(organization: object) -> None:
    if not User.objects.filter(email=SOMEBODY["email"]).exists():
        UserFactory(email=SOMEBODY["email"])


def being_deleted(organization: object) -> None:
    """The object too, which the tests made before."""
    organization.status, organization.deletion_at = "deleting", timezone.now() + datetime.timedelta(days=14)
    organization.save()


def another_owner(organization: object) -> None:
    MembershipFactory(organization=organization, role="owner")


class ConfirmationToken:
    """Made when the path is, for the person that `somebody` has made."""

    def __str__(self) -> str:
        return token_for(User.objects.get(email=SOMEBODY["email"]))


def invited(organization: object) -> None:
    """The link in the table is the same each time, so the invitation is made for it."""
    InvitationFactory(organization=organization, email="invited@example.com", digest=digest_of(INVITATION_TOKEN))


class ResetToken(ConfirmationToken):
    def __str__(self) -> str:
        return reset_token(User.objects.get(email=SOMEBODY["email"]))


class EmailChangeToken(ConfirmationToken):
    def __str__(self) -> str:
        return email_change_token(User.objects.get(email=SOMEBODY["email"]), "somebody@new.example")


resetting = {"prepare": somebody, "token": ResetToken()}
moving = {"prepare": somebody, "token": EmailChangeToken()}
confirming = {"prepare": somebody, "token": ConfirmationToken()}
new_organization = {"organization_name": "New", "slug": "brand-new"}
SIGN_UP = {"email": "new@example.com", "password": "a long pass phrase", **new_organization}

publisher = Id(
    lambda organization: TrustedPublisherFactory(organization=organization, scopes=["organization:admin"]).pk
)
TRUST = {
    "name": "github",
    "issuer": "https://token.actions.githubusercontent.com",
    "audience": "https://catalog.example.com",
    "subject_pattern": "repo:acme/*:environment:production",
    "scopes": ["organization:admin"],
}

ROUTES = [
    Route("GET /api/v1/trusted-publishers/", READ_ORGANIZATION),
    Route("POST /api/v1/trusted-publishers/", ADMINISTER, body=TRUST),
    Route("GET /api/v1/trusted-publishers/{pk}", READ_ORGANIZATION, pk=publisher),
    Route("PATCH /api/v1/trusted-publishers/{pk}", ADMINISTER, pk=publisher, body={"name": "gitlab"}),
    Route("DELETE /api/v1/trusted-publishers/{pk}", ADMINISTER, pk=publisher),
    # What it takes to be answered well: tests/orgs/test_exchange_token.py.
    Route("POST /api/v1/tokens", ANYBODY, body={"organization": slug, "subject_token": "made-up"}, answers=401),
    Route("POST /api/v1/security/token-leaks", ANYBODY, body=[], answers=401),
    Route("GET /o/{slug}/settings/publishers/", READ_ORGANIZATION),
    Route("GET /o/{slug}/settings/publishers/", ADMINISTER, query={"change": publisher}),
    Route("GET /o/{slug}/settings/publishers/", ADMINISTER, query={"delete": publisher}),
    Route("POST /o/{slug}/settings/publishers/", ADMINISTER, body=TRUST),
    Route("POST /o/{slug}/settings/publishers/{pk}/change", ADMINISTER, pk=publisher, body=TRUST),
    Route("POST /o/{slug}/settings/publishers/{pk}/delete", ADMINISTER, pk=publisher),
    Route("GET /api/v1/organizations/me", READ_CATALOG),
    Route("PATCH /api/v1/organizations/me", ADMINISTER, body={"name": "Acme Data"}),
    Route("GET /api/v1/organizations/me/limits", PLAN),
    Route("GET /api/v1/organizations/me/usage", READ_CATALOG),
    Route("GET /api/v1/organizations/me/usage", READ_ORGANIZATION, query={"per": "key"}),
    Route("GET /api/v1/members/", READ_ORGANIZATION),
    Route("GET /api/v1/members/{pk}", READ_ORGANIZATION, pk=viewer),
    Route("PATCH /api/v1/members/{pk}", ADMINISTER, pk=viewer, body={"role": "editor"}),
    Route("DELETE /api/v1/members/{pk}", ADMINISTER, pk=viewer),
    Route("GET /api/v1/invitations/", ADMINISTER),
    Route("POST /api/v1/invitations/", ADMINISTER, body=INVITED),
    Route("DELETE /api/v1/invitations/{pk}", ADMINISTER, pk=invitation),
    Route("GET /api/v1/api-keys/", READ_ORGANIZATION),
    Route("POST /api/v1/api-keys/", ADMINISTER, body={"name": "ci", "scopes": ["organization:admin"]}),
    Route("GET /api/v1/api-keys/{pk}", READ_ORGANIZATION, pk=api_key),
    Route("DELETE /api/v1/api-keys/{pk}", ADMINISTER, pk=api_key),
    Route("POST /api/v1/api-keys/{pk}/rotate", ADMINISTER, pk=api_key, body={}),
    Route("POST /api/v1/api-keys/{pk}/end-overlap", ADMINISTER, pk=rotating_key),
    Route("GET /api/v1/audit-events/", READ_ORGANIZATION),
    Route("GET /api/v1/audit-events/verify", READ_ORGANIZATION),
    Route("GET /api/v1/audit-events/refusals", READ_ORGANIZATION),
    Route("GET /api/v1/audit-events/export", READ_ORGANIZATION),
    Route("GET /", SIGNED_IN),
    Route("GET /signup", ANYBODY),
    Route(
        "POST /signup", ANYBODY, body={"email": "new@example.com", "password": "a long pass phrase", **new_organization}
    ),
    Route("GET /login", ANYBODY),
    Route("POST /login", ANYBODY, prepare=somebody, body=SOMEBODY),
    Route("GET /reset", ANYBODY),
    Route("POST /reset", ANYBODY, body={"email": "somebody@example.com"}),
    Route("GET /reset/{token}", ANYBODY, **resetting),
    Route("POST /reset/{token}", ANYBODY, body={"password": "a long pass phrase"}, **resetting),
    # With an identity provider: tests/orgs/test_oidc.py.
    Route("GET /login/oidc", ANYBODY, answers=404),
    Route("GET /login/oidc/callback", ANYBODY, answers=404),
    Route("POST /logout", ANYBODY),
    Route("GET /prove", SIGNED_IN),
    Route("POST /prove", SIGNED_IN, body={"password": CURRENT}),
    Route("POST /theme", ANYBODY, body={"theme": "dark"}),
    Route("GET /confirm/{token}", ANYBODY, **confirming),
    Route("POST /confirm/{token}", ANYBODY, **confirming),
    Route("GET /login/code", ANYBODY),
    Route("POST /login/code", ANYBODY, body={"code": "123456"}),
    Route("GET /account/", SIGNED_IN),
    Route("POST /account/name", SIGNED_IN, body={"name": "Somebody"}),
    Route("GET /account/second-factor", SIGNED_IN),
    # What a confirmation takes is made by the page: tests/orgs/test_second_factor.py.
    Route("POST /account/second-factor", SIGNED_IN, answers=400),
    Route("POST /account/second-factor/codes", SIGNED_IN),
    Route("POST /account/second-factor/off", SIGNED_IN),
    Route("POST /account/sessions/end", SIGNED_IN),
    Route("POST /account/sessions/{handle}/end", SIGNED_IN, handle="none-of-mine"),
    Route("GET /account/export", SIGNED_IN),
    Route("GET /account/delete", SIGNED_IN),
    Route("POST /account/delete", SIGNED_IN, body={"confirmation": "not-my-address"}, answers=400),
    Route("POST /account/confirm", SIGNED_IN),
    Route("POST /account/password", SIGNED_IN, body={"current": CURRENT, "password": "a long pass phrase"}),
    Route("POST /account/email", SIGNED_IN, body={"current": CURRENT, "email": "moved@example.com"}),
    Route("GET /email/{token}", ANYBODY, **moving),
    Route("POST /email/{token}", ANYBODY, **moving),
    Route("GET /invitations/{token}", ANYBODY, prepare=invited, token=INVITATION_TOKEN),
    # Who may join depends on the address: tests/orgs/test_accept_invitation.py.
    Route("POST /invitations/{token}", ANYBODY, token="made-up", answers=404),
    Route("GET /organizations", SIGNED_IN),
    Route("GET /organizations/new", SIGNED_IN),
    Route("POST /organizations/new", SIGNED_IN, body=new_organization),
    Route("GET /o/{slug}/start/", MEMBER),
    Route("POST /o/{slug}/start/", ADMINISTER),
    Route("GET /o/{slug}/start/arrivals", MEMBER),
    Route("GET /o/{slug}/settings/", ADMINISTER),
    Route("POST /o/{slug}/settings/", ADMINISTER, body=GENERAL),
    Route("POST /o/{slug}/settings/address", ADMINISTER, body={"slug": "acme-data"}),
    Route("GET /o/{slug}/settings/members/", READ_ORGANIZATION),
    Route("GET /o/{slug}/settings/members/", ADMINISTER, query={"change": viewer}),
    Route("GET /o/{slug}/settings/members/", ADMINISTER, query={"remove": viewer}),
    Route("GET /o/{slug}/settings/members/", ADMINISTER, query={"transfer": viewer}),
    Route("POST /o/{slug}/settings/members/", ADMINISTER, body=INVITED),
    Route("POST /o/{slug}/settings/members/{pk}/role", ADMINISTER, pk=viewer, body={"role": "editor"}),
    Route("POST /o/{slug}/settings/members/{pk}/remove", ADMINISTER, pk=viewer),
    Route("POST /o/{slug}/settings/members/{pk}/transfer", OWN, pk=viewer),
    Route("POST /o/{slug}/settings/invitations/{pk}/resend", ADMINISTER, pk=invitation),
    Route("POST /o/{slug}/settings/invitations/{pk}/revoke", ADMINISTER, pk=invitation),
    Route("GET /o/{slug}/settings/danger/", OWN),
    Route("POST /o/{slug}/settings/danger/", OWN, body={"confirmation": slug}),
    Route("GET /o/{slug}/deletion/", MEMBER),
    Route("POST /o/{slug}/deletion/undo", OWN, prepare=being_deleted),
    Route("GET /o/{slug}/leave/", MEMBER),
    Route("POST /o/{slug}/leave/", MEMBER, prepare=another_owner),
    Route("GET /o/{slug}/settings/api-keys/", READ_ORGANIZATION),
    Route("GET /o/{slug}/settings/api-keys/", READ_ORGANIZATION, query={"rotate": api_key}),
    Route("GET /o/{slug}/settings/api-keys/", READ_ORGANIZATION, query={"revoke": api_key}),
    Route("POST /o/{slug}/settings/api-keys/", ADMINISTER, body={"name": "ci", "preset": "ci"}),
    Route("POST /o/{slug}/settings/api-keys/{pk}/rotate", ADMINISTER, pk=api_key, body={"overlap_seconds": "0"}),
    Route("POST /o/{slug}/settings/api-keys/{pk}/end-overlap", ADMINISTER, pk=rotating_key),
    Route("POST /o/{slug}/settings/api-keys/{pk}/revoke", ADMINISTER, pk=named_key, body={"confirmation": "ci"}),
    Route("GET /o/{slug}/settings/usage/", READ_ORGANIZATION),
    Route("GET /o/{slug}/settings/usage/usage.csv", READ_ORGANIZATION),
    Route("GET /o/{slug}/settings/audit/", READ_ORGANIZATION),
    Route("GET /o/{slug}/settings/audit/refusals", READ_ORGANIZATION),
    Route("POST /o/{slug}/settings/audit/export", READ_ORGANIZATION),
    Route("GET /o/{slug}/settings/audit/erase/{person}", OWN, person=former_member),
    Route(
        "POST /o/{slug}/settings/audit/erase/{person}",
        OWN,
        person=former_member,
        body={"confirmation": "former@acme.example"},
    ),
    Route("GET /o/{slug}/settings/audit/{event}", READ_ORGANIZATION, event=audit_event),
    Route("GET /o/{slug}/settings/access/", READ_ORGANIZATION),
    Route("GET /o/{slug}/settings/access/", READ_ORGANIZATION, query={"format": "csv"}),
    Route("GET /.well-known/audit-keys.json", ANYBODY),
]
