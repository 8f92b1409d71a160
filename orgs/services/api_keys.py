"""Making, rotating and ending API keys, in the scope of their organization.

The text of a key exists once, in the answer to whoever made it; only its digest is kept.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils import timezone

from dataxpipe.postgres.fields import first_uuid7
from dataxpipe.problems import Conflict, FieldError, Forbidden, ValidationFailed
from orgs import audit, keys
from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import ApiKey, AuditEvent, TrustedPublisher, User
from orgs.permissions import SCOPES
from orgs.services.key_warnings import mark_warnings
from orgs.tenancy import current_organization, tenant_scope

DEFAULT_OVERLAP = datetime.timedelta(hours=24)
LONGEST_OVERLAP = datetime.timedelta(days=30)
REUSE_REPORTED_EVERY = datetime.timedelta(hours=1)
# "In 90 days", said by a client whose clock is ahead.
CLOCK_TOLERANCE = datetime.timedelta(minutes=5)


class KeyHasEnded(Conflict):
    slug = "key-has-ended"
    title = "The key no longer works"
    about = "A revoked or expired key cannot be rotated. Make a new one."


class KeyAlreadyRotated(Conflict):
    slug = "key-already-rotated"
    title = "The key has a successor already"
    about = "A key is rotated once: rotate its successor, or end the overlap."


class KeyNotRotatable(Conflict):
    slug = "key-not-rotatable"
    title = "The key is not rotated"
    about = "A key that was exchanged for a CI platform's token lives for minutes and gets no successor."


class KeyNotRotating(Conflict):
    slug = "key-not-rotating"
    title = "The key is not being rotated"
    about = "Only a rotated key whose overlap still runs can be ended early; revoke other keys."


class KeyTooWide(Forbidden):
    slug = "key-too-wide"
    title = "A key cannot make a wider key"
    about = "What a key makes has at most its own scopes, addresses, namespaces and end."


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key may do, from where, for which jobs, until when. Empty and None are without limit."""

    scopes: Collection[str]
    expires_at: datetime.datetime | None = None
    allowed_cidrs: Collection[str] = ()
    allowed_namespaces: Collection[str] = ()
    namespace_map: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key at the one moment its text is known."""

    api_key: ApiKey
    text: str


def create_api_key(*, name: str, limits: Limits, actor: Actor, created_by: User | None = None) -> IssuedKey:
    """Raises `ValidationFailed`, and `KeyTooWide` when a key asks for more than it has itself."""
    limits = within_maximum_age(limits)
    _require_sound(limits)
    require_not_wider(limits, actor)
    issued = issue_key(name=name, limits=limits, actor=actor, created_by=created_by)
    audit.record(Action.API_KEY_CREATED, actor, target=issued.api_key, after=_remembered(issued.api_key))
    return issued


def rotate_api_key(
    *,
    api_key: ApiKey,
    actor: Actor,
    overlap: datetime.timedelta = DEFAULT_OVERLAP,
    created_by: User | None = None,
) -> IssuedKey:
    """A successor with the same name and limits; the old key works on for the overlap, 0 to 30 days.

    A key that had an end gets a successor with the same span of life, within the organization's maximum.
    Raises `KeyNotRotatable`, `KeyHasEnded`, `KeyAlreadyRotated`, `KeyTooWide`, `ValidationFailed`.
    """
    if not datetime.timedelta() <= overlap <= LONGEST_OVERLAP:
        raise ValidationFailed(
            "The overlap is 0 to 30 days.",
            errors=[FieldError("invalid", "0 to 2592000 seconds.", pointer="/overlap_seconds")],
        )
    api_key = _locked(api_key)
    if api_key.created_by_kind == "publisher":
        raise KeyNotRotatable("The key of a CI run is exchanged anew, with a new token of the CI platform.")
    if not api_key.is_usable:
        raise KeyHasEnded(f"{api_key} no longer works. Make a new key.")
    if api_key.successor_id is not None:
        raise KeyAlreadyRotated(f"{api_key} was rotated before. Rotate its successor.")
    now = timezone.now()
    limits = _limits_of_successor(api_key, now)
    require_not_wider(limits, actor)
    issued = issue_key(name=api_key.name, limits=limits, actor=actor, created_by=created_by)
    ends_at = now + overlap
    api_key.successor = issued.api_key
    api_key.expires_at = min(api_key.expires_at, ends_at) if api_key.expires_at else ends_at
    if not overlap:
        api_key.warned_days = 0
    api_key.save(update_fields=["successor", "expires_at", "warned_days"])
    mark_warnings(api_key)
    after = {"successor": str(issued.api_key.pk), "successor_key": issued.api_key.hint}
    after["overlap_ends_at"] = api_key.expires_at.isoformat()
    audit.record(Action.API_KEY_ROTATED, actor, target=api_key, after=after)
    return issued


def end_overlap(*, api_key: ApiKey, actor: Actor) -> ApiKey:
    """The old key of a rotation stops now. Raises `KeyNotRotating`."""
    api_key = _locked(api_key)
    if not api_key.is_rotating:
        raise KeyNotRotating(f"{api_key} has no overlap that could be ended.")
    before = {"overlap_ends_at": api_key.expires_at.isoformat() if api_key.expires_at else None}
    api_key.expires_at, api_key.warned_days = timezone.now(), 0
    api_key.save(update_fields=["expires_at", "warned_days"])
    audit.record(Action.API_KEY_OVERLAP_ENDED, actor, target=api_key, before=before)
    return api_key


def revoke_api_key(*, api_key: ApiKey, actor: Actor) -> ApiKey:
    """From the next request on the key is refused; revoking it again changes nothing."""
    api_key = _locked(api_key)
    if api_key.revoked_at is None:
        api_key.revoked_at = timezone.now()
        api_key.save(update_fields=["revoked_at"])
        audit.record(Action.API_KEY_REVOKED, actor, target=api_key, before=_remembered(api_key))
    return api_key


def note_reuse(*, api_key: ApiKey, actor: Actor) -> None:
    """Somebody still sends a key that has ended: remembered once an hour a key. Outside any scope."""
    with tenant_scope(api_key.organization):
        if _is_reuse_known(api_key):
            return
        _locked(api_key)
        if not _is_reuse_known(api_key):
            audit.record(Action.API_KEY_REUSE_DETECTED, actor, target=api_key)


def _is_reuse_known(api_key: ApiKey) -> bool:
    since = first_uuid7(timezone.now() - REUSE_REPORTED_EVERY)
    reuse = AuditEvent.objects.filter(action=Action.API_KEY_REUSE_DETECTED.value, target_id=str(api_key.pk))
    is_known: bool = reuse.filter(id__gte=since).exists()
    return is_known


def issue_key(
    *,
    name: str,
    limits: Limits,
    actor: Actor,
    created_by: User | None = None,
    publisher: TrustedPublisher | None = None,
) -> IssuedKey:
    """The row and the text of a key, for services that have decided that it may be made and remember it."""
    new = keys.generate()
    api_key = ApiKey.objects.create(
        organization=current_organization(),
        name=name,
        digest=new.digest,
        first_characters=new.first_characters,
        last_characters=new.last_characters,
        scopes=sorted(limits.scopes, key=SCOPES.index),
        allowed_cidrs=list(limits.allowed_cidrs),
        allowed_namespaces=list(limits.allowed_namespaces),
        namespace_map=dict(limits.namespace_map),
        expires_at=limits.expires_at,
        created_by=created_by,
        created_by_label=actor.label,
        created_by_kind=actor.kind,
        publisher=publisher,
    )
    mark_warnings(api_key)
    return IssuedKey(api_key, new.text)


def within_maximum_age(limits: Limits) -> Limits:
    """With the organization's latest end where none was given; raises `ValidationFailed` for a later one."""
    max_age = current_organization().max_key_age
    if max_age is None:
        return limits
    latest = timezone.now() + max_age
    if limits.expires_at is None:
        return replace(limits, expires_at=latest)
    if limits.expires_at > latest + CLOCK_TOLERANCE:
        detail = f"Keys of this organization live at most {max_age.days} days: end before {latest:%Y-%m-%dT%H:%MZ}."
        raise ValidationFailed(detail, errors=[FieldError("over_age", detail, pointer="/expires_at")])
    return limits


