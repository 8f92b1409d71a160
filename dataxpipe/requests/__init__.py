"""Reading request bodies: by content type and encoding, strictly, within limits.

Whatever cannot be read is a `Problem`, never another exception.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

from dataxpipe.problems import UnsupportedMediaType
from dataxpipe.requests.limits import json_pointer, malformed, too_large
from dataxpipe.requests.strict_json import MAX_JSON_BYTES, read_json
from dataxpipe.requests.strict_yaml import MAX_YAML_BYTES, read_yaml

__all__ = ["json_pointer", "read_body", "read_json", "read_yaml"]

JSON_TYPES = {"application/json"}
YAML_TYPES = {"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"}
# What curl sends for --data-binary, and what many tools send when nobody told them a type.
UNTOLD_TYPES = {"text/plain", "application/x-www-form-urlencoded"}

_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)


def read_body(content_type: str, content_encoding: str, body: bytes, *, allow_yaml: bool = False) -> Any:
    """The document in a body as the headers describe it; no content type means JSON."""
    is_yaml = _is_yaml(content_type, allow_yaml=allow_yaml)
    limit = MAX_YAML_BYTES if is_yaml else MAX_JSON_BYTES
    plain = _decoded(content_encoding.strip().lower(), body, limit)
    return read_yaml(plain) if is_yaml else read_json(plain)


def _is_yaml(content_type: str, *, allow_yaml: bool) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    charset = _CHARSET.search(content_type)
    if charset and charset[1].lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise UnsupportedMediaType(f"Send the body in UTF-8, not in {charset[1][:40]!a}.")
    if not media_type or media_type in JSON_TYPES or re.fullmatch(r"[^/\s]+/[^/\s]+\+json", media_type):
        return False
    if allow_yaml and (media_type in YAML_TYPES or media_type.endswith("+yaml")):
        return True
    raise UnsupportedMediaType(_media_type_hint(media_type, allow_yaml=allow_yaml))


def _media_type_hint(media_type: str, *, allow_yaml: bool) -> str:
    if media_type in UNTOLD_TYPES:
        yaml_too = ", or -H 'Content-Type: application/yaml' for a YAML spec" if allow_yaml else ""
        return (
            f"{media_type} says nothing about the body. "
            f"Add -H 'Content-Type: application/json' to the request{yaml_too}."
        )
    accepted = "application/json or application/yaml" if allow_yaml else "application/json"
    return f"{media_type[:100]!a} is not read here. Send {accepted}."


def _decoded(encoding: str, body: bytes, limit: int) -> bytes:
    if encoding in {"", "identity"}:
        return body
    if encoding in {"gzip", "x-gzip"}:
        return _gunzip(body, limit)
    raise UnsupportedMediaType(
        f"Content-Encoding {encoding[:40]!a} is not read. Send the body as it is, or gzip it once.",
        headers={"Accept-Encoding": "gzip"},
    )


def _gunzip(body: bytes, limit: int) -> bytes:
    """One gzip member (RFC 1952), stopped as soon as it proves larger than the limit."""
    if len(body) > limit:
        raise too_large(limit)
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unpacker.decompress(body, limit + 1)
    except zlib.error:
        raise malformed("gzip", "The body is not gzip, although Content-Encoding says so.") from None
    if len(plain) > limit:
        raise too_large(limit)
    if not unpacker.eof:
        raise malformed("gzip", "The gzip body ends too early. Send it again, whole.")
    if unpacker.unused_data:
        raise malformed("gzip", "Something follows the end of the gzip body. Send one gzip member only.")
    return plain
