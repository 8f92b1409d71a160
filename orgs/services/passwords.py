"""Setting a new password: by a mailed link for who forgot it, by the old one for who is in.

A changed password ends every other session: Django ties sessions to its hash, and their rows are deleted.
"""

from __future__ import annotations

import datetime

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from procrastinate.contrib.django import app

from dataxpipe.problems import Problem
from orgs.actors import Actor
from orgs.audit import Action
from orgs.mail import send_mail
from orgs.models import User
from orgs.services.account_audit import record_everywhere
from orgs.services.sessions import forget_other_sessions

SALT = "dataxpipe.password-reset"
VALID_FOR = datetime.timedelta(hours=1)
MAILED_AGAIN_AFTER = datetime.timedelta(minutes=2)
RESET_TASK = "mail_reset_link"


class ResetLinkInvalid(Problem):
    slug = "reset-link-invalid"
    title = "The link does not work any more"
    about = (
        "A link for a new password works once, for an hour, and only the newest password makes it invalid. Ask again."
    )


class PasswordWrong(Problem):
    slug = "password-wrong"
    title = "The password is not right"
    about = "What changes how you log in asks for your current password."


class MailServerDown(Exception):
    """The worker tries again."""


def request_reset(*, email: str) -> None:
    """The worker mails the link: neither the answer nor its time tells whether there is an account."""
    app.configure_task(RESET_TASK, allow_unknown=True).defer(email=User.objects.normalize_email(email))


def send_reset_link(*, email: str) -> None:
    """In the worker. No mail without an account, nor within two minutes of the last; raises `MailServerDown`."""
    user = _claim(email)
    if user is None:
        return
    link = settings.BASE_URL + reverse("reset_password", kwargs={"token": reset_token(user)})
    context = {"user": user, "link": link}
    if not send_mail("reset_password", to=user.email, subject="Set a new password", context=context):
        User.objects.filter(pk=user.pk).update(reset_mailed_at=None)
        raise MailServerDown


def reset_token(user: User) -> str:
    return signing.dumps({"user": user.pk, "state": credential_state(user)}, salt=SALT)


def user_of_reset(token: str) -> User:
    """Raises `ResetLinkInvalid`, alike for forged, old and used links."""
    try:
        content = signing.loads(token, salt=SALT, max_age=VALID_FOR)
    except signing.BadSignature as error:
        raise ResetLinkInvalid("The link is incomplete, or older than an hour.") from error
    return _of_state(User.objects.filter(pk=content["user"], is_active=True).first(), content["state"])


def reset_password(*, token: str, password: str, visitor: Actor) -> User:
    """Sets the password once by a mailed link, which also proves the address; a mail tells that it happened."""
    user = user_of_reset(token)
    with transaction.atomic():
        locked = User.objects.select_for_update().get(pk=user.pk)
        _of_state(locked, credential_state(user))
        locked.set_password(password)
        locked.confirm_email()
        locked.save(update_fields=["password", "email_confirmed_at"])
        forget_other_sessions(locked, None)
        record_everywhere(Action.MEMBER_PASSWORD_RESET, visitor.signed_in_as(locked), user=locked)
        transaction.on_commit(lambda: tell_password_changed(locked))
    return locked


def change_password(*, user: User, current: str, password: str, session_key: str | None, actor: Actor) -> User:
    """Raises `PasswordWrong`. The caller keeps its own session by `update_session_auth_hash`."""
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user.pk)
        require_password(user, current)
        user.set_password(password)
        user.save(update_fields=["password"])
        forget_other_sessions(user, session_key)
        record_everywhere(Action.MEMBER_PASSWORD_CHANGED, actor, user=user)
        transaction.on_commit(lambda: tell_password_changed(user))
    return user


def require_password(user: User, password: str) -> None:
    if not user.check_password(password):
        raise PasswordWrong("This is not your current password.")


def tell_password_changed(user: User) -> bool:
    link = settings.BASE_URL + reverse("forgot_password")
    return send_mail(
        "password_changed", to=user.email, subject="Your password was changed", context={"user": user, "link": link}
    )


def credential_state(user: User) -> str:
    """What mailed links are bound to: a new password or a new address ends them."""
    return salted_hmac(SALT, f"{user.password}\0{user.email}", algorithm="sha256").hexdigest()


def _claim(email: str) -> User | None:
    """One statement decides, so of many who ask at once for an address one mail goes out."""
    now = timezone.now()
    rested = Q(reset_mailed_at=None) | Q(reset_mailed_at__lte=now - MAILED_AGAIN_AFTER)
    if not User.objects.filter(rested, email=email, is_active=True).update(reset_mailed_at=now):
        return None
    return User.objects.get(email=email)


def _of_state(user: User | None, state: str) -> User:
    if user is None or not constant_time_compare(credential_state(user), state):
        raise ResetLinkInvalid("The link was used already, or a newer password was set since.")
    return user
