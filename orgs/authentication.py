"""Who sends this API request: one query for a key and its organization."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import unquote_plus

from django.db import connection
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from dataxpipe.postgres.written import columns_of, instance_of, width_of
from dataxpipe.problems import CredentialInQuery, NotAuthenticated
from orgs import keys, legacy_keys, oidc
from orgs.actors import Actor, client_address
from orgs.models import ApiKey, Organization
from orgs.services.api_keys import note_reuse

# Longer than any word that happens to begin with dxp_, shorter than a key: a cut-off key is one too.
LOOKS_LIKE_A_KEY = re.compile(r"dxp_(?:platform_)?[0-9A-Za-z]{20,}")


class ApiKeyAuthentication:
    """DRF authentication by `X-API-KEY`, or `Authorization: Bearer dxp_…` as OpenLineage clients send it."""

    def authenticate(self, request: Any) -> tuple[Any, Actor]:
        refuse_key_in_query(request)
        text = presented_key(request)
        if text is None:
            raise NotAuthenticated("Send an API key in the header X-API-KEY.")
        if oidc.is_configured() and _is_token(text, request):
            return oidc.authenticate_person(text, request=request._request)
        api_key = authenticate_key(text, request=request._request)
        actor = Actor.of_key(api_key, request._request)
        _know(request._request, api_key, actor)
        return _creator(api_key), actor

    def authenticate_header(self, request: Any) -> str:
        return 'Bearer realm="dataxpipe"'


def authenticate_key(text: str, *, request: Any) -> ApiKey:
    """The usable key with this text, its organization loaded; raises `NotAuthenticated`, alike for all that fail."""
    if text.startswith(keys.PLATFORM_PREFIX):
        raise NotAuthenticated("Platform keys open /organizations/ alone. Send an API key of the organization.")
    if legacy_keys.is_accepted(text, client_address(request)):
        legacy_keys.ensure_key(text)
    elif not keys.is_well_formed(text):
        raise NotAuthenticated("This is not an API key: it is incomplete or mistyped.")
    api_key = _find_key(keys.digest(text))
    if api_key is not None:
        _know(request, api_key, Actor.of_key(api_key, request))
    if api_key is not None and not api_key.is_usable:
        note_reuse(api_key=api_key, actor=Actor.of_key(api_key, request))
    if api_key is None or not api_key.is_usable:
        raise NotAuthenticated("The API key is unknown, expired or revoked.")
    if api_key.allowed_cidrs and not _is_within(client_address(request), api_key.allowed_cidrs):
        raise NotAuthenticated("The API key may not be used from this address.")
    return api_key


def _is_token(text: str, request: Any) -> bool:
    """A JSON Web Token has two dots, and an API key none."""
    return text.count(".") == 2 and "X-API-KEY" not in request.headers


def _know(request: Any, api_key: ApiKey, actor: Actor) -> None:
    """Whose request this is, also for what counts refusals."""
    request.organization, request.actor = api_key.organization, actor


def _find_key(digest: bytes) -> ApiKey | None:
    sql = (
        f"SELECT {columns_of(ApiKey, 'k')}, {columns_of(Organization, 'o')}"  # noqa: S608  (names of our own columns)
        " FROM orgs_apikey k JOIN orgs_organization o ON o.id = k.organization_id WHERE k.digest = %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [digest])
        row = cursor.fetchone()
    if row is None:
        return None
    width = width_of(ApiKey)
    api_key = instance_of(ApiKey, row[:width])
    api_key.organization = instance_of(Organization, row[width:])
    return api_key


def _creator(api_key: ApiKey) -> Any:
    """The person who made the key, loaded only where somebody asks."""
    return SimpleLazyObject(lambda: api_key.created_by) if api_key.created_by_id else None


def refuse_key_in_query(request: Any) -> None:
    if LOOKS_LIKE_A_KEY.search(unquote_plus(request.META.get("QUERY_STRING", ""))):
        raise CredentialInQuery("Send the key in the header X-API-KEY and rotate the one in this URL.")


def note_use(api_key: ApiKey) -> None:
    """Keeps `last_used_at` to the minute; outside any scope."""
    now = timezone.now().replace(second=0, microsecond=0)
    if api_key.last_used_at is None or api_key.last_used_at < now:
        ApiKey.objects.filter(pk=api_key.pk).update(last_used_at=now)


def presented_key(request: Any) -> str | None:
    if header := request.headers.get("X-API-KEY"):
        return str(header)
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credential:
        return str(credential.strip())
    return None


def _is_within(address: str | None, cidrs: list[str]) -> bool:
    if address is None:
        return False
    ip = ipaddress.ip_address(address)
    return any(ip in ipaddress.ip_network(cidr, strict=False) for cidr in cidrs)
