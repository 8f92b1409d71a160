"""Tokens of OpenID issuers (CI platforms, identity providers): which keys they sign with, and whether a token holds.

Only issuers that an admin or the operator has named are ever asked. Their keys are kept for an hour in each process;
a key id that is not known asks again, at most once a minute, because issuers change keys without notice.
"""

from __future__ import annotations

import datetime
import hashlib
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from dataxpipe.outbound import OutboundRefused, get_json
from dataxpipe.problems import NotAuthenticated, ServiceUnavailable

# Asymmetric only: with a shared secret, or none, whoever knows the public key could sign.
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
MAX_TOKEN_CHARACTERS = 16 * 1024
LEEWAY_SECONDS = 30
LONGEST_LIFE = datetime.timedelta(hours=24)
KEYS_KEPT_SECONDS = 3600
ASKED_AGAIN_AFTER_SECONDS = 60
LEAST_RSA_BITS = 2048
KEPT_IN_NEED_SECONDS = 24 * 3600
MOST_ISSUERS = 1_000
# Of a process's 16 threads: issuers that are slow on purpose do not hold them all.
ASKING_AT_ONCE = 4
TURN_COMES_WITHIN_SECONDS = 0.5
# What PyJWT raises, also where a claim is of a type it did not think of.
MALFORMED = (jwt.PyJWTError, ValueError, TypeError, OverflowError, AttributeError, RecursionError)
DISCOVERY = "/.well-known/openid-configuration"


class TokenRefused(NotAuthenticated):
    slug = "token-refused"
    title = "The token is not accepted"
    about = (
        "A token of an identity provider or CI platform holds when it is signed by its issuer with an asymmetric key, "
        "is meant for this server, has not ended, and is trusted by the organization."
    )


@dataclass(frozen=True, slots=True)
class Token:
    """A token that holds: its claims, and what it is recognized by when it comes again."""

    issuer: str
    subject: str
    claims: Mapping[str, Any]
    expires_at: datetime.datetime
    identity: bytes


@dataclass(slots=True)
class _Issuer:
    document: dict[str, Any] = field(default_factory=dict)
    keys: dict[str | None, jwt.PyJWK] = field(default_factory=dict)
    asked_at: float = float("-inf")
    answered_at: float = float("-inf")
    failure: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


_issuers: dict[str, _Issuer] = {}
_turns = threading.BoundedSemaphore(ASKING_AT_ONCE)


def unverified_claims(text: str) -> dict[str, Any]:
    """What the token says of itself, an issuer at least, for finding out who might trust it. Proves nothing."""
    if len(text) > MAX_TOKEN_CHARACTERS:
        raise TokenRefused("The token is longer than 16 kB.")
    try:
        claims: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
    except MALFORMED:
        raise TokenRefused("This is no JSON Web Token.") from None
    if not isinstance(claims.get("iss"), str):
        raise TokenRefused("The token names no issuer.")
    _require_text(claims)
    return claims


def verify(text: str, *, issuer: str, audiences: Collection[str]) -> Token:
    """The token, if this issuer signed it for one of these audiences and it holds now; raises `TokenRefused`."""
    key = _signing_key(text, issuer)
    try:
        claims = jwt.decode(
            text,
            key,
            algorithms=[key.algorithm_name],
            issuer=issuer,
            audience=list(audiences),
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "aud", "exp", "iat", "sub"]},
        )
    except MALFORMED as error:
        raise TokenRefused(f"The token does not hold: {_in_words(error)}") from None
    _require_text(claims)
    subject, issued_at, ends_at = claims["sub"], claims["iat"], claims["exp"]
    if not isinstance(subject, str) or not 0 < len(subject) <= 1000:
        raise TokenRefused("The token has no usable subject.")
    if not all(type(moment) in {int, float} for moment in (issued_at, ends_at)):
        raise TokenRefused("The times of the token are no numbers.")
    if ends_at - issued_at > LONGEST_LIFE.total_seconds():
        raise TokenRefused("The token lives longer than a day.")
    expires_at = datetime.datetime.fromtimestamp(ends_at, datetime.UTC)
    return Token(issuer, subject, claims, expires_at, _identity(text, claims))


def forget_keys() -> None:
    """For tests: the next token asks its issuer."""
    _issuers.clear()


def _signing_key(text: str, issuer: str) -> jwt.PyJWK:
    try:
        header = jwt.get_unverified_header(text)
    except MALFORMED:
        raise TokenRefused("This is no JSON Web Token.") from None
    if not isinstance(header.get("alg"), str) or header["alg"] not in ALGORITHMS:
        raise TokenRefused("The token is not signed with an asymmetric algorithm.")
    key = _key_of(issuer, header.get("kid"))
    if key.algorithm_name != header["alg"]:
        raise TokenRefused("The token is signed with another algorithm than its issuer's key is for.")
    return key


def discovered(issuer: str) -> Mapping[str, Any]:
    """What the issuer says of itself: its endpoints. Raises `TokenRefused` while it cannot be had."""
    known = _known(issuer)
    _bring_up_to_date(known, issuer, is_wanting=False)
    return known.document


