"""A request to `/v1/…` as Stripe treats it: key, version, idempotency, then the endpoint."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from billing.fake_stripe import catalog_api, sessions_api, subscriptions_api  # noqa: F401  (they register)
from billing.fake_stripe.account import API_VERSION, DAY, Account
from billing.fake_stripe.errors import Refusal
from billing.fake_stripe.parameters import decoded
from billing.fake_stripe.routing import answer
from billing.fake_stripe.store import new_id, public

VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")
LONGEST_KEY = 255


class Answer(NamedTuple):
    status: int
    body: str
    headers: dict[str, str]


def answer_api(account: Account, method: str, path: str, query: str, body: str, headers: Mapping[str, str]) -> Answer:
    """Never raises for what a client can send."""
    told = {"Request-Id": new_id("req"), "Stripe-Version": headers.get("Stripe-Version") or API_VERSION}
    key = headers.get("Idempotency-Key", "") if method == "POST" else ""
    if key:
        told["Idempotency-Key"] = key
    try:
        _check_key(account, headers.get("Authorization", ""))
        if not VERSION.fullmatch(told["Stripe-Version"]):
            raise Refusal(f"Invalid Stripe API version: {told['Stripe-Version']}")
        with account.store.transaction():
            return _once(account, method, path, query, body, key, told)
    except Refusal as refusal:
        return Answer(refusal.status, json.dumps(refusal.body()), told)


def _check_key(account: Account, authorization: str) -> None:
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            given = ""
    if not given or scheme.lower() not in {"basic", "bearer"}:
        raise Refusal("You did not provide an API key.", status=401)
    if given != account.api_key:
        raise Refusal(f"Invalid API Key provided: {given[:8]}****{given[-4:]}", status=401, code="api_key_invalid")


def _once(account: Account, method: str, path: str, query: str, body: str, key: str, told: dict[str, str]) -> Answer:
    """Answers; a repeated key is answered as the first time, with other parameters it is refused."""
    request = hashlib.sha256(f"{method} {path}?{query}\n{body}".encode()).hexdigest()
    if len(key) > LONGEST_KEY:
        raise Refusal(f"Idempotency keys can be up to {LONGEST_KEY} characters long.", type="idempotency_error")
    remembered = "SELECT request, status, body FROM answers WHERE key = ? AND created > ?"
    for before, status, text in account.store.rows(remembered, key, account.now() - DAY) if key else ():
        if before != request:
            raise Refusal(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request.",
                type="idempotency_error",
            )
        return Answer(status, text, {**told, "Idempotent-Replayed": "true"})
    try:
        found = answer(account, method, path, decoded(body if method == "POST" else query))
        status, text = 200, json.dumps(public(found))
    except Refusal as refusal:
        if refusal.status != 402:  # a declined card is a result, with traces of its own
            raise
        status, text = refusal.status, json.dumps(refusal.body())
    if key:
        account.store.rows(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", key, request, status, text, account.now()
        )
    return Answer(status, text, told)
