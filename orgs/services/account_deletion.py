"""The end of an account: at once and for good. What the person made for organizations stays, without the name."""

from __future__ import annotations

from django.apps import apps
from django.db import transaction
from django.db.models import Exists, OuterRef

from dataxpipe.problems import Conflict
from orgs.actors import Actor
from orgs.mail import send_mail
from orgs.models import (
    ApiKey,
    Invitation,
    Membership,
    Organization,
    OrganizationStatus,
    Refusal,
    TrustedPublisher,
    User,
)
from orgs.permissions import Role
from orgs.services.audit_erasure import erase_everywhere, organizations_that_remember
from orgs.services.members import end_with_account
from orgs.tenancy import TenantModel, tenant_scope

NOBODY = "deleted account"


class OnlyOwner(Conflict):
    slug = "only-owner"
    title = "You are the only owner"
    about = "An organization always has an owner. Hand it over, or make somebody else an owner, before you go."


def delete_account(*, user: User, actor: Actor) -> None:
    """Ends memberships, sessions and the account, and erases the person from what stays. Raises `OnlyOwner`.

    API keys go on, flagged as left behind. The address is told, and is free for a new account.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user.pk)
        if owned := only_owner_of(user):
            raise OnlyOwner(f"You are the only owner of {', '.join(organization.slug for organization in owned)}.")
        remembering = organizations_that_remember(user)
        for membership in user.memberships.select_related("organization").order_by("organization_id"):
            with tenant_scope(membership.organization):
                end_with_account(membership=membership, actor=actor)
        erase_everywhere(user=user, actor=Actor.system("account deletion"))
        _forget_name(user, remembering)
        email, label = user.email, user.label
        user.delete()
        transaction.on_commit(lambda: tell_account_deleted(email, label))


def only_owner_of(user: User) -> list[Organization]:
    """What stands in the way: the organizations that would have no owner any more."""
    owners = Membership.objects.filter(organization=OuterRef("pk"), role=Role.OWNER.value)
    return list(
        Organization.objects.filter(Exists(owners.filter(user=user)))
        .exclude(Exists(owners.exclude(user=user)))
        .exclude(status=OrganizationStatus.DELETING)
        .order_by("slug")
    )


def tell_account_deleted(email: str, label: str) -> bool:
    context = {"email": email, "label": label}
    return send_mail("account_deleted", to=email, subject="Your account is deleted", context=context)


def _forget_name(user: User, organizations: list[Organization]) -> None:
    """Rows keep the id of who made them, which leads nowhere any more."""
    person_id = str(user.pk)
    ApiKey.objects.filter(created_by=user).update(created_by_label=NOBODY)
    Invitation.objects.filter(invited_by=user).update(invited_by_label=NOBODY)
    TrustedPublisher.objects.filter(created_by=user).update(created_by_label=NOBODY)
    Refusal.objects.filter(actor_kind="person", actor_id=person_id).delete()
    for organization in organizations:
        with tenant_scope(organization):
            for model in _models_with_makers():
                model.objects.filter(created_by_id=person_id).update(created_by_label=NOBODY)


def _models_with_makers() -> list[type[TenantModel]]:
    return [
        model
        for model in apps.get_models()
        if issubclass(model, TenantModel)
        and {"created_by_id", "created_by_label"} <= {field.name for field in model._meta.get_fields()}
    ]
