"""Who may report leaked keys: whoever signs with a key of the secret scanner that the operator has named.

The form is that of GitHub's secret scanning partners: an ECDSA signature (P-256, SHA-256) over the raw body, and the
identifier of the key among those the scanner publishes. They are kept for an hour; an unknown identifier asks again,
at most once a minute.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings

from dataxpipe.outbound import MAX_BYTES, OutboundRefused, get_json
from dataxpipe.problems import NotAuthenticated

KEPT_SECONDS = 3600
ASKED_AGAIN_AFTER_SECONDS = 60

_lock = threading.Lock()
_keys: dict[str, EllipticCurvePublicKey] = {}
_asked_at = float("-inf")


class LeakReportRefused(NotAuthenticated):
    slug = "leak-report-refused"
    title = "The report is not signed by a known secret scanner"
    about = (
        "Reports of leaked keys are signed as GitHub's secret scanning does, by a scanner whose keys the operator has "
        "named. Nothing is said about keys to anybody else."
    )


def require_signature(body: bytes, *, key_id: str, signature: str) -> None:
    """Raises `LeakReportRefused` unless a known key has signed exactly this body."""
    key = _key(key_id)
    try:
        if key is None:
            raise InvalidSignature
        key.verify(base64.b64decode(signature, validate=True), body, ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        raise LeakReportRefused("The signature is missing, or not that of a known key.") from None


def forget_keys() -> None:
    """For tests: the next report asks for the keys."""
    global _asked_at
    _keys.clear()
    _asked_at = float("-inf")


def _key(key_id: str) -> EllipticCurvePublicKey | None:
    global _asked_at
    if not settings.LEAK_REPORT_KEYS or not key_id:
        return None
    with _lock:
        waited = time.monotonic() - _asked_at
        if waited > KEPT_SECONDS or (key_id not in _keys and waited > ASKED_AGAIN_AFTER_SECONDS):
            _asked_at = time.monotonic()
            if (published := _published()) is not None:
                _keys.clear()
                _keys.update(published)
        return _keys.get(key_id)


def _published() -> dict[str, EllipticCurvePublicKey] | None:
    """By identifier; None while they cannot be had, and then the ones from before go on."""
    try:
        document = _document(settings.LEAK_REPORT_KEYS)
    except (OutboundRefused, OSError, ValueError, RecursionError):
        return None
    listed = document.get("public_keys") if isinstance(document, dict) else None
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    return {str(entry.get("key_identifier")): key for entry in entries if (key := _loaded(entry.get("key")))}


def _document(address: str) -> Any:
    if "://" in address:
        return get_json(address)
    with Path(address).open("rb") as file:
        return json.loads(file.read(MAX_BYTES))


def _loaded(pem: object) -> EllipticCurvePublicKey | None:
    try:
        key = load_pem_public_key(str(pem).encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1) else None
