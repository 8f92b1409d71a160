"""Who somebody is whom the identity provider has sent: by its subject, the first time by a verified address."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from dataxpipe.problems import Forbidden
from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import OidcIdentity, SecondFactor, User
from orgs.services.account_audit import record_everywhere
from orgs.services.sessions import forget_other_sessions


class IdentityNotUsable(Forbidden):
    slug = "identity-not-usable"
    title = "The identity provider's word is not enough"
    about = "The identity provider has to say that the e-mail address is verified, and the account has to be open."


@dataclass(frozen=True, slots=True)
class Identity:
    """What the identity provider says of somebody. `email` is empty unless it says that it has verified it."""

    issuer: str
    subject: str
    email: str
    name: str = ""


def person_of_identity(*, identity: Identity, visitor: Actor) -> User:
    """The person's account, made if there is none. Raises `IdentityNotUsable`."""
    with transaction.atomic():
        known = linked_person(identity.issuer, identity.subject)
        user = known or _link(identity, visitor)
    if not user.is_active:
        raise IdentityNotUsable("This account is closed.")
    return user


def linked_person(issuer: str, subject: str) -> User | None:
    linked = OidcIdentity.objects.select_related("user").filter(issuer=issuer, subject=subject).first()
    return linked.user if linked else None


def _link(identity: Identity, visitor: Actor) -> User:
    email = User.objects.normalize_email(identity.email)
    if not email:
        raise IdentityNotUsable("The identity provider names no e-mail address that it has verified.")
    user, is_new = User.objects.get_or_create(email=email, defaults={"name": identity.name[:100], "password": "!"})
    user = User.objects.select_for_update().get(pk=user.pk)
    if user.email_confirmed_at is None:
        # Somebody may have signed up with an address that is not theirs, and waits for its owner: with a password,
        # or with a second factor that shuts the owner out.
        user.set_unusable_password()
        user.confirm_email()
        user.save(update_fields=["password", "email_confirmed_at"])
        SecondFactor.objects.filter(user=user).delete()
        forget_other_sessions(user, None)
    OidcIdentity.objects.get_or_create(issuer=identity.issuer, subject=identity.subject, defaults={"user": user})
    if not is_new:
        after = {"issuer": identity.issuer}
        record_everywhere(Action.MEMBER_IDENTITY_LINKED, visitor.signed_in_as(user), user=user, after=after)
    return user
