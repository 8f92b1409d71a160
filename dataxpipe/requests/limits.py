"""What every body must keep to, whichever language it is written in.

Whatever a reader returns can be stored: text without NUL and lone surrogates, integers that fit 64 bits,
finite floats, at most 32 levels, at most 1,000 keys per object.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from dataxpipe.problems import BodyTooLarge, FieldError, MalformedBody

MAX_DEPTH = 32
MAX_KEYS = 1_000
MAX_ERRORS = 100
INT64 = range(-(2**63), 2**63)
INTEGER_DETAIL = "An integer does not fit 64 bits. Send it as a string."
NUMBER_DETAIL = "A number is too large for a double. Send it as a string."

_BOM = b"\xef\xbb\xbf"
_WHITESPACE = b" \t\r\n"


def json_pointer(path: Iterable[str | int]) -> str:
    """The RFC 6901 pointer of a path; NUL and what UTF-8 cannot carry become `?`."""
    tokens = (str(part).replace("~", "~0").replace("/", "~1").replace("\0", "?") for part in path)
    return "".join(f"/{token}" for token in tokens).encode("utf-8", "replace").decode()


def body_text(body: bytes, limit: int) -> str:
    """The UTF-8 text of a body that is neither empty nor larger than the limit in bytes."""
    if len(body) > limit:
        raise too_large(limit)
    if body.startswith(_BOM):
        raise malformed("byte_order_mark", "The body starts with a byte order mark. Send UTF-8 without one.")
    if not body.strip(_WHITESPACE):
        raise malformed("empty", "The body is empty.")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise malformed("encoding", f"The body is not UTF-8: see byte {error.start}.") from None


def check_text(text: str, path: Iterable[str | int]) -> None:
    if "\0" in text:
        raise malformed("nul", "A text holds NUL, which cannot be stored.", json_pointer(path))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        detail = "A text holds half of a surrogate pair, which is no character."
        raise malformed("lone_surrogate", detail, json_pointer(path)) from None


def shown(text: str) -> str:
    """Foreign text inside a sentence of ours: quoted, ASCII, short."""
    return json.dumps(text if len(text) <= 60 else text[:57] + "...")


def malformed(code: str, detail: str, pointer: str | None = None) -> MalformedBody:
    return MalformedBody(detail, errors=[FieldError(code, detail, pointer=pointer)])


def too_deep(pointer: str | None) -> MalformedBody:
    return malformed("too_deep", f"The document is nested deeper than {MAX_DEPTH} levels.", pointer)


def too_large(limit: int) -> BodyTooLarge:
    size = f"{limit // 1024**2} MiB" if limit >= 1024**2 else f"{limit // 1024} kB"
    return BodyTooLarge(f"The body is larger than {size}. Split it, or send less.", limit=limit)
