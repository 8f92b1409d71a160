"""The second factor of a person: switched on with a code, asked for at the login, switched off where nobody needs it.

Wrong codes slow down: after the fifth in a row none is looked at for half a minute, then for one, up to a quarter hour.
"""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass

from django.core import signing
from django.db import transaction
from django.utils import timezone

from dataxpipe.keyring import UnknownMasterKey, active_key_id
from dataxpipe.problems import Conflict, Problem, RateLimited
from orgs import one_time_codes as codes
from orgs.actors import Actor
from orgs.audit import Action
from orgs.mail import send_mail
from orgs.models import SecondFactor, User
from orgs.permissions import Role
from orgs.services.account_audit import record_everywhere
from orgs.services.sessions import forget_other_sessions

logger = logging.getLogger(__name__)

SALT = "dataxpipe.second-factor"
SETUP_TAKES = 3600
FEW = 3


class CodeWrong(Problem):
    slug = "code-wrong"
    title = "The code is not right"
    about = "A code of an authenticator app holds for half a minute and works once; so does each recovery code."


class TooManyWrongCodes(RateLimited):
    slug = "too-many-wrong-codes"
    title = "Too many wrong codes"
    about = (
        "After five wrong codes in a row no code is looked at for a while, longer each time. `Retry-After` says when."
    )


class SetupExpired(Problem):
    slug = "second-factor-setup-expired"
    title = "The set-up took too long"
    about = "A QR code for a second factor can be confirmed for an hour. Scan the new one."


class SecondFactorNeeded(Conflict):
    slug = "second-factor-needed"
    title = "The second factor stays"
    about = (
        "Owners, staff and members of organizations that require a second factor can move it to another device, "
        "but not switch it off."
    )


class SecondFactorMissing(Conflict):
    slug = "second-factor-missing"
    title = "You have no second factor yourself"
    about = "Whoever requires a second factor of everybody has one: switch yours on under Account first."


@dataclass(frozen=True, slots=True)
class Candidate:
    """A secret that is not confirmed yet. `token` carries it through the form; nothing is kept on the server."""

    token: str
    secret: bytes
    account: str

    @property
    def typed(self) -> str:
        return codes.typed(self.secret)

    @property
    def qr_code(self) -> str:
        return codes.qr_code(codes.provisioning_uri(self.secret, self.account))


def new_candidate(user: User) -> Candidate:
    secret = codes.new_secret()
    content = {"user": user.pk, "secret": base64.b64encode(secret).decode()}
    return Candidate(signing.dumps(content, salt=SALT), secret, user.email)


def candidate_of(token: str, user: User) -> Candidate:
    """Raises `SetupExpired`, also for another person's."""
    try:
        content = signing.loads(token, salt=SALT, max_age=SETUP_TAKES)
    except signing.BadSignature as error:
        raise SetupExpired("Scan the new code below.") from error
    if content["user"] != user.pk:
        raise SetupExpired("Scan the new code below.")
    return Candidate(token, base64.b64decode(content["secret"]), user.email)


def enable_second_factor(
    *, user: User, candidate: Candidate, code: str, session_key: str | None, actor: Actor
) -> list[str]:
    """Switches on, or moves to another device; answers the recovery codes, this once. Raises `CodeWrong`.

    Every other session ends: what goes on has shown the second factor.
    """
    step = codes.matching_step(candidate.secret, cleaned(code), timezone.now().timestamp())
    if step is None:
        raise CodeWrong("The app shows another code. Check that its clock is right, and take the newest one.")
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        was_on = user.has_second_factor
        recovery_codes = codes.new_recovery_codes()
        key_id, sealed = codes.seal(candidate.secret, user.pk)
        fields = {"key_id": key_id, "sealed": sealed, "last_step": step, "enabled_at": timezone.now()}
        fields |= {"recovery_digests": _digests(recovery_codes), "wrong_count": 0, "wrong_at": None}
        SecondFactor.objects.update_or_create(user=user, defaults=fields)
        forget_other_sessions(user, session_key)
        action = Action.MEMBER_SECOND_FACTOR_MOVED if was_on else Action.MEMBER_SECOND_FACTOR_ENABLED
        record_everywhere(action, actor, user=user)
        _tell(user, "second_factor_on", "Your second factor is on", was_on=was_on)
    return recovery_codes


def require_code(*, user: User, code: str, actor: Actor) -> None:
    """Takes a code of the app or a recovery code, each once. Raises `CodeWrong`, `TooManyWrongCodes`."""
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update().filter(user=user).first()
        if factor is None:
            raise CodeWrong("You have no second factor.")
        _require_rest(factor)
        is_right = _take_code(factor, cleaned(code)) or _take_recovery_code(factor, cleaned(code), actor)
        factor.wrong_count = 0 if is_right else factor.wrong_count + 1
        factor.wrong_at = None if is_right else timezone.now()
        factor.save()
    if not is_right:
        raise CodeWrong("This code is not right, or it was used before.")


