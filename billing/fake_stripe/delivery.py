"""Webhooks: every event is posted to the site, signed, and again until the site takes it."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from billing.fake_stripe.account import Account
from billing.fake_stripe.clock import run_everything_due
from billing.fake_stripe.store import Object

# Stripe tries for three days; a developer does not wait that long.
SECONDS_BETWEEN_ATTEMPTS = (1, 2, 4, 8, 15, 30, 60, 120, 300, 600)
TIMEOUT_SECONDS = 10
PAUSE_SECONDS = 0.2
DUE_EVERY_SECONDS = 5.0


def signature(payload: bytes, secret: str, moment: int) -> str:
    """The `Stripe-Signature` header: https://docs.stripe.com/webhooks#verify-manually"""
    digest = hmac.new(secret.encode(), b"%d.%s" % (moment, payload), hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def signed(account: Account, event: Object) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a webhook, signed now."""
    payload = json.dumps(event, indent=2).encode()
    return payload, {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": signature(payload, account.webhook_secret, int(time.time())),
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }


def post(url: str, payload: bytes, headers: dict[str, str]) -> int:
    """The status that the site answers; redirects are not followed. Raises OSError and HTTPException."""
    parts = urlsplit(url)
    kind: Any = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", parts.path, payload, headers)
        return int(connection.getresponse().status)
    finally:
        connection.close()


def deliver_due(account: Account) -> int:
    """Sends the events whose time has come, in their order; how many the site took."""
    waiting = account.store.rows(
        "SELECT event, attempts FROM deliveries JOIN objects ON id = event"
        " WHERE delivered IS NULL AND next_attempt <= ? ORDER BY sequence",
        time.time(),
    )
    return sum(_deliver(account, event, attempts) for event, attempts in waiting)


def _deliver(account: Account, identifier: str, attempts: int) -> bool:
    event = account.store.find(identifier, "event")
    if event is None or account.webhook_url is None:
        return False
    try:
        status = post(account.webhook_url, *signed(account, event))
        told = f"answered {status}"
    except (OSError, http.client.HTTPException) as error:
        status, told = 0, f"not reached: {error}"
    is_taken = 200 <= status < 300
    with account.store.transaction():
        wait = SECONDS_BETWEEN_ATTEMPTS[attempts] if attempts < len(SECONDS_BETWEEN_ATTEMPTS) else None
        account.store.rows(
            "UPDATE deliveries SET attempts = ?, delivered = ?, next_attempt = ?, last_answer = ? WHERE event = ?",
            attempts + 1,
            time.time() if is_taken else None,
            None if is_taken or wait is None else time.time() + wait,
            told,
            identifier,
        )
        if is_taken and account.store.find(identifier):
            account.store.save({**event, "pending_webhooks": 0})
    return is_taken


def send_again(account: Account, event: Object) -> None:
    """Delivers it at once, also if the site has already taken it."""
    account.store.rows(
        "INSERT OR REPLACE INTO deliveries (event, next_attempt) VALUES (?, ?)", event["id"], time.time()
    )


class Clockwork(threading.Thread):
    """Sends webhooks and lets fall due what falls due, until it is stopped."""

    def __init__(self, account: Account) -> None:
        super().__init__(name="fake-stripe-clockwork", daemon=True)
        self.account = account
        self.is_over = threading.Event()

    def run(self) -> None:
        looked_at = 0.0
        while not self.is_over.wait(PAUSE_SECONDS):
            if time.monotonic() - looked_at > DUE_EVERY_SECONDS:
                run_everything_due(self.account)
                looked_at = time.monotonic()
            deliver_due(self.account)

    def stop(self) -> None:
        self.is_over.set()
        self.join()
