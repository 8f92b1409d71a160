"""Proving that an address belongs to the person: a signed link that runs out after three days.

People can use the product before; what reaches others under their name waits (`require_confirmed_email`).
"""

from __future__ import annotations

import datetime

from django.conf import settings
from django.core import signing
from django.urls import reverse
from django.utils import timezone

from dataxpipe.problems import Forbidden, Problem
from orgs.mail import send_mail
from orgs.models import User

SALT = "dataxpipe.email-confirmation"
VALID_FOR = datetime.timedelta(days=3)


class ConfirmationLinkInvalid(Problem):
    slug = "confirmation-link-invalid"
    title = "The link does not work any more"
    about = "A confirmation link works for three days and for the address it was sent to. Ask for a new one."


class EmailNotConfirmed(Forbidden):
    slug = "email-not-confirmed"
    title = "Confirm your e-mail address first"
    about = "What reaches other people under your name waits until you have opened the link that was mailed to you."


def token_for(user: User) -> str:
    return signing.dumps({"user": user.pk, "email": user.email}, salt=SALT)


def user_of_token(token: str) -> User:
    """Raises `ConfirmationLinkInvalid` for a forged or old link, and for an address the person no longer has."""
    try:
        content = signing.loads(token, salt=SALT, max_age=VALID_FOR)
    except signing.BadSignature as error:
        raise ConfirmationLinkInvalid("The link is incomplete, or older than three days.") from error
    user = User.objects.filter(pk=content["user"], email=content["email"], is_active=True).first()
    if user is None:
        raise ConfirmationLinkInvalid("The link was sent to an address that is no longer in use.")
    return user


def confirm_email(*, token: str) -> User:
    """Confirms once; opening the link again changes nothing."""
    user = user_of_token(token)
    User.objects.filter(pk=user.pk, email_confirmed_at=None).update(email_confirmed_at=timezone.now())
    user.refresh_from_db()
    return user


def send_confirmation(user: User) -> bool:
    """Mails the link, as text and HTML. A mail server that is down delays nothing: the banner offers to resend."""
    link = settings.BASE_URL + reverse("confirm_email", kwargs={"token": token_for(user)})
    context = {"user": user, "link": link, "days": VALID_FOR.days}
    return send_mail("confirm_email", to=user.email, subject="Confirm your e-mail address", context=context)


def require_confirmed_email(user: User) -> None:
    """For what reaches other people: invitations, and a new address of the organization."""
    if user.email_confirmed_at is None:
        raise EmailNotConfirmed("Open the link in the mail we sent you, or ask for a new one under Account.")
