"""Platform keys at the API: they open `/organizations/` and nothing of a tenant."""

from __future__ import annotations

from typing import Any

from dataxpipe.problems import NotAuthenticated
from orgs import keys, legacy_keys
from orgs.actors import Actor, client_address
from orgs.authentication import ApiKeyAuthentication, presented_key, refuse_key_in_query
from orgs.models import PlatformKey


class OperatorAuthentication(ApiKeyAuthentication):
    """A platform key in the same headers, or an organization's key: parents care for their children."""

    def authenticate(self, request: Any) -> tuple[Any, Actor]:
        text = presented_key(request) or ""
        if not _is_meant_for_the_platform(text, request._request):
            return super().authenticate(request)
        refuse_key_in_query(request)
        platform_key = authenticate_platform_key(text)
        platform_key.note_use()
        return None, Actor.of_platform_key(platform_key, request._request)


def authenticate_platform_key(text: str) -> PlatformKey:
    """Raises `NotAuthenticated`, alike for all that fail."""
    if text == legacy_keys.PLATFORM_KEY:
        return legacy_keys.platform_key()
    if not keys.is_well_formed_platform_key(text):
        raise NotAuthenticated("This is not a platform key: it is incomplete or mistyped.")
    platform_key = PlatformKey.objects.usable().filter(digest=keys.digest(text)).first()
    if platform_key is None:
        raise NotAuthenticated("The platform key is unknown or revoked.")
    return platform_key


def _is_meant_for_the_platform(text: str, request: Any) -> bool:
    return text.startswith(keys.PLATFORM_PREFIX) or legacy_keys.is_accepted_platform_key(text, client_address(request))