def _limits_of_successor(api_key: ApiKey, now: datetime.datetime) -> Limits:
    max_age = current_organization().max_key_age
    spans = [api_key.expires_at - api_key.created_at] if api_key.expires_at else []
    spans += [max_age] if max_age else []
    return Limits(
        scopes=api_key.scopes,
        expires_at=now + min(spans) if spans else None,
        allowed_cidrs=api_key.allowed_cidrs,
        allowed_namespaces=api_key.allowed_namespaces,
        namespace_map=api_key.namespace_map,
    )


def _locked(api_key: ApiKey) -> ApiKey:
    return current_organization().api_keys.select_for_update(no_key=True).get(pk=api_key.pk)


def _remembered(api_key: ApiKey) -> dict[str, Any]:
    return {
        "key": api_key.hint,
        "scopes": api_key.scopes,
        "expires_at": api_key.expires_at.isoformat() if api_key.expires_at else None,
        "allowed_cidrs": api_key.allowed_cidrs,
        "allowed_namespaces": api_key.allowed_namespaces,
        "namespace_map": api_key.namespace_map,
    }


def _require_sound(limits: Limits) -> None:
    errors = [
        FieldError("unknown", f"Scopes are {', '.join(SCOPES)}.", pointer=f"/scopes/{index}")
        for index, scope in enumerate(limits.scopes)
        if scope not in SCOPES
    ]
    if not limits.scopes:
        errors.append(FieldError("required", "A key needs at least one scope.", pointer="/scopes"))
    if limits.expires_at is not None and limits.expires_at <= timezone.now():
        errors.append(FieldError("invalid", "The end lies in the past.", pointer="/expires_at"))
    errors += [
        FieldError("invalid", "An address range reads 10.4.0.0/16.", pointer=f"/allowed_cidrs/{index}")
        for index, cidr in enumerate(limits.allowed_cidrs)
        if _network(cidr) is None
    ]
    if errors:
        raise ValidationFailed("The key cannot be made like this.", errors=errors)