def renew_recovery_codes(*, user: User, actor: Actor) -> list[str]:
    """Ten new ones, shown this once; the old ones end."""
    recovery_codes = codes.new_recovery_codes()
    with transaction.atomic():
        if not SecondFactor.objects.filter(user=user).update(recovery_digests=_digests(recovery_codes)):
            raise CodeWrong("You have no second factor.")
        record_everywhere(Action.MEMBER_RECOVERY_CODES_RENEWED, actor, user=user)
    return recovery_codes


def disable_second_factor(*, user: User, actor: Actor) -> None:
    """Raises `SecondFactorNeeded`."""
    if reasons := who_needs_second_factor(user):
        raise SecondFactorNeeded(f"It is needed: {'; '.join(reasons)}. You can move it to another device.")
    with transaction.atomic():
        if SecondFactor.objects.filter(user=user).delete()[0]:
            record_everywhere(Action.MEMBER_SECOND_FACTOR_DISABLED, actor, user=user)
            _tell(user, "second_factor_off", "Your second factor is off")


def reseal_second_factors() -> int:
    """Seals all secrets with the active master key, so that the others can be dropped; says how many were not."""
    count = 0
    for person_id in SecondFactor.objects.exclude(key_id=active_key_id()).values_list("pk", flat=True):
        with transaction.atomic():
            factor = SecondFactor.objects.select_for_update().get(pk=person_id)
            secret = codes.unseal(factor.key_id, bytes(factor.sealed), person_id)
            factor.key_id, factor.sealed = codes.seal(secret, person_id)
            factor.save(update_fields=["key_id", "sealed"])
        count += 1
    return count


def who_needs_second_factor(user: User) -> list[str]:
    """Why it cannot be switched off: `you own acme`, `globex requires one`."""
    reasons = ["you are staff"] if user.is_staff else []
    for membership in user.memberships.select_related("organization").order_by("organization__slug"):
        if membership.organization.requires_second_factor:
            reasons.append(f"{membership.organization.slug} requires one")
        elif membership.role == Role.OWNER.value:
            reasons.append(f"you own {membership.organization.slug}")
    return reasons


def cleaned(code: str) -> str:
    """As it is compared: apps show `123 456`, people type recovery codes in capitals and without dashes."""
    return "".join(code.split()).replace("-", "").lower()


def require_own_second_factor(actor: Actor) -> None:
    """For people who require it of others; keys have none. Raises `SecondFactorMissing`."""
    if actor.kind == "person" and not SecondFactor.objects.filter(user=int(actor.id)).exists():
        raise SecondFactorMissing("Switch on your own second factor first, under Account.")


def _take_code(factor: SecondFactor, code: str) -> bool:
    try:
        secret = codes.unseal(factor.key_id, bytes(factor.sealed), factor.user_id)
    except UnknownMasterKey:
        logger.exception("a second factor does not open any more; recovery codes still work")
        return False
    step = codes.matching_step(secret, code, timezone.now().timestamp())
    if step is None or step <= factor.last_step:
        return False
    factor.last_step = step
    factor.key_id, factor.sealed = codes.seal(secret, factor.user_id)  # with the newest master key
    return True


def _take_recovery_code(factor: SecondFactor, code: str, actor: Actor) -> bool:
    digest = codes.recovery_digest(code)
    if digest not in factor.recovery_digests:
        return False
    factor.recovery_digests.remove(digest)
    left = factor.recovery_codes_left
    record_everywhere(Action.MEMBER_RECOVERY_CODE_USED, actor, user=factor.user, after={"left": left})
    _tell(factor.user, "recovery_code_used", "A recovery code was used", left=left, is_few=left <= FEW)
    return True


def _require_rest(factor: SecondFactor) -> None:
    until = factor.rests_until
    if until is not None and until > timezone.now():
        seconds = int((until - timezone.now()).total_seconds()) + 1
        raise TooManyWrongCodes(
            f"Wait {seconds} seconds, then try the newest code.",
            headers={"Retry-After": str(seconds)},
            retry_after_seconds=seconds,
        )


def _digests(recovery_codes: list[str]) -> list[str]:
    return [codes.recovery_digest(code) for code in recovery_codes]


def _tell(user: User, mail: str, subject: str, **context: object) -> None:
    transaction.on_commit(lambda: send_mail(mail, to=user.email, subject=subject, context={"user": user, **context}))
