"""`Idempotency-Key`: a POST repeated within 24 hours is answered again and not done again.

Answers are kept sealed (AES-256-GCM, a key per organization): the answer to making an API key holds its text.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import os
import re
from collections.abc import Callable
from functools import wraps
from typing import Any

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import connection
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from dataxpipe import keyring
from dataxpipe.problems import FieldError, IdempotencyKeyReused, ValidationFailed
from dataxpipe.rendering import JsonRenderer
from orgs import due
from orgs.models import IdempotencyRecord
from orgs.tenancy import current_organization

REMEMBERED_FOR = datetime.timedelta(hours=24)
ACCEPTED = re.compile(r"[\x21-\x7e]{1,255}")

Action = Callable[..., Response]


def idempotent(action: Action) -> Action:
    """For POSTs without a natural key. Refusals are not kept: what failed may be tried again."""

    @wraps(action)
    def remembering(viewset: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return action(viewset, request, *args, **kwargs)
        if not ACCEPTED.fullmatch(key):
            error = FieldError(
                "invalid", "1 to 255 printable ASCII characters without blanks.", parameter="Idempotency-Key"
            )
            raise ValidationFailed("The Idempotency-Key is not usable.", errors=[error])
        _wait_for_same_key(key)
        digest = _digest(request)
        if record := _remembered(key):
            return _again(record, digest)
        response = action(viewset, request, *args, **kwargs)
        if response.status_code < 400:
            IdempotencyRecord.objects.create(
                key=key, request_digest=digest, status=response.status_code, body=_seal(response.data)
            )
            due.mark(due.FORGET_IDEMPOTENCY, after=REMEMBERED_FOR)
        return response

    return remembering


def forget_old_records() -> None:
    """The worker's handler: in the organization's scope."""
    IdempotencyRecord.objects.filter(created_at__lte=timezone.now() - REMEMBERED_FOR).delete()
    if IdempotencyRecord.objects.exists():
        due.mark(due.FORGET_IDEMPOTENCY, after=REMEMBERED_FOR)


def _remembered(key: str) -> IdempotencyRecord | None:
    record: IdempotencyRecord | None = IdempotencyRecord.objects.filter(key=key).first()
    if record is not None and record.created_at <= timezone.now() - REMEMBERED_FOR:
        record.delete()
        return None
    return record


def _again(record: IdempotencyRecord, digest: bytes) -> Response:
    if bytes(record.request_digest) != digest:
        raise IdempotencyKeyReused("This Idempotency-Key came with another request, or from another key.")
    return Response(_open(record.body or {}), status=record.status, headers={"Idempotent-Replayed": "true"})


def _digest(request: Request) -> bytes:
    """Of the whole request and of who sends it, so that no other credential is handed the answer."""
    actor = request.auth
    parts = [actor.kind, actor.id, str(request.method), request.get_full_path()]  # type: ignore[union-attr]
    return hashlib.sha256("\0".join(parts).encode() + b"\0" + request._request.body).digest()


def _wait_for_same_key(key: str) -> None:
    """A twin that arrives meanwhile waits for the first to commit, and then finds its answer."""
    with connection.cursor() as cursor:
        name = f"dataxpipe idempotency {current_organization().pk} {key}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def _seal(data: Any) -> dict[str, str]:
    key_id, nonce = keyring.active_key_id(), os.urandom(12)
    sealed = AESGCM(_key(key_id)).encrypt(nonce, JsonRenderer().render(data), None)
    return {"key_id": key_id, "sealed": base64.b64encode(nonce + sealed).decode()}


def _open(body: dict[str, str]) -> Any:
    sealed = base64.b64decode(body["sealed"])
    return orjson.loads(AESGCM(_key(body["key_id"])).decrypt(sealed[:12], sealed[12:], None))


def _key(key_id: str) -> bytes:
    return keyring.derived_key(key_id, f"idempotent answers of organization {current_organization().pk}")
