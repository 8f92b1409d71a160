"""`dev-key`, `admin-key` and `platform-key`: keys everybody knows, for trying things out on one's own machine.

The first two act in the demo organization, the third as an operator. The settings refuse to start with them unless
DEBUG is on and every host name is a loopback one; a request from another address is refused all the same. Each is a
row like any other key's, made at its first use, so what it does is counted and audited, and it can be revoked.
"""

from __future__ import annotations

import ipaddress

from django.conf import settings

from dataxpipe.problems import NotAuthenticated
from orgs import audit, keys
from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import ApiKey, Organization, PlatformKey
from orgs.permissions import SCOPES, Right
from orgs.platform_audit import PlatformAction, remember
from orgs.tenancy import tenant_scope

DEMO_ORGANIZATION = "acme-corp"
PLATFORM_KEY = "platform-key"
LEGACY_KEYS = {
    "dev-key": (
        Right.READ_CATALOG.value,
        Right.PLAN.value,
        Right.INGEST.value,
        Right.WRITE_CATALOG.value,
        Right.WRITE_CONNECTIONS.value,
    ),
    "admin-key": SCOPES,
}


def is_accepted(text: str, address: str | None) -> bool:
    """Whether this is a legacy key, sent where it counts as one."""
    return text in LEGACY_KEYS and _count_here(address)


def is_accepted_platform_key(text: str, address: str | None) -> bool:
    return text == PLATFORM_KEY and _count_here(address)


def platform_key() -> PlatformKey:
    """The row of `platform-key`, made at its first use. Raises `NotAuthenticated` once it was revoked."""
    row = {"name": PLATFORM_KEY, "first_characters": PLATFORM_KEY, "last_characters": ""}
    found, is_new = PlatformKey.objects.get_or_create(digest=keys.digest(PLATFORM_KEY), defaults=row)
    if found.revoked_at is not None:
        raise NotAuthenticated("The platform key is unknown or revoked.")
    if is_new:
        actor = Actor.system("DATAXPIPE_LEGACY_KEYS")
        remember(PlatformAction.PLATFORM_KEY_ISSUED, actor, target_label=str(found))
    return found


def _count_here(address: str | None) -> bool:
    return bool(settings.LEGACY_KEYS) and address is not None and ipaddress.ip_address(address).is_loopback


def ensure_key(text: str) -> None:
    """Makes the row of a legacy key in the demo organization, if there is one. Outside any scope."""
    organization = Organization.objects.filter(slug=DEMO_ORGANIZATION).first()
    if organization is None or ApiKey.objects.filter(digest=keys.digest(text)).exists():
        return
    with tenant_scope(organization):
        row = {
            "organization": organization,
            "name": text,
            "first_characters": text[:8],
            "last_characters": "",
            "scopes": list(LEGACY_KEYS[text]),
            "created_by_label": "DATAXPIPE_LEGACY_KEYS",
            "created_by_kind": "system",
        }
        api_key, is_new = ApiKey.objects.get_or_create(digest=keys.digest(text), defaults=row)
        if is_new:
            audit.record(Action.API_KEY_CREATED, Actor.system("DATAXPIPE_LEGACY_KEYS"), target=api_key)
