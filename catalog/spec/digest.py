"""The identity of a spec's content."""

from __future__ import annotations

import hashlib

import rfc8785

from catalog.spec.model import Spec


def content_digest(spec: Spec) -> bytes:
    """SHA-256 over the RFC 8785 form of the normalized spec, without its version and where it comes from."""
    document = spec.as_document()
    document.pop("version", None)
    document.pop("source", None)
    return hashlib.sha256(rfc8785.dumps(document)).digest()
