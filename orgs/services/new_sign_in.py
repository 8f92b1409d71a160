"""Telling people of a login from a browser that is new to their account; the worker mails, so that no login waits."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django import app

from orgs.actors import Actor
from orgs.devices import device_of
from orgs.mail import send_mail
from orgs.models import User
from orgs.services.passwords import MailServerDown

SIGN_IN_TASK = "mail_new_sign_in"


def announce_sign_in(*, user: User, actor: Actor) -> None:
    app.configure_task(SIGN_IN_TASK, allow_unknown=True).defer(
        person=user.pk,
        device=device_of(actor.user_agent),
        address=actor.ip_address or "an unknown address",
        at=f"{timezone.now():%Y-%m-%d %H:%M} UTC",
    )


def mail_sign_in(*, person_id: int, device: str, address: str, at: str) -> None:
    """In the worker. No mail for an account that ended meanwhile; raises `MailServerDown`."""
    user = User.objects.filter(pk=person_id, is_active=True).first()
    if user is None:
        return
    link = settings.BASE_URL + reverse("forgot_password")
    context = {"user": user, "device": device, "address": address, "at": at, "link": link}
    if not send_mail("new_sign_in", to=user.email, subject="New sign-in to your account", context=context):
        raise MailServerDown
