"""Inviting people by mail. The link's text exists in the mail alone; only its digest is kept."""

from __future__ import annotations

import datetime
import hashlib
import secrets
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from dataxpipe.problems import Conflict, Forbidden, NotFound
from orgs import audit
from orgs.actors import Actor
from orgs.audit import Action
from orgs.mail import one_line, send_mail
from orgs.models import Invitation, Organization, User
from orgs.permissions import Role
from orgs.services.members import require_may_give
from orgs.services.organizations import add_member, create_user, lock_organization
from orgs.standing import require_standing
from orgs.tenancy import current_organization, tenant_scope

VALID_FOR = datetime.timedelta(days=7)
RESEND_AFTER = datetime.timedelta(minutes=5)
MOST_A_DAY = 100


class InvitationInvalid(NotFound):
    slug = "invitation-invalid"
    title = "The invitation does not work any more"
    about = "An invitation works once, for seven days, until it is revoked or sent again. Ask for a new one."


class InvitationForSomebodyElse(Forbidden):
    slug = "invitation-for-somebody-else"
    title = "The invitation is for another address"
    about = "An invitation is bound to the address it was mailed to. Log in with the account that has this address."


class AlreadyInvited(Conflict):
    slug = "already-invited"
    title = "The address is invited already"
    about = "One open invitation per address. Send it again, or revoke it to offer another role."


class AlreadyMember(Conflict):
    slug = "already-member"
    title = "The address belongs to a member"
    about = "Members are not invited again: change their role instead."


class InvitationClosed(Conflict):
    slug = "invitation-closed"
    title = "The invitation is not open any more"
    about = "It was accepted or revoked. Invite the address again."


class TooManyInvitations(Conflict):
    slug = "too-many-invitations"
    title = "Too many invitations"
    about = "An organization invites at most 100 addresses a day and mails an invitation once in five minutes."


def invite_member(*, email: str, role: Role, actor: Actor, invited_by: User | None = None) -> Invitation:
    """In the organization's scope; the mail leaves after the commit.

    Raises `AlreadyMember`, `AlreadyInvited`, `TooManyInvitations`, and `Forbidden` for a role above the actor's.
    """
    organization = lock_organization(current_organization())
    require_may_give(role, actor)
    return _invite(organization, email, role, actor, invited_by)


def invite_first_owner(*, email: str, actor: Actor) -> Invitation:
    """Into an organization that was just made for somebody: nobody is there yet who could offer it. In its scope."""
    return _invite(lock_organization(current_organization()), email, Role.OWNER, actor, None)


def _invite(organization: Organization, email: str, role: Role, actor: Actor, invited_by: User | None) -> Invitation:
    email = User.objects.normalize_email(email)
    _require_nobody_yet(organization, email)
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        organization=organization,
        email=email,
        role=role.value,
        digest=digest_of(token),
        invited_by=invited_by,
        invited_by_label=actor.label,
        expires_at=timezone.now() + VALID_FOR,
    )
    audit.record(Action.INVITATION_CREATED, actor, target=invitation, after={"role": role.value})
    transaction.on_commit(lambda: mail_invitation(invitation, token))
    return invitation


def resend_invitation(*, invitation: Invitation, actor: Actor) -> Invitation:
    """A new link for seven days; the one mailed before ends. Raises `InvitationClosed`, `TooManyInvitations`."""
    invitation = _locked(invitation)
    require_may_give(Role(invitation.role), actor)
    now = timezone.now()
    if invitation.mailed_at is not None and invitation.mailed_at > now - RESEND_AFTER:
        raise TooManyInvitations(f"{invitation.email} was written to less than five minutes ago.")
    token = secrets.token_urlsafe(32)
    invitation.digest, invitation.expires_at = digest_of(token), now + VALID_FOR
    invitation.save(update_fields=["digest", "expires_at"])
    audit.record(Action.INVITATION_RESENT, actor, target=invitation)
    transaction.on_commit(lambda: mail_invitation(invitation, token))
    return invitation


