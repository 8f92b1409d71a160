"""A new address of a person: confirmed where it leads, told where it led before."""

from __future__ import annotations

import datetime

from django.conf import settings
from django.core import signing
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from dataxpipe.problems import Conflict, Problem
from orgs.actors import Actor
from orgs.audit import Action
from orgs.mail import send_mail
from orgs.models import User
from orgs.services.account_audit import record_everywhere
from orgs.services.passwords import credential_state, require_password

SALT = "dataxpipe.email-change"
VALID_FOR = datetime.timedelta(days=1)


class EmailChangeLinkInvalid(Problem):
    slug = "email-change-link-invalid"
    title = "The link does not work any more"
    about = "A link to a new address works once and for a day, until the password or the address is changed. Ask again."


class EmailInUse(Conflict):
    slug = "email-in-use"
    title = "Another account has this address"
    about = "One account per address. Give the other account another address first, or use that one."


def request_email_change(*, user: User, email: str, password: str) -> bool:
    """Mails a link to the new address; false when the mail server is down. Raises `PasswordWrong`.

    The answer is the same for an address that has an account: only who reads its mail may learn that.
    """
    require_password(user, password)
    email = User.objects.normalize_email(email)
    link = settings.BASE_URL + reverse("change_email", kwargs={"token": email_change_token(user, email)})
    context = {"user": user, "link": link, "email": email}
    return send_mail("change_email", to=email, subject="Confirm your new e-mail address", context=context)


def email_change_token(user: User, email: str) -> str:
    return signing.dumps({"user": user.pk, "state": credential_state(user), "to": email}, salt=SALT)


def change_of_token(token: str) -> tuple[User, str]:
    """The person and the new address; raises `EmailChangeLinkInvalid`."""
    try:
        content = signing.loads(token, salt=SALT, max_age=VALID_FOR)
    except signing.BadSignature as error:
        raise EmailChangeLinkInvalid("The link is incomplete, or older than a day.") from error
    user = User.objects.filter(pk=content["user"], is_active=True).first()
    return _of_state(user, content["state"]), content["to"]


def change_email(*, token: str, visitor: Actor) -> User:
    """Once. The old address is told, with whom to turn to. Raises `EmailChangeLinkInvalid`, `EmailInUse`."""
    found, email = change_of_token(token)
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=found.pk)
        before = _of_state(user, credential_state(found)).email
        _move(user, email)
        actor = visitor.signed_in_as(user)
        record_everywhere(
            Action.MEMBER_EMAIL_CHANGED, actor, user=user, before={"email": before}, after={"email": email}
        )
        transaction.on_commit(lambda: tell_old_address(user, before))
    return user


def tell_old_address(user: User, before: str) -> bool:
    context = {"user": user, "before": before}
    return send_mail("email_changed", to=before, subject="Your e-mail address was changed", context=context)


def _of_state(user: User | None, state: str) -> User:
    if user is None or not constant_time_compare(credential_state(user), state):
        raise EmailChangeLinkInvalid("The link was used already, or the password or the address was changed since.")
    return user


def _move(user: User, email: str) -> None:
    user.email, user.email_confirmed_at = email, timezone.now()
    try:
        with transaction.atomic():
            user.save(update_fields=["email", "email_confirmed_at"])
    except IntegrityError as error:
        raise EmailInUse(f"{email} belongs to another account.") from error