def _key_of(issuer: str, key_id: str | None) -> jwt.PyJWK:
    known = _known(issuer)
    _bring_up_to_date(known, issuer, is_wanting=key_id not in known.keys)
    key = known.keys.get(key_id)
    if key is None:
        raise TokenRefused(f"{issuer} has no such key.")
    return key


def _bring_up_to_date(known: _Issuer, issuer: str, *, is_wanting: bool) -> None:
    """One thread asks an issuer and others wait for it, few in all; whom the old keys serve waits for nobody."""
    age = time.monotonic() - known.answered_at
    if age <= KEYS_KEPT_SECONDS and not is_wanting:
        return
    if not _turns.acquire(timeout=TURN_COMES_WITHIN_SECONDS):
        if is_wanting or age > KEPT_IN_NEED_SECONDS:
            raise ServiceUnavailable("Several issuers are being asked for their keys. Repeat this in a moment.")
        return
    try:
        with known.lock:
            _refresh(known, issuer, is_wanting=is_wanting)
    finally:
        _turns.release()


def _known(issuer: str) -> _Issuer:
    if len(_issuers) >= MOST_ISSUERS:
        _issuers.clear()
    return _issuers.setdefault(issuer, _Issuer())


def _refresh(known: _Issuer, issuer: str, *, is_wanting: bool) -> None:
    """What was answered holds for an hour, for a day while the issuer is away; a key that is wanting asks anew."""
    now = time.monotonic()
    is_stale = now - known.answered_at > KEYS_KEPT_SECONDS
    if (is_stale or is_wanting) and now - known.asked_at > ASKED_AGAIN_AFTER_SECONDS:
        known.asked_at = now
        try:
            known.document = _fetch_document(issuer)
            known.keys, known.failure, known.answered_at = _fetch_keys(known.document), "", now
        except OutboundRefused as reason:
            known.failure = str(reason)
    if now - known.answered_at > KEPT_IN_NEED_SECONDS:
        raise TokenRefused(f"The keys of {issuer} cannot be had: {known.failure}")


def _fetch_document(issuer: str) -> dict[str, Any]:
    document = get_json(issuer.rstrip("/") + DISCOVERY)
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise OutboundRefused("its discovery document names another issuer.")
    return document


def _fetch_keys(document: Mapping[str, Any]) -> dict[str | None, jwt.PyJWK]:
    """By key id; the only key also stands under None, for issuers that name none. Raises `OutboundRefused`."""
    address = document.get("jwks_uri")
    if not isinstance(address, str):
        raise OutboundRefused("its discovery document names no keys.")
    answer = get_json(address)
    listed = answer.get("keys") if isinstance(answer, dict) else None
    if not isinstance(listed, list):
        raise OutboundRefused("its keys are no key set.")
    usable = [(entry.get("kid"), key) for entry in listed if isinstance(entry, dict) and (key := _usable(entry))]
    keys: dict[str | None, jwt.PyJWK] = {key_id: key for key_id, key in usable if isinstance(key_id, str)}
    return keys | ({None: usable[0][1]} if len(usable) == 1 else {})


def _usable(entry: dict[str, Any]) -> jwt.PyJWK | None:
    """A public key for signatures; None for secrets, for keys to encrypt with, and for short ones."""
    if entry.get("kty") not in {"RSA", "EC", "OKP"} or entry.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(entry)
    except (*MALFORMED, LookupError, NotImplementedError):
        return None
    if key.algorithm_name not in ALGORITHMS:
        return None
    is_short = isinstance(key.key, RSAPublicKey) and key.key.key_size < LEAST_RSA_BITS
    return None if is_short else key


def _require_text(claims: Mapping[str, Any]) -> None:
    """JSON can escape what no database and no answer takes: NUL, and halves of surrogate pairs."""
    audiences = claims["aud"] if isinstance(claims.get("aud"), list) else [claims.get("aud")]
    told = [*(claims.get(name) for name in ("iss", "sub", "jti")), *audiences]
    if not all(text.isprintable() for text in told if isinstance(text, str)):
        raise TokenRefused("The token names somebody with characters that cannot be printed.")


def _in_words(error: Exception) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "it has ended."
        case jwt.ImmatureSignatureError():
            return "its time has not come yet."
        case jwt.InvalidAudienceError():
            return "it is meant for somebody else."
        case jwt.InvalidIssuerError():
            return "another issuer made it."
        case jwt.MissingRequiredClaimError():
            return f"it lacks {error.claim}."
        case jwt.InvalidSignatureError():
            return "its signature is wrong."
    return "it is malformed."


def _identity(text: str, claims: Mapping[str, Any]) -> bytes:
    """Of the same token however often it comes: by its id, else by what is signed. Signatures can be bent."""
    token_id = claims.get("jti")
    named = token_id if isinstance(token_id, str) and token_id else text.rpartition(".")[0]
    return hashlib.sha256(f"{claims['iss']}\0{named}".encode()).digest()