def revoke_invitation(*, invitation: Invitation, actor: Actor) -> Invitation:
    """Raises `InvitationClosed`."""
    invitation = _locked(invitation)
    require_may_give(Role(invitation.role), actor)
    invitation.revoked_at = timezone.now()
    invitation.save(update_fields=["revoked_at"])
    audit.record(Action.INVITATION_REVOKED, actor, target=invitation, before={"role": invitation.role})
    return invitation


def invitation_of_token(token: str) -> Invitation:
    """Outside any scope. Raises `InvitationInvalid`, alike for all that do not work."""
    found = Invitation.objects.usable().select_related("organization").filter(digest=digest_of(token)).first()
    if found is None:
        raise InvitationInvalid("It was used, revoked, sent again, or is older than seven days.")
    return found


def accept_invitation(*, token: str, user: User, visitor: Actor) -> Organization:
    """Outside any scope: the person with the invited address becomes a member, once however many ask at once.

    Who is a member already keeps their role. Raises `InvitationInvalid`, `InvitationForSomebodyElse`.
    """
    invitation = invitation_of_token(token)
    organization = invitation.organization
    require_standing(organization, changes=True)
    with tenant_scope(organization):
        invitation = _still_usable(token)
        user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if user.email != invitation.email:
            raise InvitationForSomebodyElse(f"It was mailed to {invitation.email}.")
        actor = visitor.signed_in_as(user)
        invitation.accepted_at = timezone.now()
        invitation.save(update_fields=["accepted_at"])
        user.confirm_email()
        user.save(update_fields=["email_confirmed_at"])
        audit.record(Action.INVITATION_ACCEPTED, actor, target=invitation, after={"role": invitation.role})
        if not organization.memberships.filter(user=user).exists():
            add_member(organization=organization, user=user, role=Role(invitation.role), actor=actor)
    return organization


def join(*, token: str, password: str, visitor: Actor, name: str = "") -> tuple[User, Organization]:
    """An account for the invited address and its membership, together. Raises `InvitationInvalid`, `EmailTaken`."""
    with transaction.atomic():
        user = create_user(invitation_of_token(token).email, password, name)
        return user, accept_invitation(token=token, user=user, visitor=visitor)


def mail_invitation(invitation: Invitation, token: str) -> bool:
    """Outside any scope; notes when the mail server took it, so that the page can offer to send it again."""
    organization = Organization.objects.get(pk=invitation.organization_id)
    context: dict[str, Any] = {
        "organization_name": one_line(organization.name),
        "invited_by": one_line(invitation.invited_by_label),
        "invitation": invitation,
        "link": settings.BASE_URL + reverse("invitation", kwargs={"token": token}),
        "days": VALID_FOR.days,
    }
    subject = f"Join {organization.name} on DataXPipe"
    is_sent = send_mail("invitation", to=invitation.email, subject=subject, context=context)
    if is_sent:
        Invitation.objects.filter(pk=invitation.pk).update(mailed_at=timezone.now())
    return is_sent


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()


def _require_nobody_yet(organization: Organization, email: str) -> None:
    """Under the lock of the organization, so that two at once do not both pass."""
    if organization.memberships.filter(user__email=email).exists():
        raise AlreadyMember(f"{email} is a member already.")
    now = timezone.now()
    # An invitation that ran out makes room for a new one.
    organization.invitations.open().filter(email=email, expires_at__lte=now).update(revoked_at=now)
    if organization.invitations.open().filter(email=email).exists():
        raise AlreadyInvited(f"{email} has an open invitation. Send it again, or revoke it first.")
    if organization.invitations.filter(created_at__gt=now - datetime.timedelta(days=1)).count() >= MOST_A_DAY:
        raise TooManyInvitations(f"{MOST_A_DAY} addresses were invited within a day. Go on tomorrow.")


def _locked(invitation: Invitation) -> Invitation:
    organization = lock_organization(current_organization())
    found = organization.invitations.open().select_for_update().filter(pk=invitation.pk).first()
    if found is None:
        raise InvitationClosed(f"The invitation of {invitation.email} was accepted or revoked before.")
    return found


def _still_usable(token: str) -> Invitation:
    """Of two that accept at once, the second waits here and then finds it used."""
    found = Invitation.objects.usable().select_for_update().filter(digest=digest_of(token)).first()
    if found is None:
        raise InvitationInvalid("It was used or revoked a moment ago.")
    return found
