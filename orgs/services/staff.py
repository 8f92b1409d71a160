"""What operators do to people: closing and opening accounts, and who is one of the staff."""

from __future__ import annotations

from functools import partial

from django.db import transaction

from dataxpipe.problems import Conflict
from orgs.actors import Actor
from orgs.audit import Action
from orgs.mail import send_mail
from orgs.models import SecondFactor, User
from orgs.platform_audit import PlatformAction, remember
from orgs.services.account_audit import record_everywhere
from orgs.services.sessions import forget_other_sessions
from orgs.services.suspension import require_reason


def deactivate_person(*, user: User, reason: str, actor: Actor) -> None:
    """Ends their sessions for good, and no login works. Raises `Conflict` for oneself."""
    if actor.kind == "staff" and actor.id == str(user.pk):
        raise Conflict("Nobody closes the own account here.")
    _set_active(user, False, PlatformAction.PERSON_DEACTIVATED, reason, actor)


def reactivate_person(*, user: User, reason: str, actor: Actor) -> None:
    _set_active(user, True, PlatformAction.PERSON_REACTIVATED, reason, actor)


def reset_second_factor(*, user: User, reason: str, actor: Actor) -> None:
    """For who lost the device and the recovery codes: the password alone lets in until a new factor is set up.

    Every organization of the person remembers it, and the person is mailed. Raises `Conflict` for oneself, and where
    there is no second factor.
    """
    if actor.kind == "staff" and actor.id == str(user.pk):
        raise Conflict("Nobody resets the own second factor here.")
    reason = require_reason(reason)
    with transaction.atomic():
        if not SecondFactor.objects.filter(user=user).delete()[0]:
            raise Conflict(f"{user.email} has no second factor.")
        after = {"reason": reason}
        record_everywhere(Action.MEMBER_SECOND_FACTOR_DISABLED, actor, user=user, after=after)
        remember(PlatformAction.PERSON_SECOND_FACTOR_RESET, actor, target_label=user.email, after=after)
        subject = "Your second factor was reset"
        mailed = partial(send_mail, "second_factor_off", to=user.email, subject=subject, context={"user": user})
        transaction.on_commit(mailed)


def set_staff(*, user: User, is_staff: bool, actor: Actor) -> None:
    """Staff see `/admin/` and may enter organizations, from the next request on."""
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if user.is_staff == is_staff:
            return
        user.is_staff = is_staff
        user.save(update_fields=["is_staff"])
        action = PlatformAction.STAFF_GRANTED if is_staff else PlatformAction.STAFF_REVOKED
        remember(action, actor, target_label=user.email)


def _set_active(user: User, is_active: bool, action: PlatformAction, reason: str, actor: Actor) -> None:
    reason = require_reason(reason)
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        user.is_active = is_active
        user.save(update_fields=["is_active"])
        if not is_active:
            forget_other_sessions(user, None)
        remember(action, actor, target_label=user.email, after={"reason": reason})
