"""The form of API keys: `dxp_`, 43 base62 digits of 256 random bits, 6 of a CRC-32 of what stands before.

The checksum lets leak scanners and the API refuse a malformed key without asking the database. Keys of operators begin
with `dxp_platform_` and are made the same way.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

PREFIX = "dxp_"
PLATFORM_PREFIX = "dxp_platform_"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PATTERN = re.compile(r"dxp_[0-9A-Za-z]{49}")
PLATFORM_PATTERN = re.compile(r"dxp_platform_[0-9A-Za-z]{49}")
# A key may stand inside of other letters, and begin inside of what only looks like one.
ANYWHERE = re.compile(rb"(?=(dxp_(?:platform_)?[0-9A-Za-z]{49}))")
LONGEST = len(PLATFORM_PREFIX) + 49
RANDOM_LENGTH, CHECKSUM_LENGTH = 43, 6


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the one moment its text is known."""

    text: str

    @property
    def digest(self) -> bytes:
        return digest(self.text)

    @property
    def first_characters(self) -> str:
        return self.text[:8]

    @property
    def last_characters(self) -> str:
        return self.text[-4:]


def generate(prefix: str = PREFIX) -> NewKey:
    body = prefix + _base62(secrets.randbits(256), RANDOM_LENGTH)
    return NewKey(body + _checksum(body))


def is_well_formed(text: str) -> bool:
    return PATTERN.fullmatch(text) is not None and _has_its_checksum(text)


def is_well_formed_platform_key(text: str) -> bool:
    return PLATFORM_PATTERN.fullmatch(text) is not None and _has_its_checksum(text)


def found_in(text: bytes) -> Iterator[tuple[int, str]]:
    """Where keys stand in a text, and the keys: those of organizations and of platform operators, checksum and all."""
    for match in ANYWHERE.finditer(text):
        found = match[1].decode()
        if _has_its_checksum(found):
            yield match.start(), found


def hint(text: str) -> str:
    """What may be shown of a key, for telling it from others: `dxp_a1b2…9xYz`."""
    return f"{text[:8]}…{text[-4:]}"


def digest(text: str) -> bytes:
    """SHA-256, not a password hash: 256 random bits cannot be guessed, and every request pays for it."""
    return hashlib.sha256(text.encode()).digest()


def _has_its_checksum(text: str) -> bool:
    return _checksum(text[:-CHECKSUM_LENGTH]) == text[-CHECKSUM_LENGTH:]


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, remainder = divmod(number, 62)
        digits.append(ALPHABET[remainder])
    return "".join(reversed(digits))
