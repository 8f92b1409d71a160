"""Codes of authenticator apps (TOTP, RFC 6238) and recovery codes: made, drawn, sealed, compared. No database.

SHA-1, six digits and half a minute are what every authenticator app understands; others are ignored by many.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from hmac import compare_digest

import segno
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from dataxpipe.keyring import active_key_id, derived_key

ISSUER = "DataXPipe"
SECRET_BYTES, DIGITS, STEP_SECONDS = 20, 6, 30
# Steps before and after the present one whose codes are taken: clocks differ, and typing takes a while.
DRIFT = 1
NONCE_BYTES = 12
PURPOSE = "second factors"
RECOVERY_CODES = 10
# 16 letters and digits that are not mistaken for each other: 79 random bits.
ALPHABET, GROUPS, GROUP = "abcdefghjkmnpqrstuvwxyz23456789", 4, 4


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def typed(secret: bytes) -> str:
    """The secret as somebody types it into an app: base32 in groups of four."""
    text = base64.b32encode(secret).decode()
    return " ".join(text[first : first + 4] for first in range(0, len(text), 4))


def provisioning_uri(secret: bytes, account: str) -> str:
    """What the QR code holds (the `otpauth://` of the common apps)."""
    return _totp(secret).get_provisioning_uri(account, ISSUER)


def qr_code(text: str) -> str:
    """An SVG without any style, dark on white whatever the page's colours: scanners want it so."""
    return segno.make(text, error="m").svg_inline(border=3, light="#fff", omitsize=True, svgclass="qr", lineclass=None)


def matching_step(secret: bytes, code: str, now: float) -> int | None:
    """The half minute that the code belongs to, if it is at most one away from now (seconds since 1970)."""
    present = int(now) // STEP_SECONDS
    for step in range(present - DRIFT, present + DRIFT + 1):
        if compare_digest(code_of_step(secret, step).encode(), code.encode()):
            return step
    return None


def code_of_step(secret: bytes, step: int) -> str:
    return _totp(secret).generate(step * STEP_SECONDS).decode()


def new_recovery_codes() -> list[str]:
    return ["-".join(_group() for _ in range(GROUPS)) for _ in range(RECOVERY_CODES)]


def recovery_digest(code: str) -> str:
    """The codes are as random as keys, so a plain hash keeps them."""
    return hashlib.sha256(code.replace("-", "").encode()).hexdigest()


def seal(secret: bytes, person_id: int) -> tuple[str, bytes]:
    """The name of the master key and the sealed secret, nonce first; it opens for this person alone."""
    key_id, nonce = active_key_id(), secrets.token_bytes(NONCE_BYTES)
    return key_id, nonce + _cipher(key_id).encrypt(nonce, secret, _place(person_id))


def unseal(key_id: str, sealed: bytes, person_id: int) -> bytes:
    """Raises `UnknownMasterKey`, or `InvalidTag` of cryptography when it was moved or changed."""
    return _cipher(key_id).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _place(person_id))


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303  RFC 6238's own, see above


def _group() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(GROUP))


def _cipher(key_id: str) -> AESGCM:
    return AESGCM(derived_key(key_id, PURPOSE))


def _place(person_id: int) -> bytes:
    return f"person {person_id}".encode()