def require_not_wider(limits: Limits, actor: Actor) -> None:
    own = actor.api_key
    if actor.kind == "system" or (actor.kind == "person" and own is None):
        return
    if own is None or not set(limits.scopes) <= set(own.scopes):
        missing = sorted(set(limits.scopes) - actor.scopes)
        raise KeyTooWide(f"This key lacks {', '.join(missing)} itself.", required=missing)
    if own.expires_at and (limits.expires_at is None or limits.expires_at > own.expires_at):
        raise KeyTooWide("This key ends before the one it would make.")
    if own.allowed_namespaces and not (
        limits.allowed_namespaces and set(limits.allowed_namespaces) <= set(own.allowed_namespaces)
    ):
        raise KeyTooWide("This key is limited to fewer namespaces itself.")
    if own.allowed_cidrs and not (
        limits.allowed_cidrs and all(_is_inside(cidr, own.allowed_cidrs) for cidr in limits.allowed_cidrs)
    ):
        raise KeyTooWide("This key is limited to fewer addresses itself.")


def _is_inside(cidr: str, ranges: Collection[str]) -> bool:
    inner = _network(cidr)
    outers = (_network(outer) for outer in ranges)
    return inner is not None and any(
        outer is not None and inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]
        for outer in outers
    )


def _network(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return None
