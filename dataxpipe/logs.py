"""Log lines without secrets: whatever a library writes, no mailed link and no key can be read in it.

Django's line about a refused form, gunicorn's about a request that failed and every traceback name the address asked
for; an address that was mailed is a credential.
"""

from __future__ import annotations

import logging
import re

HIDDEN = "[hidden]"
SECRETS = [
    # The pages whose address ends in a token that was mailed. Lists of the API and the settings have ids there.
    (re.compile(r"(?<!/v1)(?<!/settings)/(invitations|reset|confirm|email)/[^\s\"'<>?#]+"), rf"/\1/{HIDDEN}"),
    # Our own keys, of whatever kind, and Stripe's.
    (re.compile(r"\b(dxp|sk|rk|whsec)_[A-Za-z0-9_-]{8,}"), rf"\1_{HIDDEN}"),
]


def without_secrets(text: str) -> str:
    for pattern, shown in SECRETS:
        text = pattern.sub(shown, text)
    return text


class DiscreetFormatter(logging.Formatter):
    """Hides secrets in the finished line, the traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))
