"""Keys of operators. They are made and ended on the server, never through the product."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils import timezone

from dataxpipe.problems import Conflict, FieldError, NotFound, ValidationFailed
from orgs import keys
from orgs.actors import Actor
from orgs.models import PlatformKey
from orgs.platform_audit import PlatformAction, remember


@dataclass(frozen=True, slots=True)
class IssuedPlatformKey:
    """A key at the one moment its text is known."""

    platform_key: PlatformKey
    text: str


def issue_platform_key(*, name: str, actor: Actor) -> IssuedPlatformKey:
    """Outside any scope. Raises `ValidationFailed`, and `Conflict` when a working key has this name."""
    name = " ".join(name.split())
    if not name or len(name) > 100:
        detail = "A name of 1 to 100 characters says what the key is for."
        raise ValidationFailed(detail, errors=[FieldError("invalid", detail, pointer="/name")])
    new = keys.generate(keys.PLATFORM_PREFIX)
    try:
        with transaction.atomic():
            platform_key = PlatformKey.objects.create(
                name=name,
                digest=new.digest,
                first_characters=new.text[: len(keys.PLATFORM_PREFIX) + 4],
                last_characters=new.last_characters,
            )
            remember(PlatformAction.PLATFORM_KEY_ISSUED, actor, target_label=str(platform_key))
    except IntegrityError as error:
        raise Conflict(f"A platform key called {name} works already. Revoke it, or choose another name.") from error
    return IssuedPlatformKey(platform_key, new.text)


def revoke_platform_key(*, name_or_id: str, actor: Actor) -> PlatformKey:
    """Refused from the next request on; revoking it again changes nothing. Raises `NotFound`."""
    with transaction.atomic():
        platform_key = PlatformKey.objects.named(name_or_id).select_for_update().first()
        if platform_key is None:
            raise NotFound(f"There is no platform key {name_or_id}.")
        if platform_key.revoked_at is None:
            platform_key.revoked_at = timezone.now()
            platform_key.save(update_fields=["revoked_at"])
            remember(PlatformAction.PLATFORM_KEY_REVOKED, actor, target_label=str(platform_key))
    return platform_key
