"""Mails to people: each as text and as HTML, from `<name>.txt` and `.html` in a folder of the templates."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from smtplib import SMTPException
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

logger = logging.getLogger(__name__)


def send_mail(name: str, *, to: str, subject: str, context: Mapping[str, Any], folder: str = "orgs/mail") -> bool:
    """Whether the mail server took it. One that is down is logged and breaks nothing: every mail can be had again."""
    message = EmailMultiAlternatives(
        subject=plain(subject), body=render_to_string(f"{folder}/{name}.txt", dict(context)), to=[to]
    )
    message.attach_alternative(render_to_string(f"{folder}/{name}.html", dict(context)), "text/html")
    try:
        message.send()
    except (SMTPException, OSError):
        logger.exception("the mail %s could not be sent", name)
        return False
    return True


def one_line(text: str) -> str:
    """A name that somebody typed, fit for a header and for a line of a text mail: line breaks become blanks."""
    return " ".join(text.split())


def plain(subject: str) -> str:
    """One line that is read as it stands: in a header `=?…?=` would be decoded into something else."""
    return one_line(subject).replace("=?", "= ?")
