"""Keyless CI: which platform's tokens an organization trusts, and the exchange of such a token for a key of minutes."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from dataxpipe.outbound import OutboundRefused, require_address
from dataxpipe.problems import Conflict, FieldError, NotFound, ValidationFailed
from orgs import audit, issuers
from orgs.actors import Actor
from orgs.audit import Action
from orgs.issuers import Token, TokenRefused
from orgs.models import ApiKey, TrustedPublisher, UsedToken, User
from orgs.permissions import SCOPES
from orgs.services.api_keys import IssuedKey, Limits, issue_key, require_not_wider, revoke_api_key
from orgs.services.organizations import lock_organization
from orgs.standing import require_standing
from orgs.subject_patterns import defect_of, matches
from orgs.tenancy import current_organization, tenant_scope
from orgs.throttling import Allowance

KEY_LIVES = datetime.timedelta(minutes=15)
MOST_PUBLISHERS = 50
USED_TOKENS_KEPT = datetime.timedelta(hours=1)
ENDED_KEYS_KEPT = datetime.timedelta(days=7)


class PublisherExists(Conflict):
    slug = "publisher-exists"
    title = "The publisher is trusted already"
    about = "Issuer, audience and subject pattern are trusted once in an organization. Change the one that is there."


class TooManyPublishers(Conflict):
    slug = "too-many-publishers"
    title = "Too many trusted publishers"
    about = "An organization has at most 50. One pattern with a wildcard can stand for many repositories."


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose tokens are exchanged, and for what."""

    name: str
    issuer: str
    audience: str
    subject_pattern: str
    scopes: Collection[str]
    allowed_namespaces: Collection[str] = ()

    @classmethod
    def of(cls, publisher: TrustedPublisher) -> Trust:
        return cls(**_remembered(publisher))


def create_publisher(*, trust: Trust, actor: Actor, created_by: User | None = None) -> TrustedPublisher:
    """In the organization's scope. Raises `ValidationFailed`, `KeyTooWide`, `PublisherExists`, `TooManyPublishers`."""
    _require_sound(trust, actor)
    organization = lock_organization(current_organization())
    if organization.trusted_publishers.count() >= MOST_PUBLISHERS:
        raise TooManyPublishers(f"{organization.slug} has {MOST_PUBLISHERS} trusted publishers.")
    publisher = TrustedPublisher(organization=organization, created_by=created_by, created_by_label=actor.label)
    _save(publisher, trust)
    audit.record(Action.TRUSTED_PUBLISHER_CREATED, actor, target=publisher, after=_remembered(publisher))
    return publisher


def update_publisher(*, publisher: TrustedPublisher, trust: Trust, actor: Actor) -> TrustedPublisher:
    """Counts from the next exchange on; keys that were exchanged before live out their minutes."""
    _require_sound(trust, actor)
    publisher = _locked(publisher)
    # Whoever may not make such a publisher may not turn one to their own tokens either.
    _require_may_make(publisher.scopes, publisher.allowed_namespaces, actor)
    before = _remembered(publisher)
    _save(publisher, trust)
    if before != (after := _remembered(publisher)):
        changed = [name for name in after if before[name] != after[name]]
        old, new = ({name: side[name] for name in changed} for side in (before, after))
        audit.record(Action.TRUSTED_PUBLISHER_UPDATED, actor, target=publisher, before=old, after=new)
    return publisher


def delete_publisher(*, publisher: TrustedPublisher, actor: Actor) -> None:
    """The keys that were exchanged by it stop at once."""
    publisher = _locked(publisher)
    for api_key in publisher.organization.api_keys.usable().filter(publisher=publisher):
        revoke_api_key(api_key=api_key, actor=actor)
    audit.record(Action.TRUSTED_PUBLISHER_DELETED, actor, target=publisher, before=_remembered(publisher))
    publisher.delete()


def exchange_token(*, text: str, slug: str, visitor: Actor, scopes: Collection[str] | None = None) -> IssuedKey:
    """A key of 15 minutes with the publisher's scopes, or fewer. Outside any scope; raises `TokenRefused`,
    and what the organization's status and budget of requests refuse.

    An unknown organization is answered as one that does not trust the token.
    """
    claims = issuers.unverified_claims(text)
    publishers = TrustedPublisher.objects.filter(organization__slug=slug, issuer=claims["iss"])
    candidates = list(publishers.select_related("organization").order_by("created_at"))
    if not candidates:
        raise _not_trusted(slug, claims)
    token = issuers.verify(text, issuer=claims["iss"], audiences={one.audience for one in candidates})
    fitting = [one for one in candidates if _fits(one, token, scopes)]
    if not fitting:
        raise _not_trusted(slug, claims)
    publisher = fitting[0]
    require_standing(publisher.organization, changes=True)
    Allowance(publisher.organization).draw_request()
    with tenant_scope(publisher.organization):
        return _issue(publisher, token, scopes, visitor)


def forget_exchanged() -> None:
    """The worker's daily round, over all organizations: tokens that have ended, and keys that ended a week ago."""
    now = timezone.now()
    UsedToken.objects.filter(expires_at__lt=now - USED_TOKENS_KEPT).delete()
    ApiKey.objects.filter(created_by_kind="publisher", expires_at__lt=now - ENDED_KEYS_KEPT).delete()


