"""Who does something: a person, an API key, an operator of the platform, or the system itself."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from django.conf import settings

from orgs.permissions import Right, Role, role_may

if TYPE_CHECKING:
    from django.http import HttpRequest

    from orgs.models import ApiKey, PlatformKey, TrustedPublisher, User

OPERATORS = frozenset({"platform", "staff"})


@dataclass(frozen=True, slots=True)
class Actor:
    """Kind is `person`, `api_key`, `publisher` (a CI run), `platform` (a platform key), `staff` or `system`; what is
    known of the request is for the audit."""

    kind: str
    id: str
    label: str
    role: Role | None = None
    scopes: frozenset[str] = frozenset()
    ip_address: str | None = None
    user_agent: str = ""
    request_id: str = ""
    api_key: ApiKey | None = field(default=None, compare=False)

    def may(self, right: Right) -> bool:
        if self.kind == "system":
            return True
        if self.kind == "api_key":
            return right.value in self.scopes
        if self.role is not None:
            return role_may(self.role, right)
        return self.is_operator and right is Right.OPERATE

    @property
    def is_operator(self) -> bool:
        return self.kind in OPERATORS

    @property
    def is_editor(self) -> bool:
        """For templates: whether to show what leads to registering."""
        return self.may(Right.WRITE_CATALOG)

    @property
    def is_admin(self) -> bool:
        """For templates: whether to show what leads to the settings."""
        return self.may(Right.ADMINISTER)

    @classmethod
    def system(cls, label: str) -> Actor:
        return cls(kind="system", id="", label=label)

    @classmethod
    def visitor(cls, request: HttpRequest) -> Actor:
        """Somebody who is nobody yet, on the way to signing up."""
        return cls(kind="person", id="", label="", **_circumstances(request))

    def signed_up_as(self, user: User, role: Role) -> Actor:
        return replace(self, id=str(user.pk), label=user.label, role=role)

    def signed_in_as(self, user: User) -> Actor:
        """Somebody who proved by a mailed link to be this person."""
        return replace(self, id=str(user.pk), label=user.label)

    def as_publisher(self, publisher: TrustedPublisher) -> Actor:
        """A CI run that proved by its platform's token to be one the organization trusts."""
        return replace(self, kind="publisher", id=str(publisher.pk), label=publisher.name)

    @classmethod
    def of_person(cls, user: User, role: Role | None, request: HttpRequest) -> Actor:
        return cls(kind="person", id=str(user.pk), label=user.label, role=role, **_circumstances(request))

    @classmethod
    def of_key(cls, api_key: ApiKey, request: HttpRequest) -> Actor:
        return cls(
            kind="api_key",
            id=str(api_key.pk),
            label=api_key.name,
            scopes=frozenset(api_key.scopes),
            api_key=api_key,
            **_circumstances(request),
        )

    @classmethod
    def of_platform_key(cls, platform_key: PlatformKey, request: HttpRequest) -> Actor:
        label = f"platform key {platform_key.name}"
        return cls(kind="platform", id=str(platform_key.pk), label=label, **_circumstances(request))

    @classmethod
    def of_staff(cls, user: User, request: HttpRequest, *, role: Role | None = None) -> Actor:
        """An operator in the browser; inside an organization with the role of a viewer."""
        return cls(kind="staff", id=str(user.pk), label=user.label, role=role, **_circumstances(request))


def _circumstances(request: HttpRequest) -> dict[str, Any]:
    return {
        "ip_address": client_address(request),
        "user_agent": request.headers.get("User-Agent", "")[:400],
        "request_id": getattr(request, "request_id", ""),
    }


def client_address(request: HttpRequest) -> str | None:
    """The caller's address. `X-Forwarded-For` is believed only as far as trusted proxies wrote it.

    Each proxy appends the address it heard from, so the list is read from its end, and the first address that
    is no trusted proxy is the caller.
    """
    address: str | None = _without_zone(request.META.get("REMOTE_ADDR") or "") or None
    for forwarded in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        if not _is_trusted_proxy(address):
            return address
        address = _as_address(forwarded) or address
    return address


def _is_trusted_proxy(address: str | None) -> bool:
    if not settings.TRUSTED_PROXIES:
        return False
    if address is None:
        return True  # a unix socket, which only the proxy on this machine can reach
    ip = ipaddress.ip_address(address)
    return any(ip in network for network in settings.TRUSTED_PROXIES)


def _as_address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(_without_zone(text.strip())))
    except ValueError:
        return None


def _without_zone(address: str) -> str:
    """Link-local IPv6 addresses come as fe80::1%eth0, which PostgreSQL does not know."""
    return address.partition("%")[0]
