"""Sealing plain connection secrets: AES-256-GCM with a data key per organization, itself wrapped by a master key.

The additional data binds a sealed value to its organization, connection and field: copied elsewhere it does
not open. A data key is wrapped by the master key it is named after (`DATAXPIPE_ENCRYPTION_KEYS`); when a new
master key is put first, new secrets get a new data key, old ones stay readable, and `reseal_secrets()` moves
them over so that the old master key can be dropped.
"""

from __future__ import annotations

import secrets
import uuid

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from catalog.models import ConnectionSecret, DataKey
from dataxpipe.keyring import active_key_id, derived_key
from orgs.tenancy import current_organization

NONCE_BYTES, KEY_BYTES = 12, 32


def seal(text: str, *, connection_id: uuid.UUID, field: str) -> tuple[str, bytes]:
    """The name of the key and the sealed value, nonce first."""
    key_id = active_key_id()
    _ensure_data_key(key_id)
    sealed = _encrypt(_data_key(key_id), text.encode(), _place(connection_id, field))
    return key_id, sealed


def unseal(secret: ConnectionSecret) -> str:
    """The plain secret. Raises `UnknownMasterKey`, or `InvalidTag` of cryptography when it was moved or changed."""
    key = _data_key(secret.key_id)
    return _decrypt(key, bytes(secret.sealed), _place(secret.connection_id, secret.field)).decode()


def reseal_secrets() -> int:
    """Seals the organization's secrets with the active master key and drops the other data keys; says how many."""
    outdated = list(ConnectionSecret.objects.exclude(key_id=active_key_id()).select_for_update())
    for secret in outdated:
        text = unseal(secret)
        secret.key_id, secret.sealed = seal(text, connection_id=secret.connection_id, field=secret.field)
    ConnectionSecret.objects.bulk_update(outdated, ["key_id", "sealed"])
    DataKey.objects.exclude(key_id=active_key_id()).delete()
    return len(outdated)


def _data_key(key_id: str) -> bytes:
    row = DataKey.objects.get(key_id=key_id)
    return _decrypt(_wrapping_key(key_id), bytes(row.wrapped), _owner())


def _ensure_data_key(key_id: str) -> None:
    """Makes the organization's data key of this master key unless it, or someone faster, has done so before."""
    if not DataKey.objects.filter(key_id=key_id).exists():
        wrapped = _encrypt(_wrapping_key(key_id), secrets.token_bytes(KEY_BYTES), _owner())
        DataKey.objects.bulk_create([DataKey(key_id=key_id, wrapped=wrapped)], ignore_conflicts=True)


def _wrapping_key(key_id: str) -> bytes:
    return derived_key(key_id, "wrapping of data keys")


def _owner() -> bytes:
    return f"organization {current_organization().pk}".encode()


def _place(connection_id: uuid.UUID, field: str) -> bytes:
    return b"\0".join([_owner(), str(connection_id).encode(), field.encode()])


def _encrypt(key: bytes, plain: bytes, additional: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, additional)


def _decrypt(key: bytes, sealed: bytes, additional: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], additional)
