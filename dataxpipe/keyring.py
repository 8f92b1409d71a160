"""Keys made from the listed master keys: one per purpose, so that no two uses ever share one (RFC 5869)."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class UnknownMasterKey(LookupError):
    """Something was sealed with a master key that `DATAXPIPE_ENCRYPTION_KEYS` no longer lists."""


def active_key_id() -> str:
    """The id of the master key that new things are sealed with."""
    return next(iter(settings.ENCRYPTION_KEYS))


def derived_key(key_id: str, purpose: str) -> bytes:
    """32 bytes for one purpose, e.g. `audit chain of organization 7`; raises `UnknownMasterKey`."""
    try:
        master = settings.ENCRYPTION_KEYS[key_id]
    except KeyError:
        raise UnknownMasterKey(key_id) from None
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"dataxpipe {purpose}".encode()).derive(master)
