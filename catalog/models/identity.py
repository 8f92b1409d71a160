"""Names of up to 1,000 characters do not fit into an index; their digest does."""

import hashlib


def identity_of(*parts: str) -> bytes:
    """The 32 bytes by which a (namespace, name) is unique; no two different tuples share them."""
    return hashlib.sha256("\0".join(parts).encode()).digest()