def _issue(publisher: TrustedPublisher, token: Token, scopes: Collection[str] | None, visitor: Actor) -> IssuedKey:
    try:
        publisher = _locked(publisher)
    except NotFound:
        raise _not_trusted(publisher.organization.slug, token.claims) from None
    if not _fits(publisher, token, scopes):
        raise _not_trusted(publisher.organization.slug, token.claims)
    _use_up(token)
    limits = Limits(
        scopes=publisher.scopes if scopes is None else scopes,
        expires_at=timezone.now() + KEY_LIVES,
        allowed_namespaces=publisher.allowed_namespaces,
    )
    actor = visitor.as_publisher(publisher)
    issued = issue_key(name=publisher.name, limits=limits, actor=actor, publisher=publisher)
    publisher.last_used_at, publisher.last_subject = timezone.now(), token.subject
    publisher.save(update_fields=["last_used_at", "last_subject"])
    after = {"key": issued.api_key.hint, "scopes": issued.api_key.scopes, "issuer": token.issuer}
    after |= {"subject": token.subject, "token_id": str(token.claims.get("jti", ""))[:200]}
    audit.record(Action.API_KEY_EXCHANGED, actor, target=issued.api_key, after=after)
    return issued


def _use_up(token: Token) -> None:
    """Of two who come with the same token at once one waits here for the other, and is refused."""
    try:
        with transaction.atomic():
            UsedToken.objects.create(identity=token.identity, expires_at=token.expires_at)
    except IntegrityError:
        raise TokenRefused("This token was exchanged before. Ask the CI platform for a new one.") from None


def _fits(publisher: TrustedPublisher, token: Token, scopes: Collection[str] | None) -> bool:
    audiences = token.claims["aud"] if isinstance(token.claims["aud"], list) else [token.claims["aud"]]
    return (
        publisher.issuer == token.issuer
        and publisher.audience in audiences
        and matches(publisher.subject_pattern, token.subject)
        and (scopes is None or set(scopes) <= set(publisher.scopes))
    )


def _not_trusted(slug: str, claims: Any) -> TokenRefused:
    """Says of the token what its sender knows anyway, and of the organization nothing."""
    told = {name: str(claims.get(claim, ""))[:1000] for name, claim in _TOLD.items()}
    return TokenRefused(f"No trusted publisher of {slug} fits this token and what it asks for.", **told)


_TOLD = {"issuer": "iss", "audience": "aud", "subject": "sub"}


def _locked(publisher: TrustedPublisher) -> TrustedPublisher:
    publishers = current_organization().trusted_publishers.select_related("organization")
    locked = publishers.select_for_update(of=("self",), no_key=True).filter(pk=publisher.pk).first()
    if locked is None:
        raise NotFound("No trusted publisher of this organization has this id.")
    return locked


def _save(publisher: TrustedPublisher, trust: Trust) -> None:
    for name, value in asdict(trust).items():
        setattr(publisher, name, list(value) if name in {"scopes", "allowed_namespaces"} else value)
    publisher.scopes = sorted(set(publisher.scopes), key=SCOPES.index)
    try:
        with transaction.atomic():
            publisher.save()
    except IntegrityError:
        raise PublisherExists("Another publisher has this issuer, audience and subject pattern.") from None


def _remembered(publisher: TrustedPublisher) -> dict[str, Any]:
    names = ("name", "issuer", "audience", "subject_pattern", "scopes", "allowed_namespaces")
    return {name: getattr(publisher, name) for name in names}


def _require_sound(trust: Trust, actor: Actor) -> None:
    errors = [
        FieldError("unknown", f"Scopes are {', '.join(SCOPES)}.", pointer=f"/scopes/{index}")
        for index, scope in enumerate(trust.scopes)
        if scope not in SCOPES
    ]
    if not trust.scopes:
        errors.append(FieldError("required", "A key needs at least one scope.", pointer="/scopes"))
    if defect := defect_of(trust.subject_pattern):
        errors.append(FieldError("invalid", defect, pointer="/subject_pattern"))
    if defect := _defect_of_issuer(trust.issuer):
        errors.append(FieldError("invalid", defect, pointer="/issuer"))
    if not (trust.audience.isascii() and trust.audience.isprintable()):
        errors.append(FieldError("invalid", "An audience has printable ASCII characters alone.", pointer="/audience"))
    if errors:
        raise ValidationFailed("The publisher cannot be trusted like this.", errors=errors)
    _require_may_make(trust.scopes, trust.allowed_namespaces, actor)


def _require_may_make(scopes: Collection[str], namespaces: Collection[str], actor: Actor) -> None:
    """A publisher makes keys for good: a key that ends, or is bound to addresses, makes none."""
    require_not_wider(Limits(scopes=scopes, allowed_namespaces=namespaces), actor)


def _defect_of_issuer(issuer: str) -> str | None:
    try:
        scheme, *_ = require_address(issuer)
    except OutboundRefused as reason:
        return str(reason)
    if scheme != "https" and not settings.OUTBOUND_ALLOWED:
        return "An issuer begins with https://."
    return "An issuer has neither ? nor #." if "?" in issuer or "#" in issuer else None
