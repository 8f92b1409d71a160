"""A second factor for a test: switched on, and the app that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from orgs import one_time_codes
from orgs.actors import Actor
from orgs.models import SecondFactor, User
from orgs.services import second_factor


@dataclass
class Phone:
    secret: bytes
    recovery_codes: list[str]

    def code(self, steps: int = 0) -> str:
        """What the app shows, or shows so many half minutes later."""
        present = int(timezone.now().timestamp()) // one_time_codes.STEP_SECONDS
        return one_time_codes.code_of_step(self.secret, present + steps)


def phone_of(user: User) -> Phone:
    """As if it had been switched on some time ago: the present code was not used yet."""
    candidate = second_factor.new_candidate(user)
    phone = Phone(candidate.secret, [])
    phone.recovery_codes = second_factor.enable_second_factor(
        user=user, candidate=candidate, code=phone.code(), session_key=None, actor=Actor.system("test")
    )
    SecondFactor.objects.filter(user=user).update(last_step=0)
    return phone


def secret_of(page: Any) -> tuple[str, bytes]:
    """What the set-up page carries: the candidate's token, and the secret that the QR code holds."""
    form = page.context["form"]
    token = form["candidate"].value()
    return token, page.context["candidate"].secret
